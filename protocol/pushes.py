"""Pushes: what the server tells clients unasked.

A push's `id` derives from its cause, so a repetition carries the same one and a client drops what it has seen.
"""

from typing import ClassVar, Literal, NamedTuple

import msgspec

from protocol.posts import Post
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


class SessionReady(Push, frozen=True):
    event: ClassVar[str] = "session.ready"
    session_id: str | None
    user: User | None
    server_time: str
    recovered: bool
    protocol: int


class SessionExpired(Push, frozen=True):
    event: ClassVar[str] = "session.expired"


RevocationReason = Literal["logout", "revoked", "reused", "password_changed"]


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


PUSHES: tuple[type[Push], ...] = tuple(sorted(Push.__subclasses__(), key=lambda push: push.event))
