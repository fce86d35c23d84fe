"""Messages about comments."""

from collections.abc import Collection
from typing import Annotated, ClassVar

import msgspec

from protocol.fields import CommentText, Cursor, Id, IdempotencyKey, PageSize, Request
from protocol.media import Media
from protocol.moderation import Label
from protocol.pushes import Push
from protocol.reactions import ReactionKind
from protocol.standing import ToldStanding
from protocol.users import UserLite


class ViewerOfComment(msgspec.Struct, frozen=True):
    reaction: ReactionKind | None = None


class CommentForAll(msgspec.Struct, frozen=True):
    """A comment in a push, which is the same for all.

    depth: 0 for a comment on the post itself. deleted: it is deleted or hidden from the viewer, and only its place in
    the tree is shown, because it has replies. counts_version: as in `PostForAll`.
    """

    id: str
    post_id: str
    parent_id: str | None
    author: UserLite | None
    text: str | None
    media: list[Media]
    mentions: list[UserLite]
    depth: int
    reply_count: int
    reactions: dict[str, int]
    counts_version: int
    deleted: bool
    created_at: str
    edited_at: str | None
    labels: list[Label]


class Comment(CommentForAll, frozen=True):
    """A comment on a post or a reply to another comment, and what the viewer has done with it.

    standing: only its author sees a limit.
    """

    viewer: ViewerOfComment
    standing: ToldStanding


class CreateComment(Request, frozen=True):
    """media_ids: one image. The text may be empty if there is one."""

    post_id: Id
    text: CommentText
    media_ids: Annotated[list[Id], msgspec.Meta(max_length=1)] | None = None
    parent_id: Id | None = None
    idempotency_key: IdempotencyKey | None = None


class EditComment(Request, frozen=True):
    comment_id: Id
    text: CommentText


class CommentRef(Request, frozen=True):
    comment_id: Id


class ListComments(Request, frozen=True):
    """Without parent_id: comments on the post itself, newest first. With it: replies to that comment, oldest first."""

    post_id: Id
    parent_id: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class CommentPage(msgspec.Struct, frozen=True):
    """items: up to `limit` comments, each followed by its first replies of any depth, in the order of the tree.

    more: for each comment of items with replies that are not among them, how many direct ones are not.
    """

    items: list[Comment]
    more: dict[str, int]
    next_cursor: str | None


class _OfComment(Push, frozen=True):
    comment: CommentForAll

    @property
    def shown_ids(self) -> list[int]:
        return [int(user.id) for user in self.comment.mentions]

    def without(self, hidden: Collection[int]) -> Push:
        mentions = [user for user in self.comment.mentions if int(user.id) not in hidden]
        return msgspec.structs.replace(self, comment=msgspec.structs.replace(self.comment, mentions=mentions))


class CommentCreated(_OfComment, frozen=True):
    event: ClassVar[str] = "comment.created"


class CommentEdited(_OfComment, frozen=True):
    event: ClassVar[str] = "comment.edited"


class CommentDeleted(Push, frozen=True):
    event: ClassVar[str] = "comment.deleted"
    post_id: str
    comment_id: str
