"""Digests: each live room that has ended gets one, however often its end is announced."""

import asyncio
from functools import partial

import msgspec

from domain import digests
from protocol.events import RoomClosedEvent
from protocol.room_digests import RoomDigested
from storage import live_rooms, room_messages, room_turns
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notifications import notify


@consumes(RoomClosedEvent, group="digests", lane="bulk")
async def digest_room(job: Job, event: RoomClosedEvent) -> None:
    """Store the digest, and notify every user who was inside."""
    tools = job.tools
    past = await tools.roster.finish(event.room_id)
    async with tools.database.transaction() as tx:
        room = await live_rooms.load_for_all(tx, event.room_id)
        if room is None or room["state"] != "ended":
            return
        messages = await room_messages.load_all_for_workers(tx, event.room_id)
        stage = await room_turns.seconds(tx, event.room_id)
    digest = await asyncio.to_thread(partial(digests.digest_room, room, messages, stage, **past._asdict()))
    async with tools.database.transaction() as tx:
        await live_rooms.keep_digest(tx, event.room_id, msgspec.json.encode(digest))
    # Also if the digest was stored before: that job may have died here. Clients drop a push whose id they have seen.
    digested = RoomDigested(id=f"room.digested:{event.room_id}", room_id=str(event.room_id))
    async for page in tools.roster.were_inside(event.room_id):
        await tools.broadcaster.publish_to_users(page, digested)
        await notify(job, Cause("digest", "room", event.room_id, 0), page)
