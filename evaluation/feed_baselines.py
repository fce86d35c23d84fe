"""The orders that a ranking must beat: latest, popular and random, each of all posts and of followed authors alone."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import numpy as np

from evaluation.feed_log import DAY_MS, GAINS, FeedLog, Floats, Ints
from evaluation.feed_world import World

# Orders the posts of a person's catalogue. Returns post numbers, best first.
Order: TypeAlias = Callable[[int, Ints], Awaitable[Ints]]
# Called with the name of what is done, and the part that is done (0 to 1).
Progress: TypeAlias = Callable[[str, float], None]
POPULAR_MS = 2 * DAY_MS


def baselines(past: FeedLog, moment_ms: int, seed: int) -> dict[str, Order]:
    engagement = _engagement(past, moment_ms)
    followees: dict[int, Ints] = {}
    order = np.argsort(past.follows.follower, kind="stable")
    starts = np.searchsorted(past.follows.follower[order], np.arange(len(past.people.joined_at) + 1))

    def followed(person: int, catalogue: Ints) -> Ints:
        if person not in followees:
            followees[person] = past.follows.followee[order[starts[person] : starts[person + 1]]]
        kept: Ints = catalogue[np.isin(past.posts.author[catalogue], followees[person])]
        return kept

    async def latest(person: int, catalogue: Ints) -> Ints:
        return np.sort(followed(person, catalogue))[::-1]

    async def latest_of_all(person: int, catalogue: Ints) -> Ints:
        return np.sort(catalogue)[::-1]

    async def popular(person: int, catalogue: Ints) -> Ints:
        return _by(engagement, followed(person, catalogue))

    async def popular_of_all(person: int, catalogue: Ints) -> Ints:
        return _by(engagement, catalogue)

    async def random(person: int, catalogue: Ints) -> Ints:
        return np.random.default_rng((seed, person)).permutation(followed(person, catalogue))

    async def random_of_all(person: int, catalogue: Ints) -> Ints:
        return np.random.default_rng((seed, person)).permutation(catalogue)

    return {
        "latest": latest, "popular": popular, "random": random,
        "latest of all": latest_of_all, "popular of all": popular_of_all, "random of all": random_of_all,
    }  # fmt: skip


def oracle(world: World, moment_ms: int) -> Order:
    """The order of one who knows the model of the world, but not what is drawn from it: no feed can do better."""

    async def order(person: int, catalogue: Ints) -> Ints:
        best: Ints = catalogue[np.argsort(-world.worth(np.array(person), catalogue, moment_ms), kind="stable")]
        return best

    return order


def _engagement(past: FeedLog, moment_ms: int) -> Floats:
    """Return the points of each post from acts of the last two days."""
    earned = np.zeros(len(past.posts.at))
    recent = past.acts.at >= moment_ms - POPULAR_MS
    for action, gain in GAINS.items():
        np.add.at(earned, past.acts.post[recent & (past.acts.action == action)], gain)
    return earned


def _by(worth: Floats, posts: Ints) -> Ints:
    """Best first; of equals, the newest first."""
    ordered: Ints = posts[np.lexsort((-posts, -worth[posts]))]
    return ordered
