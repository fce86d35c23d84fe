"""Seen posts are remembered for 48 hours and then forgotten, within a fixed size."""

import random

import pytest

from storage.seen_posts import BYTES, DAY_S, DAYS, SeenPosts
from storage.shards import Shards
from storage.snowflakes import EPOCH_MS

HOUR_S = 3_600


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seen(shards: Shards, clock: Clock) -> SeenPosts:
    return SeenPosts(shards, clock)


def posts(amount: int, seed: int = 1) -> list[int]:
    """Ids of posts of two days."""
    moment = (int(Clock.now) * 1_000 - EPOCH_MS) << 22
    generator = random.Random(seed)
    return [moment - generator.randrange(2 * DAY_S * 1_000 << 22) for _ in range(amount)]


async def test_seen_posts_are_left_out_for_48_hours(seen: SeenPosts, clock: Clock):
    watched, others = posts(100), posts(100, seed=2)
    seen.mark(7, watched)
    clock.now += 48 * HOUR_S
    assert await seen.unseen(7, [*watched, *others]) == others
    assert await seen.unseen(8, watched) == watched


async def test_after_three_days_posts_are_not_seen(seen: SeenPosts, clock: Clock, shards: Shards):
    watched = posts(10)
    seen.mark(7, watched)
    clock.now += DAYS * DAY_S
    assert await seen.unseen(7, watched) == watched
    shard = shards.of("7")
    key = shards.key(shard, "seen", 7, int(Clock.now // DAY_S))
    assert 0 < await shards.call(shard, "TTL", key) <= DAYS * DAY_S


async def test_posts_of_several_days_are_all_seen(seen: SeenPosts, clock: Clock):
    watched = posts(90)
    for start in range(0, 90, 30):
        seen.mark(7, watched[start : start + 30])
        clock.now += DAY_S / 2
    assert await seen.unseen(7, watched) == []


async def test_forgotten_posts_are_not_seen(seen: SeenPosts):
    watched = posts(10)
    seen.mark(7, watched)
    await seen.forget(7)
    assert await seen.unseen(7, watched) == watched


async def test_few_posts_are_taken_for_seen_by_mistake(seen: SeenPosts):
    seen.mark(7, posts(500))
    assert len(await seen.unseen(7, posts(2_000, seed=2))) >= 1_980


async def test_a_filter_that_is_full_hides_nothing_and_does_not_grow(seen: SeenPosts, shards: Shards):
    others = posts(100, seed=2)
    for seed in range(10, 60):
        seen.mark(7, posts(200, seed))
    assert await seen.unseen(7, others) == others
    shard = shards.of("7")
    assert await shards.call(shard, "STRLEN", shards.key(shard, "seen", 7, int(Clock.now // DAY_S))) <= BYTES


async def test_posts_are_shown_while_redis_is_down(seen: SeenPosts, shards: Shards):
    watched = posts(10)
    seen.mark(7, watched)
    await shards.stop()
    assert await seen.unseen(7, watched) == watched
