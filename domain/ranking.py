"""Ranking: 0.35·affinity + 0.35·quality + 0.15·freshness + 0.10·diversity − 0.40·negatives, each in 0…1.

Source: "EdgeRank++" in the product's founding letters. A signal that has no source yet has its neutral value.
Up to 500 posts are ranked on the event loop, so signals are plain numbers and times are milliseconds.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from math import exp2
from zoneinfo import ZoneInfo

from storage.posts import Candidate
from storage.snowflakes import EPOCH_MS, milliseconds

CAIRO = ZoneInfo("Africa/Cairo")
HOUR_MS = 3_600_000
HALF_LIFE_MS = 6 * HOUR_MS
# Posts of the evening, when Egypt is online, stay fresh longer.
EVENING_HOURS = range(20, 23)
EVENING_HALF_LIFE_MS = 9 * HOUR_MS
# The quality of a post that few users have seen is close to this.
PRIOR_QUALITY = 0.5
PRIOR_VIEWS = 20


def score(affinity: float, quality: float, freshness: float, diversity: float, negatives: float = 0.0) -> float:
    return 0.35 * affinity + 0.35 * quality + 0.15 * freshness + 0.10 * diversity - 0.40 * negatives


def rank(candidates: Iterable[Candidate], now: datetime) -> list[tuple[int, float]]:
    """Post ids with their scores, best first; each further post of an author has less diversity.

    Of a post and its shares, only the best is kept.
    """
    now_ms = int(now.timestamp() * 1_000) - EPOCH_MS
    merits = []
    originals = {}
    for (
        post_id, author_id, follows, followed_by, is_named, reactions, comments, shares, saves, views, original_id,
    ) in candidates:  # fmt: skip
        near = affinity(follows, followed_by, is_named)
        good = quality(reactions, comments, shares, saves, views)
        fresh = freshness(milliseconds(post_id), now_ms)
        merits.append((near + good + fresh, post_id, author_id, near, good, fresh))
        originals[post_id] = original_id
    merits.sort(reverse=True)
    seen: Counter[int] = Counter()
    scored = []
    for _, post_id, author_id, near, good, fresh in merits:
        scored.append((score(near, good, fresh, 1 / (1 + seen[author_id])), post_id))
        seen[author_id] += 1
    scored.sort(reverse=True)
    best: dict[int, tuple[int, float]] = {}
    for points, post_id in scored:
        best.setdefault(originals[post_id], (post_id, points))
    return list(best.values())


def affinity(follows: bool, followed_by: bool, is_named: bool) -> float:
    """Following counts half, being followed back 0.3, being named the rest."""
    return 0.5 * follows + 0.3 * followed_by + 0.2 * is_named


def quality(reactions: int, comments: int, shares: int, saves: int, views: int) -> float:
    """Engagement per view, with comments and shares counted twice, smoothed towards the prior."""
    engagement = reactions + 2 * (comments + shares) + saves
    return min((engagement + PRIOR_QUALITY * PRIOR_VIEWS) / (views + PRIOR_VIEWS), 1.0)


def freshness(posted_ms: int, now_ms: int) -> float:
    """1 for a post of this moment, halved after each half-life. Both times: milliseconds since 2024-01-01."""
    half_life_ms = EVENING_HALF_LIFE_MS if _is_evening(posted_ms // HOUR_MS) else HALF_LIFE_MS
    return exp2(min(posted_ms - now_ms, 0) / half_life_ms)


@lru_cache(maxsize=10_000)
def _is_evening(hour: int) -> bool:
    """hour: since 2024-01-01. Cairo's offset from UTC is always whole hours."""
    return datetime.fromtimestamp((EPOCH_MS + hour * HOUR_MS) / 1_000, UTC).astimezone(CAIRO).hour in EVENING_HOURS
