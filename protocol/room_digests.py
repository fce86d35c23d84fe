"""Messages about digests of live rooms that have ended."""

from typing import ClassVar

import msgspec

from protocol.pushes import Push
from protocol.room_chat import RoomMessage
from protocol.users import UserLite


class AttendancePoint(msgspec.Struct, frozen=True):
    """The most users who were inside at once, within the minute that begins at `at`."""

    at: str
    count: int


class StageTime(msgspec.Struct, frozen=True):
    user: UserLite
    seconds: int


class TopMessage(msgspec.Struct, frozen=True):
    message: RoomMessage
    reactions: dict[str, int]


class RoomDigest(msgspec.Struct, frozen=True):
    """The digest of a room, made once, after its end."""

    room_id: str
    topic: str
    host: UserLite
    started_at: str | None
    ended_at: str
    peak: int
    attendance: list[AttendancePoint]
    speakers: list[StageTime]
    top_messages: list[TopMessage]
    summary: list[RoomMessage]


class RoomDigested(Push, frozen=True):
    """room.digest now returns the digest, as each user may see it."""

    event: ClassVar[str] = "room.digested"
    room_id: str
