"""What counts as one address, and how limits count beyond a window and give back."""

import time

import pytest

from protocol.errors import CallError
from storage.limits import Limits, address_key
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
async def test_addresses_of_this_machine_count_only_if_the_setting_says_so(cluster: Cluster, address, is_here):
    for count_loopback in (False, True):
        limits = Limits(cluster.stores.shards, {"knock": "1/hour"}, count_loopback=count_loopback)
        counts = count_loopback or not is_here
        assert limits.counts_address(address) == counts
        name = cluster.unique("knock")
        limits = Limits(cluster.stores.shards, {name: "1/hour"}, count_loopback=count_loopback)
        await limits.hit_address(name, address)
        if counts:
            with pytest.raises(CallError):
                await limits.hit_address(name, address)
        else:
            await limits.hit_address(name, address)


async def test_a_refusal_says_what_the_limit_is_and_when_it_ends(cluster: Cluster):
    limits = Limits(cluster.stores.shards, {"some_notes": "2/15 minute", "note": "3/hour"}, count_loopback=True)
    key = cluster.unique("somebody")
    await limits.hit("some_notes", key, cost=2)
    with pytest.raises(CallError) as refused:
        await limits.hit("some_notes", key)
    assert refused.value.message == "no more than 2 some notes per 15 minutes"
    assert 100 <= refused.value.retry_after_ms <= 15 * 60_000 + 1  # when the window is over
    await limits.hit("note", key, cost=3)
    with pytest.raises(CallError) as refused:
        await limits.hit("note", key)
    assert refused.value.message == "no more than 3 note per hour"


async def test_hits_beyond_a_limit_are_counted_and_given_back(cluster: Cluster):
    limits = Limits(cluster.stores.shards, {"guess": "2/hour"}, count_loopback=True)
    key = cluster.unique("account")
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
async def test_hits_of_the_window_before_weigh_what_is_left_of_it(cluster: Cluster, monkeypatch, after_s, cost, wait_s):
    limits = Limits(cluster.stores.shards, {"guess": "10/hour"}, count_loopback=True)
    key, now = cluster.unique("account"), int(time.time())
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


async def test_the_clock_of_another_node_may_be_behind(cluster: Cluster, monkeypatch):
    limits = Limits(cluster.stores.shards, {"guess": "2/hour"}, count_loopback=True)
    key, began = cluster.unique("account"), time.time()
    assert await limits.hit_beyond("guess", key) == -1
    monkeypatch.setattr(time, "time", lambda: began - 60)
    assert await limits.hit_beyond("guess", key) == 0
