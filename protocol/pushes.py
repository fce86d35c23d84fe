"""Pushes: what the server tells clients unasked.

A push's `id` derives from its cause, so a repetition carries the same one and a client drops what it has seen.
"""

from collections.abc import Collection
from typing import ClassVar, Literal, NamedTuple

import msgspec

from protocol.live_rooms import RemovalReason, Role, Room, RoomMessage
from protocol.posts import Post
from protocol.presence import Presence
from protocol.users import User, UserLite

# What a client gets that is away or reads too slowly: all of it, later or by coming back; the newest of its kind; or
# what it happens to catch.
Flow = Literal["recover", "conflate", "drop"]


class History(NamedTuple):
    """How much of a room's recoverable pushes is kept for those who are away."""

    pushes: int = 10_000
    bytes: int = 4 * 1024 * 1024  # more than a client that stopped reading has unread when it is cut off


class Push(msgspec.Struct, frozen=True):
    """The base of every push; subclasses name themselves by `event`."""

    event: ClassVar[str]
    flow: ClassVar[Flow] = "recover"
    history: ClassVar[History] = History()
    id: str

    @property
    def replaces(self) -> str:
        """Which earlier pushes a conflated one makes worthless: those that say the same here."""
        return self.event

    @property
    def people(self) -> list[int]:
        """Whom it shows beside the one whose act it tells of."""
        return []

    def without(self, hidden: Collection[int]) -> "Push":
        """For somebody who must not be shown these people."""
        return self


class SessionReady(Push, frozen=True):
    event: ClassVar[str] = "session.ready"
    session_id: str | None
    user: User | None
    server_time: str
    recovered: bool
    protocol: int


class SessionExpired(Push, frozen=True):
    event: ClassVar[str] = "session.expired"


RevocationReason = Literal["logout", "revoked", "reused", "password_changed", "suspended"]


class SessionRevoked(Push, frozen=True):
    event: ClassVar[str] = "session.revoked"
    reason: RevocationReason


class GraphFollowed(Push, frozen=True):
    event: ClassVar[str] = "graph.followed"
    user: UserLite


class GraphRequested(Push, frozen=True):
    event: ClassVar[str] = "graph.requested"
    user: UserLite


class GraphAccepted(Push, frozen=True):
    event: ClassVar[str] = "graph.accepted"
    user: UserLite


class FeedAdded(Push, frozen=True):
    event: ClassVar[str] = "feed.added"
    post_id: str
    author_id: str
    created_at: str


class FeedRemoved(Push, frozen=True):
    event: ClassVar[str] = "feed.removed"
    post_id: str


class PostEdited(Push, frozen=True):
    event: ClassVar[str] = "post.edited"
    post: Post


class PostDeleted(Push, frozen=True):
    event: ClassVar[str] = "post.deleted"
    post_id: str


class _OfRoom(Push, frozen=True):
    room: Room

    @property
    def people(self) -> list[int]:
        return [int(user.id) for user in (*self.room.speakers, *self.room.hands)]

    def without(self, hidden: Collection[int]) -> Push:
        room = msgspec.structs.replace(
            self.room,
            speakers=[user for user in self.room.speakers if int(user.id) not in hidden],
            cohost_ids=[user_id for user_id in self.room.cohost_ids if int(user_id) not in hidden],
            muted_ids=[user_id for user_id in self.room.muted_ids if int(user_id) not in hidden],
            hands=[user for user in self.room.hands if int(user.id) not in hidden],
        )
        return msgspec.structs.replace(self, room=room)


class RoomUpdated(_OfRoom, frozen=True):
    event: ClassVar[str] = "room.updated"


class RoomJoined(Push, frozen=True):
    event: ClassVar[str] = "room.joined"
    room_id: str
    user: UserLite
    role: Role


class RoomLeft(Push, frozen=True):
    event: ClassVar[str] = "room.left"
    room_id: str
    user_id: str


class RoomAudience(Push, frozen=True):
    event: ClassVar[str] = "room.audience"
    flow: ClassVar[Flow] = "conflate"
    room_id: str
    count: int


class RoomMessaged(Push, frozen=True):
    event: ClassVar[str] = "room.message"
    room_id: str
    message: RoomMessage


class RoomMessageDeleted(Push, frozen=True):
    event: ClassVar[str] = "room.message_deleted"
    room_id: str
    message_id: str


class RoomReacted(Push, frozen=True):
    """What has come since the last one, at most a second ago."""

    event: ClassVar[str] = "room.reacted"
    flow: ClassVar[Flow] = "drop"
    room_id: str
    counts: dict[str, int]


class RoomInvited(_OfRoom, frozen=True):
    event: ClassVar[str] = "room.invited"


class RoomRoleChanged(Push, frozen=True):
    """To whom it was given: a media token of before no longer fits."""

    event: ClassVar[str] = "room.role_changed"
    room_id: str
    role: Role
    muted: bool


class RoomRemoved(Push, frozen=True):
    event: ClassVar[str] = "room.removed"
    room_id: str
    reason: RemovalReason


class RoomClosed(_OfRoom, frozen=True):
    event: ClassVar[str] = "room.closed"


class RoomDigested(Push, frozen=True):
    """room.digest answers it now, to each as they may see it."""

    event: ClassVar[str] = "room.digested"
    room_id: str


class PresenceChanged(Push, frozen=True):
    event: ClassVar[str] = "presence.changed"
    flow: ClassVar[Flow] = "conflate"
    presence: Presence


class TypingChanged(Push, frozen=True, omit_defaults=True):
    """Over 6 s after the last that says so."""

    event: ClassVar[str] = "typing.changed"
    flow: ClassVar[Flow] = "drop"
    user_id: str
    typing: bool
    room_id: str | None = None
    post_id: str | None = None


def _all(base: type[Push]) -> list[type[Push]]:
    kinds = base.__subclasses__()
    return [kind for each in kinds for kind in _all(each)] if kinds else [base]


PUSHES: tuple[type[Push], ...] = tuple(sorted(_all(Push), key=lambda push: push.event))
