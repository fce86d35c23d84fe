"""Messages about live rooms: their state, joining and leaving, and who is inside."""

import datetime
from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocol.fields import Cursor, Id, IdempotencyKey, PageSize, Request, Topic
from protocol.moderation import Label
from protocol.posts import Version, Visibility
from protocol.pushes import Flow, Push
from protocol.room_chat import RoomMessage
from protocol.users import UserLite

RoomState = Literal["scheduled", "live", "ended"]
Role = Literal["host", "cohost", "speaker", "listener"]
GrantedRole = Literal["cohost", "speaker", "listener"]
RemovalReason = Literal["kicked", "banned", "full", "access", "ended"]

DEFAULT_CAPACITY = 10_000
Capacity = Annotated[int, msgspec.Meta(ge=2, le=1_000_000)]
SlowMode = Annotated[int, msgspec.Meta(ge=0, le=3_600, description="seconds between two messages of a listener")]
Time = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


class Room(msgspec.Struct, frozen=True):
    """`speakers` are the users on the stage who are in the room, including the host. `cohost_ids` and `muted_ids` name
    some of them. `hands` are the first 50 raised hands. `is_recorded`: the room is being recorded."""

    id: str
    topic: str
    host: UserLite
    state: RoomState
    visibility: Visibility
    capacity: int
    slow_mode_s: int
    starts_at: str | None
    started_at: str | None
    ended_at: str | None
    audience_count: int
    speakers: list[UserLite]
    cohost_ids: list[str]
    muted_ids: list[str]
    hands: list[UserLite]
    version: int
    is_recorded: bool
    labels: list[Label]


class Participant(msgspec.Struct, frozen=True):
    user: UserLite
    role: Role
    hand_raised_at: str | None
    muted: bool


class CreateRoom(Request, frozen=True):
    """`starts_at` is only shown to users: the room always starts by room.start."""

    topic: Topic
    starts_at: Time | None = None
    visibility: Visibility | None = None
    circle_id: Id | None = None
    capacity: Capacity | None = None
    slow_mode_s: SlowMode | None = None
    idempotency_key: IdempotencyKey | None = None


class UpdateRoom(Request, frozen=True):
    """Absent fields stay as they are."""

    room_id: Id
    version: Version
    topic: Topic | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    slow_mode_s: SlowMode | UnsetType = UNSET


class RoomRef(Request, frozen=True):
    room_id: Id


class VersionedRoomRef(Request, frozen=True):
    """With `version`, the call is ABORTED if the room has changed since."""

    room_id: Id
    version: Version | None = None


class ListRooms(Request, frozen=True):
    state: RoomState | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class RoomPage(msgspec.Struct, frozen=True):
    items: list[Room]
    next_cursor: str | None


class JoinedRoom(msgspec.Struct, frozen=True):
    """A snapshot: pushes with an offset above `offset` come after it. room.participants takes `next_cursor`."""

    room: Room
    role: Role
    muted: bool
    participants: list[Participant]
    next_cursor: str | None
    recent_messages: list[RoomMessage]
    offset: str


class ListParticipants(Request, frozen=True):
    room_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ParticipantPage(msgspec.Struct, frozen=True):
    """The first page begins with all users on the stage, then has listeners in the order in which they joined."""

    items: list[Participant]
    next_cursor: str | None


class _PushOfRoom(Push, frozen=True):
    """The base of pushes that show a whole room."""

    room: Room

    @property
    def shown_ids(self) -> list[int]:
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


class RoomUpdated(_PushOfRoom, frozen=True):
    event: ClassVar[str] = "room.updated"


class RoomInvited(_PushOfRoom, frozen=True):
    event: ClassVar[str] = "room.invited"


class RoomClosed(_PushOfRoom, frozen=True):
    event: ClassVar[str] = "room.closed"


class RoomJoined(Push, frozen=True):
    event: ClassVar[str] = "room.joined"
    room_id: str
    user: UserLite
    role: Role


class RoomLeft(Push, frozen=True):
    event: ClassVar[str] = "room.left"
    room_id: str
    user_id: str


class RoomRemoved(Push, frozen=True):
    event: ClassVar[str] = "room.removed"
    room_id: str
    reason: RemovalReason


class RoomAudience(Push, frozen=True):
    event: ClassVar[str] = "room.audience"
    flow: ClassVar[Flow] = "conflate"
    room_id: str
    count: int
