"""The work that users have spent, on one node and on all nodes."""

from storage.shares import Shares, WorkRate
from tests.cluster import Cluster

RATE = WorkRate(per_second=0.001, burst=1)


async def test_work_on_one_node_counts_on_the_others(cluster: Cluster):
    key = cluster.unique("user")
    here, there = Shares(cluster.stores.shards, RATE), Shares(cluster.stores.shards, RATE)
    here.of(key).spend(0.9)
    assert here.of(key).wait_ms == 0
    await here.settle()
    there.of(key).spend(0.2)
    assert there.of(key).wait_ms == 0
    await there.settle()
    assert 90_000 < there.of(key).wait_ms <= 100_000
    assert there.of(cluster.unique("user")).wait_ms == 0


async def test_users_who_spend_little_need_no_redis_command(cluster: Cluster):
    key = cluster.unique("user")
    here = Shares(cluster.stores.shards, RATE)
    here.of(key).spend(0.04)
    await here.settle()
    assert here.of(key).unsettled == 0.04


async def test_a_full_budget_is_forgotten(cluster: Cluster):
    shares = Shares(cluster.stores.shards, WorkRate(per_second=1e9, burst=1))
    share = shares.of(1)
    share.spend(0.5)
    await shares.settle()
    assert share.spent == 0
    assert shares.of(1) is not share


async def test_a_user_with_calls_under_way_is_not_forgotten(cluster: Cluster):
    shares = Shares(cluster.stores.shards, RATE)
    share = shares.of(1)
    share.calls = 1
    await shares.settle()
    assert shares.of(1) is share
