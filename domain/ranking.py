"""Mixes recommendations into the ranked feed, and explains the place of a post.

The formula of scores is `ranking_score` in storage/functions/feed_ranking.sql; docs/feed.md describes its terms.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain
from typing import Literal

from storage.feed_ranking import Explanation, Ranking

# A post is recommended at most after each four posts of the feed, so it fills at most a fifth of a page.
BETWEEN_RECOMMENDED = 4
# Each tenth place is for a post that is explored, whatever its score.
EXPLORED_EVERY = 10
# A feed with fewer posts than this, a page, goes on with recommended ones: a new user follows nobody yet.
FULL = 20

Reason = Literal[
    "follows", "followed_by", "named", "learnt", "stranger", "liked", "ignored", "unknown", "fresh", "old",
    "more_of_author", "hidden_topic", "hidden_author", "skipped",
]  # fmt: skip

Placed = tuple[int, float]


def mix(ranking: Ranking, explored: Sequence[int], unseen: Set[int] | None = None) -> list[Placed]:
    """Post ids with their scores: the feed's posts in their order, with recommended ones where their scores put them.

    A feed with fewer than FULL posts ends with the other recommended ones.
    explored: those of the recommended that are explored, in the order in which they were drawn. unseen: only these.
    """
    own = _placed(ranking.post_ids, ranking.scores, unseen)
    scores = dict(_placed(ranking.recommended_ids, ranking.recommended_scores, unseen))
    drawn = deque((post_id, scores.pop(post_id)) for post_id in explored if post_id in scores)
    best = deque(scores.items())
    order: list[Placed] = []
    own_since = 0
    for at, placed in enumerate(own):
        if not (drawn or best):
            order += own[at:]
            break
        if own_since >= BETWEEN_RECOMMENDED:
            if drawn and _is_explored(len(order)):
                order.append(drawn.popleft())
                own_since = 0
            elif best and best[0][1] > placed[1]:
                order.append(best.popleft())
                own_since = 0
        order.append(placed)
        own_since += 1
    if len(own) < FULL:
        while best:
            order.append((drawn if drawn and _is_explored(len(order)) else best).popleft())
        order += drawn
    return order


def _placed(post_ids: Sequence[int], scores: Sequence[float], unseen: Set[int] | None) -> list[Placed]:
    placed = zip(post_ids, scores, strict=True)
    return list(placed) if unseen is None else [each for each in placed if each[0] in unseen]


def _is_explored(place: int) -> bool:
    return place % EXPLORED_EVERY == EXPLORED_EVERY - 1


def reasons(found: Explanation) -> Iterable[Reason]:
    """Return the inputs of each term, in the order of the terms."""
    return chain(_affinity(found), _quality(found), _freshness(found), _diversity(found), _negatives(found))


def _affinity(found: Explanation) -> Iterator[Reason]:
    if found.follows:
        yield "follows"
    if found.followed_by:
        yield "followed_by"
    if found.is_named:
        yield "named"
    if found.learnt >= 0.1:
        yield "learnt"
    if found.affinity < 0.05:
        yield "stranger"


def _quality(found: Explanation) -> Iterator[Reason]:
    yield "liked" if found.quality > 0.55 else "ignored" if found.quality < 0.45 else "unknown"


def _freshness(found: Explanation) -> Iterator[Reason]:
    yield "fresh" if found.freshness >= 0.5 else "old"


def _diversity(found: Explanation) -> Iterator[Reason]:
    if found.nth_of_author > 1:
        yield "more_of_author"


def _negatives(found: Explanation) -> Iterator[Reason]:
    if found.of_topic > 0:
        yield "hidden_topic"
    if found.of_author > 0:
        yield "hidden_author"
    if found.of_skips >= 0.1:
        yield "skipped"
