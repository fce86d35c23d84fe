"""Messages about live rooms: what is said, seen and decided in them."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocol.fields import Cursor, Emoji, Id, IdempotencyKey, MessageText, PageSize, Reason, Request, Topic
from protocol.posts import Version, Visibility
from protocol.users import UserLite

RoomState = Literal["scheduled", "live", "ended"]
Role = Literal["host", "cohost", "speaker", "listener"]
GrantedRole = Literal["cohost", "speaker", "listener"]
RemovalReason = Literal["kicked", "banned", "full", "access", "ended"]

DEFAULT_CAPACITY = 10_000
Capacity = Annotated[int, msgspec.Meta(ge=2, le=1_000_000)]
SlowMode = Annotated[int, msgspec.Meta(ge=0, le=3_600, description="seconds between two messages of a listener")]
Time = Annotated[datetime.datetime, msgspec.Meta(tz=True)]
InvitedIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]


class Room(msgspec.Struct, frozen=True):
    """`speakers` are all on the stage who are in the room, the host among them, and of them who are cohosts and who are
    muted; `hands` the first 50 raised."""

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


class RoomMessage(msgspec.Struct, frozen=True):
    id: str
    room_id: str
    sender: UserLite
    text: str
    created_at: str


class Participant(msgspec.Struct, frozen=True):
    user: UserLite
    role: Role
    hand_raised_at: str | None
    muted: bool


class CreateRoom(Request, frozen=True):
    """Without `starts_at` it waits for room.start all the same; the time is what others are shown."""

    topic: Topic
    starts_at: Time | None = None
    visibility: Visibility | None = None
    circle_id: Id | None = None
    capacity: Capacity | None = None
    slow_mode_s: SlowMode | None = None
    idempotency_key: IdempotencyKey | None = None


class UpdateRoom(Request, frozen=True):
    """Absent leaves as it is."""

    room_id: Id
    version: Version
    topic: Topic | UnsetType = UNSET
    capacity: Capacity | UnsetType = UNSET
    slow_mode_s: SlowMode | UnsetType = UNSET


class RoomRef(Request, frozen=True):
    room_id: Id


class VersionedRoomRef(Request, frozen=True):
    """With `version`, ABORTED where the room has changed since."""

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
    """One picture; pushes with an offset above `offset` follow it. `next_cursor` goes on in room.participants."""

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
    """The first page begins with everybody on the stage, however many; listeners follow as they came."""

    items: list[Participant]
    next_cursor: str | None


class RaiseHand(Request, frozen=True):
    room_id: Id
    raised: bool


class SetRole(Request, frozen=True):
    room_id: Id
    user_id: Id
    role: GrantedRole
    version: Version | None = None


class RoomMember(Request, frozen=True):
    room_id: Id
    user_id: Id
    version: Version | None = None


class MuteInRoom(Request, frozen=True):
    """The muted neither speak nor write."""

    room_id: Id
    user_id: Id
    muted: bool
    version: Version | None = None


class KickFromRoom(Request, frozen=True):
    room_id: Id
    user_id: Id
    reason: Reason | None = None


class BanFromRoom(Request, frozen=True):
    """Without `until`, for as long as the room lives."""

    room_id: Id
    user_id: Id
    reason: Reason | None = None
    until: Time | None = None


class InviteToRoom(Request, frozen=True):
    room_id: Id
    user_ids: InvitedIds


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


class MediaToken(msgspec.Struct, frozen=True):
    """For LiveKit at that URL. Ask for one each time you connect."""

    url: str
    token: str
    expires_at: str


class AttendancePoint(msgspec.Struct, frozen=True):
    """The most who were inside at once within the minute that begins at `at`."""

    at: str
    count: int


class StageTime(msgspec.Struct, frozen=True):
    user: UserLite
    seconds: int


class TopMessage(msgspec.Struct, frozen=True):
    message: RoomMessage
    reactions: dict[str, int]


class RoomDigest(msgspec.Struct, frozen=True):
    """What became of a room: made once, after it has closed."""

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
