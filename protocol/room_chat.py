"""Messages about the chat of a live room: messages and reactions."""

from typing import ClassVar

import msgspec

from protocol.fields import Cursor, Emoji, Id, IdempotencyKey, MessageText, PageSize, Request
from protocol.pushes import Flow, Push
from protocol.users import UserLite


class RoomMessage(msgspec.Struct, frozen=True):
    id: str
    room_id: str
    sender: UserLite
    text: str
    created_at: str


class SendToRoom(Request, frozen=True):
    room_id: Id
    text: MessageText
    idempotency_key: IdempotencyKey | None = None


class DeleteRoomMessage(Request, frozen=True):
    room_id: Id
    message_id: Id


class ListRoomMessages(Request, frozen=True):
    room_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class RoomMessagePage(msgspec.Struct, frozen=True):
    items: list[RoomMessage]
    next_cursor: str | None


class ReactInRoom(Request, frozen=True):
    """To the room, or to one of its messages."""

    room_id: Id
    emoji: Emoji
    message_id: Id | None = None


class RoomMessaged(Push, frozen=True):
    event: ClassVar[str] = "room.message"
    room_id: str
    message: RoomMessage


class RoomMessageDeleted(Push, frozen=True):
    event: ClassVar[str] = "room.message_deleted"
    room_id: str
    message_id: str


class RoomReacted(Push, frozen=True):
    """Counts of reactions since the last such push, at most a second ago."""

    event: ClassVar[str] = "room.reacted"
    flow: ClassVar[Flow] = "drop"
    room_id: str
    counts: dict[str, int]
