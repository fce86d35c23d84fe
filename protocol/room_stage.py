"""Messages about the stage of a live room: hands, roles, moderation, voice."""

from typing import Annotated, ClassVar

import msgspec

from protocol.fields import Id, Reason, Request
from protocol.live_rooms import GrantedRole, Role, Time
from protocol.posts import Version
from protocol.pushes import Push

InvitedIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=100)]


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
    """A muted user can neither speak nor write."""

    room_id: Id
    user_id: Id
    muted: bool
    version: Version | None = None


class KickFromRoom(Request, frozen=True):
    room_id: Id
    user_id: Id
    reason: Reason | None = None


class BanFromRoom(Request, frozen=True):
    """Without `until`, the ban lasts until the room ends."""

    room_id: Id
    user_id: Id
    reason: Reason | None = None
    until: Time | None = None


class InviteToRoom(Request, frozen=True):
    room_id: Id
    user_ids: InvitedIds


class MediaToken(msgspec.Struct, frozen=True):
    """A token for LiveKit at that URL. Request one each time you connect."""

    url: str
    token: str
    expires_at: str


class RoomRoleChanged(Push, frozen=True):
    """Pushed to the user whose role or mute changed. Media tokens of before are no longer right."""

    event: ClassVar[str] = "room.role_changed"
    room_id: str
    role: Role
    muted: bool
