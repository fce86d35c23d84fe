"""Ranking: 0.35·affinity + 0.35·quality + 0.15·freshness + 0.10·diversity − 0.40·negatives, each in 0…1.

Source: "EdgeRank++" in the product's founding letters. Where a signal has no source yet, its neutral value stands.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from storage import posts
from storage.database import Row
from storage.snowflakes import minted_at

CAIRO = ZoneInfo("Africa/Cairo")
HALF_LIFE_H = 6.0
# Posts of the evening, when Egypt is online, keep for longer.
EVENING_HOURS = range(20, 23)
EVENING_HALF_LIFE_H = 9.0
# A post is taken for this good until enough people have seen it to tell.
PRIOR_QUALITY = 0.5
PRIOR_VIEWS = 20


class Signals(NamedTuple):
    affinity: float
    quality: float
    freshness: float
    diversity: float
    negatives: float


def score(signals: Signals) -> float:
    affinity, quality, freshness, diversity, negatives = signals
    return 0.35 * affinity + 0.35 * quality + 0.15 * freshness + 0.10 * diversity - 0.40 * negatives


def rank(rows: Sequence[Row], viewer_id: int, now: datetime) -> list[tuple[int, float]]:
    """Post ids with their scores, best first; an author's further posts lose diversity one by one."""
    parts = [(row, affinity(row, viewer_id), quality(row), freshness(minted_at(row["id"]), now)) for row in rows]
    parts.sort(key=lambda part: -(part[1] + part[2] + part[3]))
    seen: Counter[int] = Counter()
    scored = []
    for row, near, good, fresh in parts:
        diversity = 1 / (1 + seen[row["author_id"]])
        seen[row["author_id"]] += 1
        scored.append((row["id"], score(Signals(near, good, fresh, diversity, negatives=0.0))))
    return sorted(scored, key=lambda item: (-item[1], -item[0]))


def affinity(row: Row, viewer_id: int) -> float:
    """Following is half, being followed back a third, being named the rest."""
    named = viewer_id in row["mention_ids"]
    return 0.5 * bool(row["follows"]) + 0.3 * bool(row["followed_by"]) + 0.2 * named


def quality(row: Row) -> float:
    """Engagement a view, comments and shares weighing double, smoothed towards the prior."""
    reactions = sum(posts.reactions(row).values())
    engagement = reactions + 2 * row["comment_count"] + 2 * row["share_count"] + row["save_count"]
    smoothed = (engagement + PRIOR_QUALITY * PRIOR_VIEWS) / (row["view_count"] + PRIOR_VIEWS)
    return float(min(smoothed, 1.0))


def freshness(posted_at: datetime, now: datetime) -> float:
    evening = posted_at.astimezone(CAIRO).hour in EVENING_HOURS
    half_life = EVENING_HALF_LIFE_H if evening else HALF_LIFE_H
    age_h = max((now - posted_at).total_seconds(), 0) / 3_600
    return math.exp2(-age_h / half_life)
