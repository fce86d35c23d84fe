"""The work that users have spent, on one node and on all nodes."""

import pytest

from storage.budgets import SETTLE, Budgets, WorkRate
from storage.shards import Shards
from tests.cluster import Cluster

RATE = WorkRate(per_second=0.001, burst=1)


async def test_work_on_one_node_counts_on_the_others(idle_cluster: Cluster):
    key = idle_cluster.unique("user")
    here, there = Budgets(idle_cluster.stores.shards, RATE), Budgets(idle_cluster.stores.shards, RATE)
    here.of(key).spend(0.9)
    assert here.of(key).wait_ms == 0
    await here.settle()
    there.of(key).spend(0.2)
    assert there.of(key).wait_ms == 0
    await there.settle()
    assert 90_000 < there.of(key).wait_ms <= 100_000
    assert there.of(idle_cluster.unique("user")).wait_ms == 0


async def test_users_who_spend_little_need_no_redis_command(idle_cluster: Cluster):
    key = idle_cluster.unique("user")
    here = Budgets(idle_cluster.stores.shards, RATE)
    here.of(key).spend(0.04)
    await here.settle()
    assert here.of(key).unsettled == 0.04


async def test_a_full_budget_is_forgotten(idle_cluster: Cluster):
    budgets = Budgets(idle_cluster.stores.shards, WorkRate(per_second=1e9, burst=1))
    budget = budgets.of(1)
    budget.spend(0.5)
    await budgets.settle()
    assert budget.spent == 0
    assert budgets.of(1) is not budget


async def test_a_user_with_calls_under_way_is_not_forgotten(idle_cluster: Cluster):
    budgets = Budgets(idle_cluster.stores.shards, RATE)
    budget = budgets.of(1)
    budget.calls = 1
    await budgets.settle()
    assert budgets.of(1) is budget


class Spent:
    """The work of a user on all nodes, as Redis adds it up."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self.key = shards.key(0, "budget", "user")

    async def redis(self, *parts):
        return await self._shards.call(0, *parts)

    async def settle(self, ms: int, per_ms: str) -> int:
        """Add what was spent; return what is spent and not paid back, in ms."""
        return int(await self._shards.run(0, SETTLE, (self.key,), (ms, per_ms)))

    async def now_ms(self) -> float:
        seconds, microseconds = await self.redis("TIME")
        return int(seconds) * 1_000 + int(microseconds) / 1_000

    async def kept(self) -> tuple[float, int]:
        """Return the ms spent, and when that was added up."""
        spent, at = await self.redis("HMGET", self.key, "spent", "at")
        return float(spent), int(at)


@pytest.fixture
async def spent(shards: Shards) -> Spent:
    return Spent(shards)


async def test_what_nodes_report_is_added_up(spent: Spent):
    before = await spent.now_ms()
    assert await spent.settle(100, "0.000000001") == 100
    assert await spent.settle(50, "0.000000001") in (149, 150)
    _, at = await spent.kept()
    assert int(before) <= at <= await spent.now_ms()


async def test_time_pays_back_what_was_spent(spent: Spent):
    long_ago = int(await spent.now_ms()) - 1_000_000
    await spent.redis("HSET", spent.key, "spent", 5_000_000, "at", long_ago)
    answer = await spent.settle(1_000, "0.5")
    kept, at = await spent.kept()
    assert kept == 5_000_000 - (at - long_ago) * 0.5 + 1_000
    assert answer == int(kept)


async def test_no_more_is_paid_back_than_was_spent(spent: Spent):
    await spent.redis("HSET", spent.key, "spent", 5, "at", int(await spent.now_ms()) - 1_000_000)
    assert await spent.settle(100, "1") == 100


async def test_what_was_spent_is_forgotten_a_second_after_it_is_paid_back(spent: Spent):
    await spent.settle(100, "0.001")
    _, at = await spent.kept()
    assert await spent.redis("PEXPIRETIME", spent.key) == at + 100 / 0.001 + 1_000
