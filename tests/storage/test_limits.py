"""What counts as one address, and how limits count beyond a window and give back."""

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
    assert 100 <= refused.value.retry_after_ms <= 15 * 60_000
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


async def test_the_previous_window_counts_in_proportion_to_its_overlap(cluster: Cluster):
    """Hits of the previous window count in proportion to its overlap with the last hour."""
    limits = Limits(cluster.stores.shards, {"guess": "2/hour"}, count_loopback=True)
    key, storage = cluster.unique("account"), limits._storage
    item = limits._items["guess"]
    shard, (before, _) = storage._windows(item.key_for("guess", key))
    await cluster.stores.shards.call(shard, "SET", before, 10, "PX", 1_790_000)
    assert await limits.hit_beyond("guess", key) == 4 + 1 - 2
    counts = await storage.get_sliding_window(item.key_for("guess", key), 3_600)
    assert (counts[0], counts[2]) == (10, 1)
    assert 1_700 < counts[1] <= 1_790
    assert 3_600 < counts[3] <= 7_200
    assert await storage.get_sliding_window(item.key_for("guess", "nobody's"), 3_600) == (0, 0, 0, 0)
