"""Messages about the feed."""

from typing import Literal

import msgspec

from protocol.fields import Cursor, Id, PageSize, Request
from protocol.posts import Post

# Where a post of a feed comes from: followed users, or, in ranked feeds, also mentions and recommendations.
FeedSource = Literal["follow", "mention", "second_degree", "trend", "similar", "exploration"]
HideReason = Literal["not_interested", "seen_too_often", "topic", "author", "spam"]


class GetFeed(Request, frozen=True):
    """sponsored_only: there are no sponsored posts yet, so the page is empty. creators_only: posts by creators."""

    mode: Literal["ranked", "latest"] | None = None
    sponsored_only: bool | None = None
    creators_only: bool | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class FeedItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """score: of a ranked feed; see `feed.why`."""

    post: Post
    reason: Literal["follow", "mention", "suggested"]
    source: FeedSource
    score: float | None = None


class FeedPage(msgspec.Struct, frozen=True):
    items: list[FeedItem]
    next_cursor: str | None


class HideFromFeed(Request, frozen=True):
    """seen_too_often hides only the post, author also lowers its author, the others lower what it is about."""

    post_id: Id
    reason: HideReason


class RankingTerms(msgspec.Struct, frozen=True):
    """Each 0 to 1. The score is 0.35 affinity + 0.35 quality + 0.15 freshness + 0.10 diversity - 0.40 negatives."""

    affinity: float
    quality: float
    freshness: float
    diversity: float
    negatives: float


class WhyInFeed(msgspec.Struct, frozen=True):
    """score: with the discount of recommendations. source: null if no source has the post for the viewer now.

    The quality is without what users did whom the caller hides, so the score may differ a little from that of the feed.
    reasons: what the terms come from, in the language of the caller's account.
    """

    terms: RankingTerms
    score: float
    source: FeedSource | None
    reasons: list[str]
