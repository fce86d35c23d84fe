"""Catalogues: the posts that a feed could show each person at a moment, and the grades of these posts.

Two judges:

* the *log* says what the person did in the day after the moment with posts of before it. It knows only what the feed of
  that time showed, so it favours contenders that resemble that feed;
* the *world*, which only generated data has, says what the person would do with each post of the whole catalogue. It is
  drawn once for each person, before any contender is asked.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from evaluation.feed_log import DAY_MS, GAINS, Action, FeedLog, Floats, Ints, Posts, Shown, ShownPosts
from evaluation.feed_world import World, logistic

HORIZON_MS = DAY_MS
CATALOGUE_MS = 7 * DAY_MS  # older posts are not judged, nor may contenders show them


class FutureLeaked(Exception):
    """The data for a contender include something that came after the split."""


class Judgement(NamedTuple):
    """The acts of one person on posts of the catalogue. grades: of posts that the person engages with."""

    grades: dict[int, float]
    hidden: set[int]


# Judges a person's catalogue of post numbers.
Judge: TypeAlias = Callable[[int, Ints], Judgement]


def require_past(past: FeedLog, moment_ms: int) -> None:
    """Raises FutureLeaked."""
    parts = {"follows": past.follows.at, "posts": past.posts.at, "exposures": past.exposures.at, "acts": past.acts.at}
    for name, at in parts.items():
        late = int((at >= moment_ms).sum())
        if late:
            raise FutureLeaked(f"{late} of the {name} that contenders may know came after the split")
    # Times may be wrong: what was done to a post that did not exist yet was done later.
    acts, exposures = past.acts, past.exposures
    if len(acts.post) and int(acts.post.max()) >= len(past.posts.at):
        raise FutureLeaked("contenders may know acts on posts that came after the split")
    if (acts.at < past.posts.at[acts.post]).any() or (exposures.at < past.posts.at[exposures.post]).any():
        raise FutureLeaked("contenders may know acts from before their posts: their times are shuffled")


def catalogues(past: FeedLog, moment_ms: int, people: Ints) -> dict[int, Ints]:
    """Return for each person the posts of the last days that others wrote and the person has not seen."""
    first = int(np.searchsorted(past.posts.at, moment_ms - CATALOGUE_MS))
    recent = np.arange(first, len(past.posts.at))
    exposures = past.exposures
    order = np.argsort(exposures.person, kind="stable")
    starts = np.searchsorted(exposures.person[order], np.arange(len(past.people.joined_at) + 1))
    found = {}
    for person in people.tolist():
        is_open = past.posts.author[recent] != person
        seen = exposures.post[order[starts[person] : starts[person + 1]]] - first
        is_open[seen[seen >= 0]] = False
        found[person] = recent[is_open]
    return found


def returning(log: FeedLog, moment_ms: int) -> Ints:
    """The people who were shown something before the moment and again in the day after it."""
    exposures = log.exposures
    is_after = (exposures.at >= moment_ms) & (exposures.at < moment_ms + HORIZON_MS)
    return np.intersect1d(exposures.person[is_after], exposures.person[exposures.at < moment_ms])


def judge_by_log(log: FeedLog, moment_ms: int) -> Judge:
    acts = log.acts
    is_after = (acts.at >= moment_ms) & (acts.at < moment_ms + HORIZON_MS)
    gain_of = np.zeros(len(Action))
    for kind, gain in GAINS.items():
        gain_of[kind] = gain
    person, post, action = acts.person[is_after], acts.post[is_after], acts.action[is_after]

    def judge(one: int, catalogue: Ints) -> Judgement:
        own = (person == one) & np.isin(post, catalogue)
        gains = np.zeros(len(log.posts.at))
        np.maximum.at(gains, post[own], gain_of[action[own]])
        return _judgement(np.arange(len(gains)), gains, post[own & (action == Action.HIDE)])

    return judge


def judge_by_world(world: World, moment_ms: int, seed: int) -> Judge:
    def judge(one: int, catalogue: Ints) -> Judgement:
        random = np.random.default_rng((seed, one))
        logit = world.worth(np.array(one), catalogue, moment_ms)
        engages = random.random(len(catalogue)) < logistic(logit)
        # As in a visit: one engagement in four is more than a reaction.
        gains: Floats = np.where(engages, np.where(random.random(len(catalogue)) < 0.25, 2.0, 1.0), 0.0)
        hidden = ~engages & (random.random(len(catalogue)) < world.dislike(np.array(one), catalogue, logit))
        return _judgement(catalogue, gains, catalogue[hidden])

    return judge


def _judgement(posts: Ints, gains: Floats, hidden: Ints) -> Judgement:
    """gains: of each of the posts."""
    good = np.flatnonzero(gains)
    return Judgement(dict(zip(posts[good].tolist(), gains[good].tolist(), strict=True)), set(hidden.tolist()))


class Explored(NamedTuple):
    """Return the posts of the catalogue that exploration showed in the day after the moment: no feed chose them."""

    person: Ints
    post: Ints
    gain: Floats
    weight: Floats  # 1 / propensity


def explored(log: FeedLog, moment_ms: int, posts: Posts) -> Explored:
    """posts: those of before the moment."""
    shown: ShownPosts = log.exposures
    chosen = (
        (shown.at >= moment_ms) & (shown.at < moment_ms + HORIZON_MS) & (shown.source == Shown.EXPLORATION)
        & (shown.propensity > 0) & (shown.post < len(posts.at))
    )  # fmt: skip
    person, post = shown.person[chosen], shown.post[chosen]
    width = len(log.posts.at)
    gains: dict[int, float] = {}
    acts = log.acts
    for action, gain in GAINS.items():
        did = (acts.action == action) & (acts.at >= moment_ms)
        for key in (acts.person[did] * width + acts.post[did]).tolist():
            gains[key] = max(gains.get(key, 0.0), gain)
    gain_of = np.array([gains.get(key, 0.0) for key in (person * width + post).tolist()])
    return Explored(person, post, gain_of, 1 / shown.propensity[chosen])
