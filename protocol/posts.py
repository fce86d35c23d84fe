"""Messages about posts and circles."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.counts import Counts
from protocol.fields import CircleName, Cursor, Id, IdempotencyKey, PageSize, PostText, Request
from protocol.media import Media, MediaIds
from protocol.moderation import Label
from protocol.pushes import Push
from protocol.reactions import ReactionKind
from protocol.standing import ToldStanding
from protocol.users import UserLite

Visibility = Literal["public", "followers", "circle", "private"]
ReplyPolicy = Literal["everyone", "followers", "mentioned", "nobody"]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class ViewerOfPost(msgspec.Struct, frozen=True):
    reaction: ReactionKind | None = None
    saved: bool = False


class PostLite(msgspec.Struct, frozen=True):
    """A post inside a share of it. `post.get` and `post.watch` return it with its counts.

    labels: what it may contain, as `settings.get` says how to show that.
    """

    id: str
    author: UserLite
    text: str
    media: list[Media]
    hashtags: list[str]
    mentions: list[UserLite]
    visibility: Visibility
    labels: list[Label]
    version: int
    created_at: str
    edited_at: str | None


class PostForAll(PostLite, frozen=True):
    """A post in a push, which is the same for all.

    is_share: it shares another post; `shared` is null if the viewer may not see that one. counts: for a viewer, without
    reactions and comments of users who are hidden from the viewer. counts_version: it rises with each change of the
    counts, so that clients can order them and `post.counted`.
    """

    counts: Counts
    counts_version: int
    is_share: bool
    shared: PostLite | None


class Post(PostForAll, frozen=True):
    """A post, and the viewer's own reaction and save. standing: only its author sees a limit."""

    viewer: ViewerOfPost
    standing: ToldStanding


class CreatePost(Request, frozen=True):
    """The text may be empty if there are media."""

    text: PostText
    media_ids: MediaIds | None = None
    visibility: Visibility | None = None
    circle_id: Id | None = None
    reply_policy: ReplyPolicy | None = None
    idempotency_key: IdempotencyKey | None = None


class CreateShare(Request, frozen=True):
    post_id: Id
    text: PostText | None = None
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

    @property
    def shown_ids(self) -> list[int]:
        """The author and mentions of the shared post. Workers left out own mentions that some client may not see."""
        shared = self.post.shared
        return [] if shared is None else [int(user.id) for user in (shared.author, *shared.mentions)]

    def without(self, hidden: Collection[int]) -> Push:
        shared = self.post.shared
        if shared is None or int(shared.author.id) in hidden:
            return msgspec.structs.replace(self, post=msgspec.structs.replace(self.post, shared=None))
        mentions = [user for user in shared.mentions if int(user.id) not in hidden]
        shared = msgspec.structs.replace(shared, mentions=mentions)
        return msgspec.structs.replace(self, post=msgspec.structs.replace(self.post, shared=shared))


class PostDeleted(Push, frozen=True):
    event: ClassVar[str] = "post.deleted"
    post_id: str
