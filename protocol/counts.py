"""Counts of posts and comments, and their pushes."""

from typing import ClassVar

import msgspec

from protocol.pushes import Flow, Push


class Counts(msgspec.Struct, frozen=True):
    """reactions: by kind, without kinds that nobody uses."""

    reactions: dict[str, int]
    comments: int
    shares: int
    saves: int
    views: int


class PostCounted(Push, frozen=True):
    """To users who watch the post, at most about four times a second.

    version: of the counts, as in `Post.counts_version`. Clients ignore a push with a version that is not higher.
    """

    event: ClassVar[str] = "post.counted"
    flow: ClassVar[Flow] = "conflate"
    post_id: str
    counts: Counts
    version: int


class CommentCounted(Push, frozen=True):
    """To users who watch the post of the comment. version: as in `PostCounted`, for this comment."""

    event: ClassVar[str] = "comment.counted"
    flow: ClassVar[Flow] = "conflate"
    post_id: str
    comment_id: str
    reply_count: int
    reactions: dict[str, int]
    version: int

    @property
    def replaces(self) -> str:
        return f"{self.event}:{self.comment_id}"
