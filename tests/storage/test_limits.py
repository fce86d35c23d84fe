"""Limits: addresses that count as one, counts over two windows, and counts that are given back."""

import random
import time

import pytest

from protocol.errors import CallError
from storage.limits import HIT, Limits, address_key
from storage.shards import Shards
from tests.cluster import Cluster


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("no address", "no address"),
    ],
)
def test_what_counts_as_one_address(address, key):
    assert address_key(address) == key


@pytest.mark.parametrize(
    ("address", "is_here"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), ("no address", False)]
)
async def test_addresses_of_this_machine_count_only_if_the_setting_says_so(idle_cluster: Cluster, address, is_here):
    for count_loopback in (False, True):
        limits = Limits(idle_cluster.stores.shards, {"knock": "1/hour"}, count_loopback=count_loopback)
        counts = count_loopback or not is_here
        assert limits.counts_address(address) == counts
        name = idle_cluster.unique("knock")
        limits = Limits(idle_cluster.stores.shards, {name: "1/hour"}, count_loopback=count_loopback)
        await limits.hit_address(name, address)
        if counts:
            with pytest.raises(CallError):
                await limits.hit_address(name, address)
        else:
            await limits.hit_address(name, address)


async def test_a_refusal_says_what_the_limit_is_and_when_it_ends(idle_cluster: Cluster, any_shards):
    limits = Limits(any_shards, {"some_notes": "2/15 minute", "note": "3/hour"}, count_loopback=True)
    key = idle_cluster.unique("somebody")
    await limits.hit("some_notes", key, cost=2)
    with pytest.raises(CallError) as refused:
        await limits.hit("some_notes", key)
    assert refused.value.message == "no more than 2 some notes per 15 minutes"
    assert 100 <= refused.value.retry_after_ms <= 15 * 60_000 + 1  # when the window is over
    await limits.hit("note", key, cost=3)
    with pytest.raises(CallError) as refused:
        await limits.hit("note", key)
    assert refused.value.message == "no more than 3 note per hour"


async def test_hits_beyond_a_limit_are_counted_and_given_back(idle_cluster: Cluster, any_shards):
    limits = Limits(any_shards, {"guess": "2/hour"}, count_loopback=True)
    key = idle_cluster.unique("account")
    assert [await limits.hit_beyond("guess", key) for _ in range(4)] == [-1, 0, 1, 2]
    for _ in range(2):
        await limits.give_back("guess", key)
    assert await limits.hit_beyond("guess", key) == 1


@pytest.mark.parametrize(
    ("after_s", "cost", "wait_s"),
    [
        (0, 1, 3_600),  # hits of this window weigh fully until it is the one before
        (1_800, 1, 1_800),
        (1_800, 4, 1_800 + 3 * 360),
        (3_600 + 900, 4, 180),  # 7 of the 10 are less than an hour ago
        (3_600 + 900, 3, 0),
        (2 * 3_600, 10, 0),
        (2 * 3_600, 11, 2 * 3_600),
    ],
)
async def test_hits_of_the_window_before_weigh_what_is_left_of_it(
    idle_cluster: Cluster, monkeypatch, after_s, cost, wait_s
):
    limits = Limits(idle_cluster.stores.shards, {"guess": "10/hour"}, count_loopback=True)
    key, now = idle_cluster.unique("account"), int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    await limits.hit("guess", key, cost=10)
    now += after_s
    if wait_s:
        with pytest.raises(CallError) as refused:
            await limits.hit("guess", key, cost)
        assert refused.value.retry_after_ms == wait_s * 1_000 + 1
        if cost <= 10:
            now += wait_s - 0.001
            with pytest.raises(CallError):
                await limits.hit("guess", key, cost)
            now += 0.005
            await limits.hit("guess", key, cost)
    else:
        await limits.hit("guess", key, cost)


async def test_the_clock_of_another_node_may_be_behind(idle_cluster: Cluster, monkeypatch):
    limits = Limits(idle_cluster.stores.shards, {"guess": "2/hour"}, count_loopback=True)
    key, began = idle_cluster.unique("account"), time.time()
    assert await limits.hit_beyond("guess", key) == -1
    monkeypatch.setattr(time, "time", lambda: began - 60)
    assert await limits.hit_beyond("guess", key) == 0


# ---------------------------------------------------------------------------------------------- the script


PERIOD, MOST = 100_000, 10


class Window:
    """One limit of 10 hits in 100 s, counted by the script alone."""

    def __init__(self, shards: Shards) -> None:
        self.shards, self.key = shards, shards.key(0, "limit", "window")

    async def hit(self, now: int, hits: int, most: int = MOST) -> tuple[bool, int, int]:
        """Return whether they were added, the hits with them, and the ms to wait."""
        is_added, counted, wait_ms = await self.shards.run(0, HIT, (self.key,), (now, PERIOD, most, hits))
        return bool(is_added), counted, wait_ms


@pytest.fixture
def window(shards: Shards) -> Window:
    return Window(shards)


@pytest.mark.parametrize("seed", range(12))
async def test_hits_are_counted_exactly_and_clients_that_wait_as_told_get_through(window: Window, seed: int):
    """All hits that were added are compared with those that a window and the part of the one before it may have."""
    chance = random.Random(seed)
    added: list[tuple[int, int]] = []
    now = began = 1_000_000

    def count(hits: int) -> int:
        nonlocal began
        if now >= began + 2 * PERIOD:
            began = now
        elif now >= began + PERIOD:
            began += PERIOD
        here = sum(each for at, each in added if began <= at)
        before = sum(each for at, each in added if began - PERIOD <= at < began)
        return before * (began + PERIOD - now) // PERIOD + here + hits

    for _ in range(40):
        hits = chance.choice([1, 1, 2, 3, 7, -1] if added else [1, 4])
        counted = count(hits)
        is_added, said, wait_ms = await window.hit(now, hits)
        assert (is_added, said) == (counted <= MOST, counted)
        if is_added:
            assert wait_ms == 0
        else:
            assert not (await window.hit(now + wait_ms - 1, hits))[0]
            now += wait_ms
            assert count(hits) <= MOST
            assert (await window.hit(now, hits))[0]
        added.append((now, hits))
        now += chance.choice([0, 1, 5_000, 30_000, PERIOD - 1, PERIOD, 2 * PERIOD - 1, 2 * PERIOD])


async def test_more_hits_than_the_limit_are_never_added(window: Window):
    assert await window.hit(1_000, MOST + 1) == (False, MOST + 1, 2 * PERIOD + 1)
    await window.hit(1_000, 5)
    assert await window.hit(1_100, MOST + 1) == (False, MOST + 6, PERIOD - 100 + PERIOD + 1)
    assert not (await window.hit(1_100 + 2 * PERIOD, MOST + 1))[0]


async def test_a_limit_is_reached_to_the_last_hit(window: Window):
    assert await window.hit(1_000, MOST - 1) == (True, MOST - 1, 0)
    assert await window.hit(1_000, 1) == (True, MOST, 0)
    assert await window.hit(1_000, 1) == (False, MOST + 1, PERIOD + 1)


async def test_a_count_expires_when_it_weighs_nothing_any_more(window: Window):
    await window.hit(1_000, 1)
    assert PERIOD < await window.shards.call(0, "PTTL", window.key) <= 2 * PERIOD
