"""Voice: apply removals, mutes and roles to LiveKit, and repair differences.

It is a group of its own, so that a slow LiveKit delays no other reaction. Without LiveKit it reads its events and does
nothing: the event log is only trimmed up to what all groups have read.
"""

import asyncio

import structlog

from protocol.events import RoomChangedEvent, RoomClosedEvent, RoomRemovedEvent
from stage import voice
from storage.reach import OUT_OF_REACH
from workers.job import Job, Tools, consumes

log = structlog.get_logger()


@consumes(RoomChangedEvent, group="voice")
async def settle_speaker(job: Job, event: RoomChangedEvent) -> None:
    """Let the user speak, or silence the user, at LiveKit."""
    if job.tools.voice is not None:
        for user_id in {event.user_id, event.actor_id if event.change == "host" else 0} - {0}:
            await job.tools.voice.settle(event.room_id, user_id)


@consumes(RoomRemovedEvent, group="voice")
async def send_out_of_voice(job: Job, event: RoomRemovedEvent) -> None:
    """Disconnect the user from LiveKit, unless the user has rejoined since. The roster may not know the removal yet."""
    if job.tools.voice is not None:
        await job.tools.voice.settle(event.room_id, event.user_id, joined_after=event.joined or 0)


@consumes(RoomClosedEvent, group="voice")
async def end_voice(job: Job, event: RoomClosedEvent) -> None:
    if job.tools.voice is not None:
        await job.tools.voice.end(event.room_id)


async def keep_voice(tools: Tools, stop: asyncio.Event) -> None:
    """Find users at LiveKit who should not be there or have the wrong rights, until `stop` is set."""
    while tools.voice is not None and not stop.is_set():
        try:
            await tools.voice.look_around()
        except OUT_OF_REACH as error:
            log.warning("voice could not be checked", error=f"{type(error).__name__}: {error}")
        try:
            async with asyncio.timeout(voice.LOOK_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
