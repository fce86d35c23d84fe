"""Is the ranked feed better than simple ones, on what came after a moment that it knows nothing of?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from evaluation.feed_baselines import Order, Progress, baselines, oracle
from evaluation.feed_judgements import (
    Judge,
    Judgement,
    catalogues,
    explored,
    judge_by_log,
    judge_by_world,
    require_past,
    returning,
)
from evaluation.feed_log import DAY_MS, HOUR_MS, FeedLog, Flags, Floats, Ints
from evaluation.feed_ranked import ranked_feeds
from evaluation.feed_scores import DEPTH, Estimate, Scores, Spread, estimate, score, spread
from evaluation.feed_world import NEW_FOR_MS, World
from evaluation.metrics import Interval, bootstrap

# Splits are this far apart, so that they fall on different hours: in Cairo 20, 13 and 6 o'clock.
APART_MS = 31 * HOUR_MS


class Outcome(NamedTuple):
    """The scores of one contender at one split. by_world: None for a recorded log."""

    by_log: Scores
    by_world: Scores | None
    spread: Spread
    estimate: Estimate


class Split(NamedTuple):
    """people: who is judged, in the order of the scores."""

    past: FeedLog
    moment_ms: int
    people: Ints
    outcomes: dict[str, Outcome]


def moments(log: FeedLog, amount: int) -> list[int]:
    """Moments to split the log at, the latest first, each with a day after it."""
    last = (log.last_ms // HOUR_MS + 1) * HOUR_MS - DAY_MS - 4 * HOUR_MS
    return [last - number * APART_MS for number in range(amount)]


async def evaluate(
    log: FeedLog,
    world: World | None,
    urls: tuple[str, str, str],
    moment_ms: int,
    *,
    most_people: int,
    seed: int,
    ablations: bool,
    vectors: bool,
    progress: Progress,
) -> Split:
    """Judge all contenders at one global moment. urls: of databases, for the owner, the app and the worker.

    ablations: also judge the ranked feed without each of its terms and sources. vectors: learn embeddings first.

    Raises FutureLeaked; LookupError if nobody can be judged.
    """
    past = log.before(moment_ms)
    require_past(past, moment_ms)
    people = returning(log, moment_ms)
    if not len(people):
        raise LookupError("nobody was shown a post before the split and again in the day after it")
    if len(people) > most_people:
        people = np.sort(np.random.default_rng(seed).choice(people, most_people, replace=False))
    offers = catalogues(past, moment_ms, people)
    is_new: Flags = past.people.joined_at[past.posts.author] >= moment_ms - NEW_FOR_MS
    offered = np.unique(np.concatenate([offers[person] for person in people.tolist()]))
    by_log = _judge(judge_by_log(log, moment_ms), offers)
    by_world = _judge(judge_by_world(world, moment_ms, seed), offers) if world is not None else None
    chance = explored(log, moment_ms, past.posts)
    outcomes = {}
    text_of = world.text if world is not None else past.posts.label
    progress("loading the past", 0.0)
    async with ranked_feeds(urls, past, text_of, moment_ms, progress, ablations=ablations, vectors=vectors) as ranked:
        contenders: dict[str, Order] = {**ranked, **baselines(past, moment_ms, seed)}
        if world is not None:
            contenders["oracle"] = oracle(world, moment_ms)
        for number, (name, order) in enumerate(contenders.items()):
            tops: list[list[int]] = []
            for person in people.tolist():
                progress(name, (number + len(tops) / len(people)) / len(contenders))
                # Contenders may name what is not in the catalogue: what was seen already, or is too old.
                found = await order(person, offers[person])
                tops.append(found[np.isin(found, offers[person])][:DEPTH].tolist())
            outcomes[name] = Outcome(
                score(tops, by_log),
                score(tops, by_world) if by_world is not None else None,
                spread(tops, offered, past.posts, is_new),
                estimate(dict(zip(people.tolist(), tops, strict=True)), chance),
            )
    progress("done", 1.0)
    return Split(past, moment_ms, people, outcomes)


def pooled(splits: Sequence[Split], values: Callable[[Split], Floats]) -> Floats:
    """One value for each person: the mean over the splits, without those where it is NaN."""
    people = np.concatenate([split.people for split in splits])
    found = np.concatenate([values(split) for split in splits])
    known, place = np.unique(people[~np.isnan(found)], return_inverse=True)
    amounts = np.bincount(place, minlength=len(known))
    mean: Floats = np.bincount(place, found[~np.isnan(found)], minlength=len(known)) / amounts
    return mean


def interval(splits: Sequence[Split], values: Callable[[Split], Floats]) -> Interval | None:
    """The mean over people, with its bootstrap interval; None if there are no values."""
    sample = pooled(splits, values)
    return bootstrap(sample) if len(sample) else None


def _judge(judge: Judge, offers: dict[int, Ints]) -> list[Judgement]:
    return [judge(person, catalogue) for person, catalogue in offers.items()]
