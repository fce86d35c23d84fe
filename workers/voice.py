"""Voice: who was sent out, silenced or given the stage is so at LiveKit too, and what was missed is made good.

A group of its own, so that LiveKit holds up nobody else. Without LiveKit it lets its events go by: a group that stopped
reading would keep the event log from being trimmed.
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
    """May speak at once, or is silent at once."""
    if job.tools.voice is not None:
        for user_id in {event.user_id, event.actor_id if event.change == "host" else 0} - {0}:
            await job.tools.voice.settle(event.room_id, user_id)


@consumes(RoomRemovedEvent, group="voice")
async def send_out_of_voice(job: Job, event: RoomRemovedEvent) -> None:
    """Perhaps before the roster has heard of it; who has come back since stays."""
    if job.tools.voice is not None:
        await job.tools.voice.settle(event.room_id, event.user_id, joined_after=event.joined or 0)


@consumes(RoomClosedEvent, group="voice")
async def end_voice(job: Job, event: RoomClosedEvent) -> None:
    if job.tools.voice is not None:
        await job.tools.voice.end(event.room_id)


async def keep_voice(tools: Tools, stop: asyncio.Event) -> None:
    """Until stopped: find who is connected to LiveKit and should not be, or not so."""
    while tools.voice is not None and not stop.is_set():
        try:
            await tools.voice.look_around()
        except OUT_OF_REACH as error:
            log.warning("voice could not be looked at", error=f"{type(error).__name__}: {error}")
        try:
            async with asyncio.timeout(voice.LOOK_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
