"""Visits of a generated world: what its people are shown, look at and do, in steps of half an hour.

A visit shows up to 40 posts, of which a geometric number is reached: mostly the newest unseen posts of followed users,
some that many engaged with lately, and some that are drawn evenly from two days, whose propensity is logged. Attention
falls with the position. So the log has the biases of a real one: what was never shown has no engagement, and what many
liked was shown to more. Those who like a stranger's post may follow the stranger from then on.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from evaluation.feed_log import (
    DAY_MS,
    HOUR_MS,
    Action,
    Acts,
    FeedLog,
    Flags,
    Floats,
    Follows,
    Ints,
    People,
    Shown,
    ShownPosts,
)
from evaluation.feed_world import RHYTHM, START_MS, World, hour_of_cairo, logistic

STEP_MS = HOUR_MS // 2
LONGEST_VISIT, MEAN_VISIT = 40, 14
INBOX = 400
TREND_SHARE, EXPLORATION_SHARE = 0.13, 0.12
TREND_POOL, TREND_HALF_LIFE_STEPS = 200, 12
EXPLORED_MS = 2 * DAY_MS


def simulate(world: World, days: int, random: np.random.Generator, progress: Callable[[float], None]) -> FeedLog:
    """The log of all visits. progress: called with the part done (0 to 1)."""
    visits = _Visits(world, random)
    steps = days * DAY_MS // STEP_MS
    for step in range(steps):
        visits.step(START_MS + step * STEP_MS)
        progress((step + 1) / steps)
    return visits.log()


class _Visits:
    """State: inboxes as stacks (newest on top), the posts that each person has seen, as bits, how hot posts are."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        people, posts = world.people, len(world.topic)
        self._inbox = np.zeros((people, INBOX), np.int32)
        self._waiting = np.zeros(people, np.int64)
        self._seen = np.zeros((people, posts // 8 + 1), np.uint8)
        self._heat = np.zeros(posts)
        self._published = 0
        self._followers: defaultdict[int, list[int]] = defaultdict(list)
        for follower, followee in zip(*np.divmod(world.tie_key, people), strict=True):
            self._followers[int(followee)].append(int(follower))
        self._follow_keys = set(world.tie_key.tolist())
        since = np.maximum.reduce([world.joined_at[world.tie_key // people], world.joined_at[world.tie_key % people]])
        self._follows: list[tuple[Ints, Ints, Ints]] = [(*np.divmod(world.tie_key, people), since + 1)]
        self._exposures: list[tuple[Ints | Floats, ...]] = []
        self._acts: list[tuple[Ints, ...]] = []

    def step(self, now_ms: int) -> None:
        """Those who visit in this step see what was posted before it."""
        self._publish(now_ms)
        self._heat *= 0.5 ** (1 / TREND_HALF_LIFE_STEPS)
        world = self._world
        hour = int(hour_of_cairo(np.array(now_ms)))
        chance = world.activity * RHYTHM[hour] / RHYTHM.sum() * STEP_MS / HOUR_MS
        is_here = (world.joined_at <= now_ms) & (now_ms < world.left_at)
        visitors = np.flatnonzero(is_here & (self._random.random(world.people) < chance))
        if len(visitors) and self._published:
            self._show(visitors, now_ms + self._random.integers(STEP_MS, size=len(visitors)))

    def log(self) -> FeedLog:
        exposures = ShownPosts(*(np.concatenate(column) for column in zip(*self._exposures, strict=True)))
        acts = [np.concatenate(column) for column in zip(*self._acts, strict=True)]
        order = np.argsort(acts[2], kind="stable")
        follows = Follows(*(np.concatenate(column) for column in zip(*self._follows, strict=True)))
        people = People(self._world.joined_at, self._world.is_latin)
        return FeedLog(people, follows, self._world.posts, exposures, Acts(*(column[order] for column in acts)))

    def _publish(self, now_ms: int) -> None:
        until = int(np.searchsorted(self._world.posts.at, now_ms))
        for post in range(self._published, until):
            readers = np.array(self._followers[int(self._world.posts.author[post])], np.int64)
            full = readers[self._waiting[readers] == INBOX]
            if len(full):
                self._inbox[full, : INBOX // 2] = self._inbox[full, INBOX // 2 :]
                self._waiting[full] = INBOX // 2
            self._inbox[readers, self._waiting[readers]] = post
            self._waiting[readers] += 1
        self._published = until

    def _show(self, visitors: Ints, at_ms: Ints) -> None:
        random, world = self._random, self._world
        shape = (len(visitors), LONGEST_VISIT)
        reached = np.arange(LONGEST_VISIT) < random.geometric(1 / MEAN_VISIT, len(visitors))[:, None]
        chance = random.random(shape)
        explores = reached & (chance < EXPLORATION_SHARE)
        trends = reached & ~explores & (chance < EXPLORATION_SHARE + TREND_SHARE)
        from_inbox = reached & ~explores & ~trends
        depth = np.cumsum(from_inbox, axis=1)
        left = self._waiting[visitors][:, None] - depth
        is_empty = from_inbox & (left < 0)
        from_inbox &= left >= 0
        trends |= is_empty
        self._waiting[visitors] -= from_inbox.sum(axis=1)
        post = self._inbox[visitors[:, None], np.clip(left, 0, INBOX - 1)].astype(np.int64)
        post[trends] = self._trending(int(trends.sum()))
        oldest = int(np.searchsorted(world.posts.at, at_ms[0] - EXPLORED_MS))
        post[explores] = (
            random.integers(oldest, self._published, int(explores.sum())) if oldest < self._published else 0
        )
        source = np.select([explores, trends], [Shown.EXPLORATION, Shown.TREND], Shown.FOLLOW)
        propensity = np.where(explores, 1 / max(self._published - oldest, 1), np.nan)
        person = np.repeat(visitors, reached.sum(axis=1))
        shown, when = post[reached], np.repeat(at_ms, reached.sum(axis=1))
        # Nobody is shown their own posts, or a post twice.
        new = (self._seen[person, shown >> 3] >> (shown & 7).astype(np.uint8) & 1 == 0) & (
            world.posts.author[shown] != person
        )
        _, first = np.unique(person * len(world.topic) + shown, return_index=True)
        new &= np.isin(np.arange(len(shown)), first)
        person, shown, when = person[new], shown[new], when[new]
        np.bitwise_or.at(self._seen, (person, shown >> 3), (1 << (shown & 7)).astype(np.uint8))
        starts = np.concatenate(([0], np.flatnonzero(np.diff(person)) + 1)) if len(person) else np.zeros(0, np.int64)
        position = np.arange(len(person)) - np.repeat(starts, np.diff(np.append(starts, len(person))))
        when = when + position * 4_000
        self._exposures.append((person, shown, when, position, source[reached][new], propensity[reached][new]))
        self._react(person, shown, when, position)

    def _trending(self, amount: int) -> Ints:
        pool = np.argpartition(-self._heat[: self._published], min(TREND_POOL, self._published - 1))[:TREND_POOL]
        weight = self._heat[pool] + 0.01
        return self._random.choice(pool, amount, p=weight / weight.sum()).astype(np.int64)

    def _react(self, person: Ints, post: Ints, at_ms: Ints, position: Ints) -> None:
        random, world = self._random, self._world
        looks = random.random(len(person)) < np.maximum(0.35, 1 - 0.025 * position)
        person, post, at_ms = person[looks], post[looks], at_ms[looks]
        logit = world.worth(person, post, at_ms)
        engages = random.random(len(person)) < logistic(logit)
        is_reel = world.is_reel[post]
        interest_s = np.exp(0.9 + 0.3 * (logit + 3.5) + 0.5 * world.clickbait[post] + 0.5 * is_reel)
        dwell_ms = (1_000 * interest_s * random.lognormal(0, 0.7, len(person))).clip(200, 180_000).astype(np.int64)
        self._add(Action.VIEW, person, post, at_ms, dwell_ms >= 1_000, dwell_ms)
        near = world.ties(person, world.posts.author[post])
        # Most engage with a reaction; ties make people talk.
        kind = random.random(len(person))
        comments = engages & (kind < 0.1 + 0.08 * np.minimum(near, 2))
        saves = engages & (kind > 0.92)
        shares = engages & (kind > 0.86) & ~saves
        reacts = engages & ~saves & (~comments | (random.random(len(person)) < 0.4))
        hides = ~engages & (random.random(len(person)) < world.dislike(person, post, logit))
        visits = random.random(len(person)) < np.where(engages, 0.12, 0.01)
        for action, did in (
            (Action.REACTION, reacts), (Action.COMMENT, comments), (Action.SAVE, saves), (Action.SHARE, shares),
            (Action.HIDE, hides), (Action.VISIT, visits),
        ):  # fmt: skip
            self._add(action, person, post, at_ms + 2_000, did)
        np.add.at(self._heat, post[engages], 1.0)
        self._follow(person[visits & engages], world.posts.author[post[visits & engages]], at_ms[visits & engages])

    def _follow(self, person: Ints, author: Ints, at_ms: Ints) -> None:
        """Every second visitor who engaged follows a stranger. The tie stays weak: `World.tie` knows it not."""
        for one, other, when in zip(person.tolist(), author.tolist(), at_ms.tolist(), strict=True):
            key = one * self._world.people + other
            if key not in self._follow_keys and self._random.random() < 0.5:
                self._follow_keys.add(key)
                self._followers[other].append(one)
                self._follows.append((np.array([one]), np.array([other]), np.array([when + 5_000])))

    def _add(
        self, action: Action, person: Ints, post: Ints, at_ms: Ints, did: Flags, dwell_ms: Ints | None = None
    ) -> None:
        amount = int(did.sum())
        spent = np.zeros(amount, np.int64) if dwell_ms is None else dwell_ms[did]
        self._acts.append((person[did], post[did], at_ms[did], np.full(amount, action, np.int64), spent))
