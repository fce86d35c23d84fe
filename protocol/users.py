"""Messages about users and their graph."""

import datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocol.fields import Bio, Cursor, DisplayName, Id, PageSize, Reason, Request, Username
from protocol.pushes import Push


class UserLite(msgspec.Struct, frozen=True):
    """The part of a user that is shown beside their posts and messages."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None
    is_verified: bool


class Relation(msgspec.Struct, frozen=True):
    """The relation between the viewer and a user."""

    follows: bool = False
    followed_by: bool = False
    requested: bool = False
    blocks: bool = False
    mutes: bool = False


class User(msgspec.Struct, frozen=True):
    """The profile of a user, as the viewer sees it."""

    id: str
    username: str
    display_name: str
    avatar_url: str | None
    is_verified: bool
    bio: str
    is_private: bool
    follower_count: int
    following_count: int
    post_count: int
    created_at: str
    viewer: Relation


class GetUser(Request, frozen=True):
    user_id: Id | None = None
    username: Username | None = None


class ListUsers(Request, frozen=True):
    user_ids: Annotated[list[Id], msgspec.Meta(max_length=100)]


class UserList(msgspec.Struct, frozen=True):
    items: list[User]


class UserPage(msgspec.Struct, frozen=True):
    items: list[User]
    next_cursor: str | None


PresenceAudience = Literal[
    "everyone", "followers", "nobody"
]  # who may watch; for a private account, "everyone" means followers


Governorate = Literal[
    "alexandria", "aswan", "asyut", "beheira", "beni_suef", "cairo", "dakahlia", "damietta", "faiyum", "gharbia",
    "giza", "ismailia", "kafr_el_sheikh", "luxor", "matruh", "minya", "monufia", "new_valley", "north_sinai",
    "port_said", "qalyubia", "qena", "red_sea", "sharqia", "sohag", "south_sinai", "suez",
]  # fmt: skip


class OwnUser(User, frozen=True):
    """The viewer's own profile, with what is shown to nobody else."""

    governorate: Governorate | None


class UpdateUser(Request, frozen=True):
    """Absent fields stay as they are. null clears a text, the avatar or the governorate, and is refused for others."""

    display_name: DisplayName | None | UnsetType = UNSET
    bio: Bio | None | UnsetType = UNSET
    avatar_media_id: Id | None | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    presence_audience: PresenceAudience | UnsetType = UNSET
    governorate: Governorate | None | UnsetType = UNSET


class UserRef(Request, frozen=True):
    user_id: Id


class FollowResult(msgspec.Struct, frozen=True):
    status: Literal["active", "pending"]


class BlockUser(Request, frozen=True):
    user_id: Id
    reason: Reason | None = None


MuteKind = Literal["all", "posts", "stories"]


class MuteUser(Request, frozen=True):
    user_id: Id
    kind: MuteKind = "all"
    until: Annotated[datetime.datetime, msgspec.Meta(tz=True)] | None = None


class UnmuteUser(Request, frozen=True):
    """Without `kind`, mutes of all kinds are removed."""

    user_id: Id
    kind: MuteKind | None = None


class ListFollows(Request, frozen=True):
    user_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ListRequests(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class GraphFollowed(Push, frozen=True):
    event: ClassVar[str] = "graph.followed"
    user: UserLite


class GraphRequested(Push, frozen=True):
    event: ClassVar[str] = "graph.requested"
    user: UserLite


class GraphAccepted(Push, frozen=True):
    event: ClassVar[str] = "graph.accepted"
    user: UserLite


class GraphMuted(Push, frozen=True):
    """To the user's own devices: one of them muted that user."""

    event: ClassVar[str] = "graph.muted"
    user_id: str
    kind: MuteKind
    until: str | None


class GraphUnmuted(Push, frozen=True):
    """To the user's own devices. Without `kind`, mutes of all kinds are removed."""

    event: ClassVar[str] = "graph.unmuted"
    user_id: str
    kind: MuteKind | None
