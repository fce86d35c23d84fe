"""Messages about reactions to posts and comments."""

from typing import ClassVar, Literal

import msgspec

from protocol.fields import Cursor, Id, PageSize, Request
from protocol.pushes import Push
from protocol.users import UserLite

TargetType = Literal["post", "comment"]
ReactionKind = Literal["like", "love", "laugh", "sad", "angry"]


class SetReaction(Request, frozen=True):
    target_type: TargetType
    target_id: Id
    kind: ReactionKind


class UnsetReaction(Request, frozen=True):
    target_type: TargetType
    target_id: Id


class ListReactions(Request, frozen=True):
    target_type: TargetType
    target_id: Id
    kind: ReactionKind | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class Reaction(msgspec.Struct, frozen=True):
    user: UserLite
    kind: ReactionKind
    created_at: str


class ReactionPage(msgspec.Struct, frozen=True):
    items: list[Reaction]
    next_cursor: str | None


class ReactionChanged(Push, frozen=True):
    """To the user's own devices. `kind` is null after `reaction.unset`."""

    event: ClassVar[str] = "reaction.changed"
    target_type: TargetType
    target_id: str
    kind: ReactionKind | None
