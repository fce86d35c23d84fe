"""The part of a worker group that runs in this process, on Redis Streams.

The only consumer of a group is named `owner`; a lease says which process is the owner of a partition. A new owner first
handles the records that the last one got and did not acknowledge.

Redis may lose its last writes by a restart or a failover: the effects of a reaction in Redis, its acknowledgement, or
both. Unacknowledged records are handled again when the run id changes, running ones when the master changes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from storage.cancellation import end
from storage.event_log import Batch, React, Record
from storage.partition_owner import RENEW_S, PartitionOwner
from storage.redis import Redis, RedisError
from storage.redis_servers import ANYWHERE, Address
from storage.shards import Shards

_BLOCK_MS = 1_000  # also the longest time until a new partition joins the common read
_BLOCK_BESIDE_OTHERS_MS = 100  # while a partition is left out that may join at any time
_RECHECK_S = 30.0
_AGREE_S = 0.1
_BATCH = 100  # records of one read; what several reads got is handled together, if the first is smaller
_PREFETCHED_BATCHES = 2

log = structlog.get_logger()


@dataclass
class _StreamPartition:
    """A partition whose lease this process holds."""

    stream: str
    topic: str
    batches: asyncio.Queue[list[Any]] = field(default_factory=lambda: asyncio.Queue(_PREFETCHED_BATCHES))
    ready: bool = False  # records that the last owner left are handled


class GroupConsumer:
    """Reads all partitions that it holds with one command, and handles each in its own task."""

    def __init__(
        self,
        redis: Redis,
        shards: Shards,
        group: str,
        partitions: Sequence[tuple[str, str]],
        ensure_group: Callable[[str, str], Awaitable[None]],
        react: React,
        gather_s: float,
    ) -> None:
        """shards: where leases and effects are. partitions: (stream, topic) of each. gather_s: see `EventLog`."""
        self._redis = redis
        self._shards = shards
        self._ensure_group = ensure_group
        self._group = group
        self._react = react
        self._gather_s = gather_s
        self._topics = dict(partitions)
        self._held: dict[str, _StreamPartition] = {}
        self._changed = asyncio.Event()
        self._nothing_is_read = asyncio.Event()
        self._nothing_is_read.set()
        # A new owner begins with what was read and not handled: it would not see what a running read still gets.
        self._owner = PartitionOwner(shards, group, list(self._topics), self._work, self._nothing_is_read.wait)

    async def run(self, stop: asyncio.Event) -> None:
        beside = [asyncio.create_task(self._read_for_ever()), asyncio.create_task(self._watch_server())]
        try:
            await self._owner.run(stop)
        finally:
            await end(*beside)

    async def _watch_server(self) -> None:
        """Forever: when the server has restarted, start again with records that were not acknowledged."""
        run_id = ""
        while True:
            try:
                server = await self._redis.commands.info("server")
            except RedisError:
                server = {"run_id": run_id}
            if run_id and server["run_id"] != run_id:
                for stream in list(self._held):
                    await self._owner.restart(stream)
            run_id = server["run_id"]
            await asyncio.sleep(RENEW_S)

    async def _read_for_ever(self) -> None:
        while True:
            wanted = [held.stream for held in self._held.values() if held.ready and not held.batches.full()]
            if not wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            block_ms = _BLOCK_MS if len(wanted) == len(self._held) else _BLOCK_BESIDE_OTHERS_MS
            self._nothing_is_read.clear()
            try:
                found = await self._redis.blocking.xreadgroup(
                    self._group, "owner", dict.fromkeys(wanted, ">"), count=_BATCH, block=block_ms
                )
            except RedisError as error:
                if "NOGROUP" in str(error):
                    # Redis has restarted without its data: create the groups again.
                    for stream in wanted:
                        await self._ensure_group_quietly(stream)
                await asyncio.sleep(0.2)
                continue
            except Exception:
                log.exception("reading for a group failed and is retried", group=self._group)
                await asyncio.sleep(0.2)
                continue
            finally:
                self._nothing_is_read.set()
            for stream, entries in found or ():
                held = self._held.get(stream.decode())
                if held is not None and entries:
                    held.batches.put_nowait(entries)

    async def _ensure_group_quietly(self, stream: str) -> None:
        try:
            await self._ensure_group(stream, self._group)
        except RedisError as error:
            log.warning("a consumer group could not be created", stream=stream, error=str(error))

    async def _work(self, stream: str) -> None:
        held = self._held[stream] = _StreamPartition(stream, self._topics[stream])
        try:
            while True:
                try:
                    await self._own(held)
                except RedisError as error:
                    log.warning("a partition waits for the event log", stream=stream, error=str(error))
                    if "NOGROUP" in str(error):
                        await self._ensure_group_quietly(stream)
                except Exception:
                    log.exception("a partition failed and starts again", stream=stream)
                self._forget_read(held)
                await asyncio.sleep(0.5)
        finally:
            if self._held.get(stream) is held:
                del self._held[stream]

    async def _own(self, held: _StreamPartition) -> None:
        await self._ensure_group(held.stream, self._group)
        await self._catch_up(held)
        held.ready = True
        self._changed.set()
        recheck_at = time.monotonic() + _RECHECK_S
        while True:
            try:
                # Not wait_for: before Python 3.12 it can swallow a cancellation.
                async with asyncio.timeout(_RECHECK_S):
                    entries = await held.batches.get()
            except TimeoutError:
                entries = []
            if time.monotonic() >= recheck_at:
                # A former owner may have read records after it lost the lease.
                await self._catch_up(held, until=entries[0][0] if entries else None)
                recheck_at = time.monotonic() + _RECHECK_S
            if not entries:
                continue
            while len(entries) < _BATCH and not held.batches.empty():
                entries = [*entries, *held.batches.get_nowait()]
            self._changed.set()
            next_at = time.monotonic() + self._gather_s
            await self._process(held, entries)
            if len(entries) < _BATCH:
                await asyncio.sleep(next_at - time.monotonic())

    @staticmethod
    def _forget_read(held: _StreamPartition) -> None:
        held.ready = False
        while not held.batches.empty():
            held.batches.get_nowait()

    async def _catch_up(self, held: _StreamPartition, until: bytes | None = None) -> None:
        """Handle records that an owner of this partition got and never acknowledged, oldest first.

        until: the id of the first record that this process has read itself and will handle next.
        """
        while True:
            found = await self._redis.commands.xreadgroup(self._group, "owner", {held.stream: "0"}, count=_BATCH)
            entries = found[0][1] if found else []
            if until is not None:
                entries = [entry for entry in entries if place_of(entry[0].decode()) < place_of(until.decode())]
            if not entries:
                return
            await self._process(held, entries)

    async def _process(self, held: _StreamPartition, entries: list[Any]) -> None:
        # A record that was trimmed while pending has no fields.
        records = [read_record(held.topic, fields) for _, fields in entries if fields]
        while True:
            master = await self._master()
            await self._react(Batch(records))
            await self._redis.commands.xack(held.stream, self._group, *(entry_id for entry_id, _ in entries))
            # After a failover, the new master may have the acknowledgement but not the effects.
            if master == await self._master():
                return

    async def _master(self) -> Address | None:
        """The master, once records and effects go to the same one. None without Sentinel."""
        while True:
            master, owner = self._redis.master, self._shards.owners[0]
            if master is None or owner in (master, ANYWHERE):
                return master
            await asyncio.sleep(_AGREE_S)


def place_of(entry_id: str) -> tuple[int, int]:
    """What the ids of a stream are ordered by: milliseconds and a number."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def read_record(topic: str, fields: dict[bytes, bytes]) -> Record:
    trace = fields.get(b"trace", b"").decode()
    return Record(int(fields[b"id"]), topic, fields[b"key"].decode(), fields[b"payload"], trace)
