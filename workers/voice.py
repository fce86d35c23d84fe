"""Voice: apply removals, mutes and roles to LiveKit, and repair differences.

It is a group of its own, so that a slow LiveKit delays no other reaction. Without LiveKit it reads its events and does
nothing: the event log is only trimmed up to what all groups have read.
"""

import asyncio

from protocol.events import RoomChangedEvent, RoomClosedEvent, RoomRemovedEvent
from stage import voice
from workers.job import Job, Tools, consumes
from workers.polling_loop import run_polling


@consumes(RoomChangedEvent, group="voice")
async def settle_speaker(job: Job, event: RoomChangedEvent) -> None:
    """Let the user speak, or silence the user, at LiveKit."""
    if job.tools.voice is not None:
        for user_id in {event.user_id, event.actor_id if event.change == "host" else 0} - {0}:
            await job.tools.voice.settle(event.room_id, user_id)


@consumes(RoomRemovedEvent, group="voice")
async def remove_from_voice(job: Job, event: RoomRemovedEvent) -> None:
    """Disconnect the user from LiveKit, unless the user has rejoined since. The roster may not know the removal yet."""
    if job.tools.voice is not None:
        await job.tools.voice.settle(event.room_id, event.user_id, joined_after=event.joined or 0)


@consumes(RoomClosedEvent, group="voice")
async def end_voice(job: Job, event: RoomClosedEvent) -> None:
    if job.tools.voice is not None:
        await job.tools.voice.end(event.room_id)


async def keep_voice(tools: Tools, stop: asyncio.Event) -> None:
    """Find users at LiveKit who should not be there or have the wrong rights, until `stop` is set."""
    if tools.voice is None:
        return
    look_around = tools.voice.look_around

    async def turn() -> bool:
        await look_around()
        return False

    await run_polling("voice-keeper", turn, voice.LOOK_EVERY_S, stop)
