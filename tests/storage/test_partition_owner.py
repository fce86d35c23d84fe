"""Owners of partitions: whatever happens to its lease, a partition is worked on by one task at most."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from storage import partition_owner
from storage.leases import Leases
from storage.partition_owner import LEASE_MS, PartitionOwner
from storage.shards import Shards
from tests.faults import soon

GROUP, PARTITION = "fanout", "post.created:0"


class Work:
    """Tasks of one partition, which end as slowly as a transaction that waits for a server."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0
        self.may_end = asyncio.Event()

    async def run(self, partition: str) -> None:
        self.started += 1
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            while not self.may_end.is_set():
                try:
                    await self.may_end.wait()
                except asyncio.CancelledError:
                    continue
            self.running -= 1

    async def counts(self) -> tuple[int, int]:
        return self.started, self.running


@asynccontextmanager
async def owning(shards: Shards, work: Work):
    owner, stop = PartitionOwner(shards, GROUP, [PARTITION], work.run), asyncio.Event()
    running = asyncio.create_task(owner.run(stop))
    assert await soon(work.counts, (1, 1)) == (1, 1)
    try:
        yield owner
    finally:
        work.may_end.set()
        stop.set()
        await running


async def take_lease(shards: Shards, owner: PartitionOwner) -> Leases:
    """Let another process have the lease, as after an expiry."""
    leases = Leases(shards, f"log:{GROUP}")
    is_taken = False
    while not is_taken:  # its owner may take it again first
        await leases.release(PARTITION, owner._id)
        [is_taken] = await leases.hold([PARTITION], "another process", lifetime_ms=LEASE_MS, most=1)
    return leases


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_owner, "RENEW_S", 0.02)


async def test_a_process_stays_a_member_whatever_the_clocks_of_others_say(shards: Shards, monkeypatch):
    work = Work()
    owners = [PartitionOwner(shards, GROUP, [PARTITION, "post.created:1"], work.run) for _ in range(2)]
    work.may_end.set()
    await owners[0]._share()
    with monkeypatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 2 * LEASE_MS / 1_000)
        await owners[1]._share()
    shard = shards.of(GROUP)
    assert await shards.call(shard, "ZCARD", shards.key(shard, "log-members", GROUP)) == 2
    for owner in owners:
        await owner._leave()


async def test_a_partition_that_is_lost_while_it_starts_again_stays_lost(shards: Shards):
    work = Work()
    async with owning(shards, work) as owner:
        restarting = asyncio.create_task(owner.restart(PARTITION))
        await take_lease(shards, owner)

        async def is_lost() -> bool:
            return PARTITION not in owner._held

        assert await soon(is_lost, True)
        work.may_end.set()
        await restarting
        assert await work.counts() == (1, 0)


async def test_a_partition_that_comes_back_waits_for_the_end_of_the_former_task(shards: Shards):
    work = Work()
    async with owning(shards, work) as owner:
        leases = await take_lease(shards, owner)

        async def is_ending() -> bool:
            return PARTITION in owner._ending

        assert await soon(is_ending, True)
        await leases.release(PARTITION, "another process")
        await asyncio.sleep(0.1)  # several turns of the owner, which has the lease again
        assert await work.counts() == (1, 1)
        work.may_end.set()
        assert await soon(work.counts, (2, 1)) == (2, 1)
