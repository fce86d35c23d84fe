"""Digests of live rooms: attendance, time on the stage, the messages with most reactions, and a summary of the chat."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from domain.summary import summarise
from protocol.room_digests import AttendancePoint, RoomDigest, StageTime, TopMessage
from protocol.timestamps import to_wire
from storage import present
from storage.live_rooms import RoomRow
from storage.room_messages import MessageRow
from storage.room_turns import StageTimeRow

MOST_POINTS = 1_440  # minutes of a day
MOST_TOP = 10
MOST_SUMMARY = 5


def digest_room(
    room: RoomRow,
    messages: Sequence[MessageRow],
    stage: Sequence[StageTimeRow],
    *,
    peak: int,
    by_minute: Mapping[int, int],
    reacted: Mapping[int, Mapping[str, int]],
) -> RoomDigest:
    """The digest of a room that has ended. Takes up to half a second: not for an event loop.

    by_minute: users inside, by minute (s since 1970).
    reacted: message id → emoji → count.
    """
    assert room["ended_at"] is not None
    shown = {row["id"]: present.room_message(row) for row in messages}
    top = sorted(
        (message_id for message_id in reacted if message_id in shown),
        key=lambda message_id: (-sum(reacted[message_id].values()), message_id),
    )
    chosen = summarise([row["text"] for row in messages], MOST_SUMMARY)
    return RoomDigest(
        room_id=str(room["id"]),
        topic=room["topic"],
        host=present.user_lite(room, room["host_id"]),
        started_at=present.optional_time(room["started_at"]),
        ended_at=to_wire(room["ended_at"]),
        peak=peak,
        attendance=[
            AttendancePoint(at=to_wire(datetime.fromtimestamp(minute, UTC)), count=count)
            for minute, count in list(by_minute.items())[-MOST_POINTS:]
        ],
        speakers=[StageTime(user=present.user_lite(row, row["id"]), seconds=round(row["seconds"])) for row in stage],
        top_messages=[
            TopMessage(message=shown[message_id], reactions=dict(reacted[message_id])) for message_id in top[:MOST_TOP]
        ],
        summary=[shown[messages[index]["id"]] for index in chosen],
    )
