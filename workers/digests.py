"""Digests: what became of a live room, made once however often its end is told."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from domain.summary import summarise
from protocol.events import RoomClosed
from protocol.live_rooms import AttendancePoint, RoomDigest, StageTime, TopMessage
from protocol.pushes import RoomDigested
from protocol.timestamps import to_wire
from stage.roster import Past
from storage import live_rooms, present, room_messages, room_turns
from storage.database import Row
from workers.job import Job, consumes

MOST_POINTS = 1_440  # minutes of a day
MOST_TOP = 10
MOST_SUMMARY = 5


@consumes(RoomClosed, group="digests")
async def digest_room(job: Job, event: RoomClosed) -> None:
    tools = job.tools
    past = await tools.roster.finish(event.room_id)
    async with tools.database.transaction() as tx:
        room = await live_rooms.load_for_all(tx, event.room_id)
        if room is None or room["state"] != "ended":
            return
        messages = await room_messages.load_all_for_workers(tx, event.room_id)
        stage = await room_turns.seconds(tx, event.room_id)
    digest = await asyncio.to_thread(_digest, room, messages, stage, past)
    async with tools.database.transaction() as tx:
        await live_rooms.keep_digest(tx, event.room_id, msgspec.json.encode(digest))
    # Also when it was kept before: whoever kept it may not have come to this. The push's id makes it one.
    told = RoomDigested(id=f"room.digested:{event.room_id}", room_id=str(event.room_id))
    async for page in tools.roster.were_inside(event.room_id):
        await tools.broadcaster.publish_to_users(page, told)


def _digest(room: Row, messages: Sequence[Row], stage: Sequence[Row], past: Past) -> RoomDigest:
    shown = {row["id"]: present.room_message(row) for row in messages}
    reacted = sorted(
        (message_id for message_id in past.reacted if message_id in shown),
        key=lambda message_id: (-sum(past.reacted[message_id].values()), message_id),
    )
    chosen = summarise([row["text"] for row in messages], MOST_SUMMARY)
    return RoomDigest(
        room_id=str(room["id"]),
        topic=room["topic"],
        host=present.user_lite(room, "host_id"),
        started_at=present.optional_time(room["started_at"]),
        ended_at=to_wire(room["ended_at"]),
        peak=past.peak,
        attendance=[
            AttendancePoint(at=to_wire(datetime.fromtimestamp(minute, UTC)), count=count)
            for minute, count in list(past.by_minute.items())[-MOST_POINTS:]
        ],
        speakers=[StageTime(user=present.user_lite(row), seconds=round(row["seconds"])) for row in stage],
        top_messages=[
            TopMessage(message=shown[message_id], reactions=past.reacted[message_id])
            for message_id in reacted[:MOST_TOP]
        ],
        summary=[shown[messages[index]["id"]] for index in chosen],
    )
