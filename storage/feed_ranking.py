"""Ranked feeds: their order and its terms, computed in one statement, and what viewers hide from them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from protocol.feed import FeedSource, HideReason
from storage.database import Transaction


class FeedOrder(msgspec.Struct, array_like=True):
    """The order of a ranked feed. recommended: the source and the propensity of posts from beyond the inbox."""

    post_ids: list[int]
    scores: list[float]
    recommended: dict[int, tuple[FeedSource, float | None]]


class Ranking(NamedTuple):
    """Post ids with their scores, best first: posts of the viewer's feed, and recommended ones."""

    post_ids: list[int]
    scores: list[float]
    recommended_ids: list[int]
    recommended_scores: list[float]


class Explanation(NamedTuple):
    """The terms of a post for a viewer, each 0 to 1, and their inputs. The last three are parts of the negatives."""

    score: float
    affinity: float
    quality: float
    freshness: float
    diversity: float
    negatives: float
    follows: bool
    followed_by: bool
    is_named: bool
    learnt: float
    nth_of_author: int
    of_topic: float
    of_author: float
    of_skips: float


_EXPLAINED = ", ".join(Explanation._fields)


async def rank(
    tx: Transaction, stored: Sequence[int], recommended: Sequence[int], most: int, now: datetime, creators_only: bool
) -> Ranking:
    """Rank the newest `most` posts of the feed, and recommended ones, without those that the viewer must not see.

    stored: newest first.
    """
    row = await tx.fetchrow(
        """SELECT coalesce(array_agg(post_id) FILTER (WHERE NOT is_beyond), '{}'),
            coalesce(array_agg(score) FILTER (WHERE NOT is_beyond), '{}'),
            coalesce(array_agg(post_id) FILTER (WHERE is_beyond), '{}'),
            coalesce(array_agg(score) FILTER (WHERE is_beyond), '{}')
        FROM (SELECT post_id, score, is_beyond FROM feed_ranking($1::text::bigint[], $2, $3, $4, $5)
              ORDER BY score DESC, post_id DESC) ranked""",
        _array(stored[:most]),
        recommended,
        most,
        now,
        creators_only,
    )
    assert row is not None
    return Ranking(*row)


async def explain(
    tx: Transaction, stored: Sequence[int], recommended: Sequence[int], most: int, now: datetime, post_id: int
) -> Explanation | None:
    """The terms of that post as `rank` computes them; None if the viewer may not see it."""
    row = await tx.fetchrow(
        f"SELECT {_EXPLAINED} FROM feed_ranking($1::text::bigint[], $2, $3, $4, false, $5) WHERE post_id = $5",
        _array(stored),
        recommended,
        most,
        now,
        post_id,
    )
    return None if row is None else Explanation(*row)


async def left_out(tx: Transaction, post_ids: Sequence[int]) -> set[int]:
    """Those posts that the viewer has hidden, or whose topic or author the viewer has hidden often."""
    return {row[0] for row in await tx.fetch("SELECT left_out_post_ids($1::text::bigint[])", _array(post_ids))}


async def hide(tx: Transaction, post_id: int, reason: HideReason) -> bool:
    """Hide the post from the viewer's feeds. Returns False if the viewer does not see it."""
    return bool(await tx.fetchval("SELECT hide_post($1, $2)", post_id, reason))


async def forget(tx: Transaction) -> None:
    """Forget what was learnt from what the viewer did and hid."""
    await tx.execute("SELECT forget_learnt()")


async def locale(tx: Transaction) -> str:
    """The language of the viewer's account."""
    found: str = await tx.fetchval(
        "SELECT coalesce((SELECT locale FROM accounts WHERE user_id = viewer_id()), 'ar-EG')"
    )
    return found


def _array(ids: Sequence[int]) -> str:
    """SQL for an array: for hundreds of ids, asyncpg's encoder takes ten times as long as joining them."""
    return "{" + ",".join(map(str, ids)) + "}"
