"""Which process reads which partition: leases in Redis, which both engines of the event log use.

A lease of 5 seconds says which process owns a partition for a worker group. The processes of a group share its
partitions evenly.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from storage.cancellation import end
from storage.leases import Leases
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

LEASE_MS = 5_000
RENEW_S = 1.5
JOIN = LinkScript(Path(__file__).parent / "lua" / "join_members.lua")
SCRIPTS = (JOIN,)

log = structlog.get_logger()


async def _at_once() -> None:
    """Nothing to wait for."""


@dataclass
class _Held:
    """A partition whose lease this process holds. lease_until: loop-independent time, s."""

    lease_until: float
    task: asyncio.Task[None]


class PartitionOwner:
    """Leases partitions of a group, and runs a task for each that it holds."""

    def __init__(
        self,
        shards: Shards,
        group: str,
        partitions: Sequence[str],
        work: Callable[[str], Awaitable[None]],
        before_release: Callable[[], Awaitable[object]] = _at_once,
    ) -> None:
        """partitions: their names. work: handles one until it is cancelled. before_release: awaited after that."""
        self._shards = shards
        self._shard = shards.of(group)
        self._members_key = shards.key(self._shard, "log-members", group)
        self._leases = Leases(shards, f"log:{group}")
        self._group = group
        self._partitions = partitions
        self._work = work
        self._before_release = before_release
        self._id = secrets.token_hex(8)
        self._held: dict[str, _Held] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}  # what waits for the end of a task, by partition

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then release all leases."""
        try:
            while not stop.is_set():
                try:
                    await self._share()
                except RedisError as error:
                    log.warning("the leases of partitions cannot be reached", group=self._group, error=str(error))
                self._drop_expired()
                try:
                    async with asyncio.timeout(RENEW_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            await self._leave()

    async def restart(self, partition: str) -> None:
        """End the task of a partition, and start it again."""
        held = self._held.get(partition)
        if held is None:
            return
        await end(held.task)
        if self._held.get(partition) is held:  # it may have been lost in the meantime
            held.task = asyncio.ensure_future(self._work(partition))

    async def _share(self) -> None:
        """Renew our leases, and take or release partitions until each process holds an equal share."""
        members = await self._shards.run(self._shard, JOIN, (self._members_key,), (self._id, LEASE_MS / 1_000))
        share = math.ceil(len(self._partitions) / members)
        for partition in list(self._held)[share:]:
            self._give_up(partition)
        # Leases to renew come first. What is given up is not renewed, and not waited for: that would cost the others.
        wanted = [partition for partition in self._partitions if partition not in self._ending]
        wanted.sort(key=lambda partition: partition not in self._held)
        until = time.monotonic() + LEASE_MS / 1_000
        are_ours = await self._leases.hold(wanted, self._id, lifetime_ms=LEASE_MS, most=share)
        for partition, is_ours in zip(wanted, are_ours, strict=True):
            held = self._held.get(partition)
            if held is None and is_ours:
                self._held[partition] = _Held(until, asyncio.ensure_future(self._work(partition)))
            elif held is not None and is_ours:
                held.lease_until = until
            elif held is not None:
                self._drop(partition)

    def _drop_expired(self) -> None:
        for partition, held in list(self._held.items()):
            if time.monotonic() >= held.lease_until:
                self._drop(partition)

    def _drop(self, partition: str) -> None:
        """Another process has the lease, or may have it."""
        self._end(partition, end(self._held.pop(partition).task))

    def _give_up(self, partition: str) -> None:
        self._end(partition, self._end_and_release(partition, self._held.pop(partition).task))

    def _end(self, partition: str, work: Coroutine[None, None, None]) -> None:
        """Do the work in the background. Until it is done, no other task begins with the partition."""
        ending = self._ending[partition] = asyncio.create_task(work)
        ending.add_done_callback(lambda _: self._ending.pop(partition))

    async def _end_and_release(self, partition: str, task: asyncio.Task[None]) -> None:
        await end(task)
        await self._before_release()
        try:
            await self._leases.release(partition, self._id)
        except RedisError as error:
            log.warning("a lease could not be released and will expire", partition=partition, error=str(error))

    async def _leave(self) -> None:
        for partition in list(self._held):
            self._give_up(partition)
        await asyncio.gather(*self._ending.values())
        with suppress(RedisError):  # it expires
            await self._shards.call(self._shard, "ZREM", self._members_key, self._id)
