"""Messages about posts, circles and the feed."""

from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.fields import (
    CircleName,
    Cursor,
    Id,
    IdempotencyKey,
    PageSize,
    PostText,
    Request,
)
from protocol.pushes import Push
from protocol.reactions import ReactionKind
from protocol.users import UserLite

Visibility = Literal["public", "followers", "circle", "private"]
ReplyPolicy = Literal["everyone", "followers", "mentioned", "nobody"]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Counts(msgspec.Struct, frozen=True):
    reactions: dict[str, int]
    comments: int
    shares: int
    saves: int
    views: int


class ViewerOfPost(msgspec.Struct, frozen=True):
    reaction: ReactionKind | None = None
    saved: bool = False


class Media(msgspec.Struct, frozen=True):
    """An attachment of a post."""

    id: str


class PostForAll(msgspec.Struct, frozen=True):
    """A post in a push, which is the same for all."""

    id: str
    author: UserLite
    text: str
    media: list[Media]
    hashtags: list[str]
    mentions: list[UserLite]
    visibility: Visibility
    version: int
    created_at: str
    edited_at: str | None
    counts: Counts


class Post(PostForAll, frozen=True):
    """A post, and what the viewer has done with it."""

    viewer: ViewerOfPost


class CreatePost(Request, frozen=True):
    text: PostText
    media_ids: Annotated[list[Id], msgspec.Meta(max_length=10)] | None = None
    visibility: Visibility | None = None
    circle_id: Id | None = None
    reply_policy: ReplyPolicy | None = None
    idempotency_key: IdempotencyKey | None = None


class PostRef(Request, frozen=True):
    post_id: Id


class ListPosts(Request, frozen=True):
    user_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class PostPage(msgspec.Struct, frozen=True):
    items: list[Post]
    next_cursor: str | None


class EditPost(Request, frozen=True):
    post_id: Id
    version: Version
    text: PostText


class Circle(msgspec.Struct, frozen=True):
    id: str
    name: str
    members: list[UserLite]
    created_at: str


class CircleList(msgspec.Struct, frozen=True):
    items: list[Circle]
    next_cursor: str | None


UserIds = Annotated[list[Id], msgspec.Meta(max_length=100)]


class CreateCircle(Request, frozen=True):
    name: CircleName
    user_ids: UserIds | None = None
    idempotency_key: IdempotencyKey | None = None


class UpdateCircle(Request, frozen=True):
    circle_id: Id
    name: CircleName


class ListCircles(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class CircleRef(Request, frozen=True):
    circle_id: Id


class CircleMembers(Request, frozen=True):
    circle_id: Id
    user_ids: UserIds


class GetFeed(Request, frozen=True):
    mode: Literal["ranked", "latest"] | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class FeedItem(msgspec.Struct, frozen=True, omit_defaults=True):
    post: Post
    reason: Literal["follow", "mention", "suggested"]
    score: float | None = None


class FeedPage(msgspec.Struct, frozen=True):
    items: list[FeedItem]
    next_cursor: str | None


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
    post: PostForAll


class PostDeleted(Push, frozen=True):
    event: ClassVar[str] = "post.deleted"
    post_id: str
