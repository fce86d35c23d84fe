"""The part of a worker group that runs in this process, on Redis Streams.

The only consumer of a group is named `owner`; a lease of 5 seconds says which process is the owner of a partition. A
new owner first handles the records that the last one got and did not acknowledge. The processes of a group share its
partitions evenly.

Redis may lose its last writes by a restart or a failover: the effects of a reaction in Redis, its acknowledgement, or
both. Unacknowledged records are handled again when the run id changes, running ones when the master changes.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from storage.cancellation import end
from storage.event_log import React, Record
from storage.redis import Redis, RedisError

_LEASE_MS = 5_000
_RENEW_S = 1.5
_BLOCK_MS = 1_000  # also the longest time until a new partition joins the common read
_BLOCK_BESIDE_OTHERS_MS = 100  # while a partition is left out that may join at any time
_RECHECK_S = 30.0
_BATCH = 100
_PREFETCHED_BATCHES = 2
_LUA = Path(__file__).parent / "lua"

log = structlog.get_logger()


@dataclass
class _Partition:
    """A partition whose lease this process holds."""

    stream: str
    topic: str
    lease_until: float
    batches: asyncio.Queue[list[Any]] = field(default_factory=lambda: asyncio.Queue(_PREFETCHED_BATCHES))
    task: asyncio.Task[None] | None = None
    ready: bool = False  # records that the last owner left are handled


class GroupConsumer:
    """Leases partitions, reads them with one command, and handles each in its own task."""

    def __init__(
        self,
        redis: Redis,
        group: str,
        partitions: Sequence[tuple[str, str]],
        ensure_group: Callable[[str, str], Awaitable[None]],
        react: React,
    ) -> None:
        """partitions: (stream, topic) of each."""
        self._redis = redis
        self._ensure_group = ensure_group
        self._group = group
        self._react = react
        self._id = secrets.token_hex(8)
        self._all = partitions
        self._held: dict[str, _Partition] = {}
        self._run_id = ""  # of the server
        self._changed = asyncio.Event()
        self._hold = redis.script(_LUA / "hold_leases.lua")
        self._release = redis.script(_LUA / "release_lease.lua")

    async def run(self, stop: asyncio.Event) -> None:
        reader = asyncio.create_task(self._read_for_ever())
        try:
            while not stop.is_set():
                try:
                    await self._share_partitions()
                except RedisError as error:
                    log.warning("the event log cannot be reached", group=self._group, error=str(error))
                self._drop_expired()
                try:
                    async with asyncio.timeout(_RENEW_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            await end(reader)
            await self._leave()

    async def _share_partitions(self) -> None:
        """Renew our leases, and take or release partitions until each process holds an equal share."""
        now = time.time()
        members = self._redis.key("log-members", self._group)
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            pipe.info("server")
            pipe.zadd(members, {self._id: now + _LEASE_MS / 1_000})
            pipe.zremrangebyscore(members, "-inf", now)
            pipe.zcard(members)
            server, *_, member_count = await pipe.execute()
        if self._run_id != server["run_id"]:
            self._run_id = server["run_id"]
            for held in list(self._held.values()):
                await self._begin_anew(held)
        share = math.ceil(len(self._all) / max(member_count, 1))
        for held in list(self._held.values())[share:]:
            await self._give_up(held)
        # Leases to renew come first.
        wanted = sorted(self._all, key=lambda partition: partition[0] not in self._held)
        until = time.monotonic() + _LEASE_MS / 1_000
        are_ours = await self._hold([self._lease(stream) for stream, _ in wanted], [self._id, _LEASE_MS, share])
        for (stream, topic), is_ours in zip(wanted, are_ours, strict=True):
            known = self._held.get(stream)
            if known is None and is_ours:
                await self._begin(stream, topic, until)
            elif known is not None and is_ours:
                known.lease_until = until
            elif known is not None:
                self._drop(known)

    async def _begin(self, stream: str, topic: str, lease_until: float) -> None:
        await self._ensure_group(stream, self._group)
        held = self._held[stream] = _Partition(stream, topic, lease_until)
        held.task = asyncio.create_task(self._work(held))
        self._changed.set()

    async def _read_for_ever(self) -> None:
        while True:
            wanted = [held.stream for held in self._held.values() if held.ready and not held.batches.full()]
            if not wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            block_ms = _BLOCK_MS if len(wanted) == len(self._held) else _BLOCK_BESIDE_OTHERS_MS
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
            for stream, entries in found or ():
                held = self._held.get(stream.decode())
                if held is not None and entries:
                    held.batches.put_nowait(entries)

    async def _ensure_group_quietly(self, stream: str) -> None:
        try:
            await self._ensure_group(stream, self._group)
        except RedisError as error:
            log.warning("a consumer group could not be created", stream=stream, error=str(error))

    async def _work(self, held: _Partition) -> None:
        while True:
            try:
                await self._catch_up(held)
                held.ready = True
                self._changed.set()
                while True:
                    try:
                        # Not wait_for: before Python 3.12 it can swallow a cancellation.
                        async with asyncio.timeout(_RECHECK_S):
                            entries = await held.batches.get()
                    except TimeoutError:
                        # A former owner may have read records after it lost the lease.
                        await self._catch_up(held)
                        continue
                    self._changed.set()
                    await self._process(held, entries)
            except RedisError as error:
                log.warning("a partition waits for the event log", stream=held.stream, error=str(error))
                if "NOGROUP" in str(error):
                    await self._ensure_group_quietly(held.stream)
            except Exception:
                log.exception("a partition failed and starts again", stream=held.stream)
            self._forget_read(held)
            await asyncio.sleep(0.5)

    async def _begin_anew(self, held: _Partition) -> None:
        """Start again with records that were not acknowledged."""
        if held.task is not None:
            await end(held.task)
        self._forget_read(held)
        held.task = asyncio.create_task(self._work(held))

    @staticmethod
    def _forget_read(held: _Partition) -> None:
        held.ready = False
        while not held.batches.empty():
            held.batches.get_nowait()

    async def _catch_up(self, held: _Partition) -> None:
        """Handle records that an owner of this partition got and never acknowledged, oldest first."""
        while True:
            found = await self._redis.commands.xreadgroup(self._group, "owner", {held.stream: "0"}, count=_BATCH)
            entries = found[0][1] if found else []
            if not entries:
                return
            await self._process(held, entries)

    async def _process(self, held: _Partition, entries: list[Any]) -> None:
        # A record that was trimmed while pending has no fields.
        records = [read_record(held.topic, fields) for _, fields in entries if fields]
        master, is_done = self._redis.master, False
        while not is_done:
            await self._react(records)
            await self._redis.commands.xack(held.stream, self._group, *(entry_id for entry_id, _ in entries))
            # After a failover, the new master may have the acknowledgement but not the effects.
            is_done, master = self._redis.master == master, self._redis.master

    def _drop_expired(self) -> None:
        for held in list(self._held.values()):
            if time.monotonic() >= held.lease_until:
                self._drop(held)

    def _drop(self, held: _Partition) -> None:
        del self._held[held.stream]
        if held.task is not None:
            held.task.cancel()

    async def _give_up(self, held: _Partition) -> None:
        self._drop(held)
        if held.task is not None:
            await end(held.task)
        await self._release([self._lease(held.stream)], [self._id])

    async def _leave(self) -> None:
        try:
            for held in list(self._held.values()):
                await self._give_up(held)
            await self._redis.commands.zrem(self._redis.key("log-members", self._group), self._id)
        except RedisError as error:
            log.warning("leases could not be released and will expire", group=self._group, error=str(error))

    def _lease(self, stream: str) -> str:
        return f"{stream}:lease:{self._group}"


def read_record(topic: str, fields: dict[bytes, bytes]) -> Record:
    trace = fields.get(b"trace", b"").decode()
    return Record(int(fields[b"id"]), topic, fields[b"key"].decode(), fields[b"payload"], trace)
