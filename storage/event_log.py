"""The event log: what happened, in order per key, read by any number of worker groups.

`EventLog` is the interface; `RedisStreams` keeps a topic as P streams. Records reach a group at least once: a
reaction must bear repetition. One leased consumer reads a partition at a time, in order, and a record holds up
its partition until the reaction returns.
"""

import asyncio
import math
import secrets
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import structlog
from redis.exceptions import ResponseError

from storage.redis import Redis, RedisError

PARTITIONS = 8
LONGEST_PARTITION = 250_000
LONGEST_DEAD_LETTERS = 100_000
KEEP_READ_MS = 60 * 60 * 1_000  # read records stay for an hour, to be looked at

_LEASE_MS = 5_000
_RENEW_S = 1.5
_BLOCK_MS = 250  # also how long a partition may wait to join the common read
_RECHECK_S = 30.0
_BATCH = 100
_PREFETCHED_BATCHES = 2
_LUA = Path(__file__).parent / "lua"

log = structlog.get_logger()


class Record(NamedTuple):
    event_id: int
    topic: str
    key: str
    payload: bytes


class DeadLetter(NamedTuple):
    """A record that a group gave up on, with the cause."""

    id: str
    group: str
    cause: str
    record: Record


class Lag(NamedTuple):
    topic: str
    group: str
    records: int


React = Callable[[Sequence[Record]], Awaitable[None]]


class LogFull(Exception):
    """A partition has reached its bound: nothing is appended until a group reads on."""


class EventLog(Protocol):
    """What a log must do; Redis Streams and Kafka answer to the same contract tests."""

    async def append(self, batch: int, records: Sequence[Record]) -> None:
        """Append all and remember the batch number, in one step. Raises LogFull."""

    async def last_batch(self) -> int:
        """The newest batch that the log remembers; lower than what was appended if it lost its end."""

    async def consume(self, group: str, topics: Sequence[str], react: React, stop: asyncio.Event) -> None:
        """Feed batches of one partition each to `react`, in order, until `stop` is set; then finish and return."""

    async def bury(self, group: str, record: Record, cause: str) -> None:
        """Put what a group gave up on among the dead letters."""

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Oldest first."""

    async def replay(self, ids: Sequence[str] | None) -> int:
        """Append those dead letters (None: all) to their topics again and forget them. Answers how many."""

    async def lags(self) -> list[Lag]: ...

    async def trim(self) -> None:
        """Let go of what every group has read and nobody needs to look at any more."""


class RedisStreams:
    """A topic is 8 streams; a group's place in them is a consumer group whose only consumer is called `owner`.

    Who may act as the owner of a partition is a lease of 5 seconds. A new owner first finds what the last one
    had been given and did not acknowledge.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def append(self, batch: int, records: Sequence[Record]) -> None:
        streams = [self.stream(record.topic, partition(record.key)) for record in records]
        distinct = list(dict.fromkeys(streams))
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for stream in distinct:
                pipe.xlen(stream)
            pipe.smembers(self._topics_key)
            *lengths, known = await pipe.execute()
        if max(lengths, default=0) > LONGEST_PARTITION:
            raise LogFull(distinct[lengths.index(max(lengths))])
        async with self._redis.commands.pipeline(transaction=True) as pipe:
            new_topics = {record.topic for record in records} - {topic.decode() for topic in known}
            if new_topics:
                pipe.sadd(self._topics_key, *new_topics)
            for stream, record in zip(streams, records, strict=True):
                pipe.xadd(stream, _fields(record))
            pipe.set(self._batch_key, batch)
            await pipe.execute()

    async def last_batch(self) -> int:
        return int(await self._redis.commands.get(self._batch_key) or 0)

    async def consume(self, group: str, topics: Sequence[str], react: React, stop: asyncio.Event) -> None:
        await _GroupConsumer(self._redis, self, group, topics, react).run(stop)

    async def bury(self, group: str, record: Record, cause: str) -> None:
        fields = {**_fields(record), "group": group, "cause": cause[:2_000], "topic": record.topic}
        await self._redis.commands.xadd(self._dead_key, fields, maxlen=LONGEST_DEAD_LETTERS, approximate=True)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        return [_dead_letter(entry) for entry in await self._redis.commands.xrange(self._dead_key, count=limit)]

    async def replay(self, ids: Sequence[str] | None) -> int:
        wanted = None if ids is None else set(ids)
        replayed = 0
        for letter in await self.dead_letters(LONGEST_DEAD_LETTERS):
            if wanted is not None and letter.id not in wanted:
                continue
            record = letter.record
            async with self._redis.commands.pipeline(transaction=True) as pipe:
                pipe.xadd(self.stream(record.topic, partition(record.key)), _fields(record))
                pipe.xdel(self._dead_key, letter.id)
                await pipe.execute()
            replayed += 1
        return replayed

    async def lags(self) -> list[Lag]:
        found: dict[tuple[str, str], int] = {}
        for topic in await self._topics():
            for index in range(PARTITIONS):
                for group, unread, _ in await self._groups(self.stream(topic, index)):
                    found[topic, group] = found.get((topic, group), 0) + unread
        return [Lag(topic, group, records) for (topic, group), records in sorted(found.items())]

    async def trim(self) -> None:
        oldest_kept = f"{time.time_ns() // 1_000_000 - KEEP_READ_MS}-0"
        for topic in await self._topics():
            for index in range(PARTITIONS):
                stream = self.stream(topic, index)
                places = [place for _, _, place in await self._groups(stream)]
                if places:
                    bound = min([*places, oldest_kept], key=_position)
                    await self._redis.commands.xtrim(stream, minid=bound, approximate=True)

    async def ensure_group(self, stream: str, group: str) -> None:
        """A new group starts with the oldest record that the stream still holds."""
        try:
            await self._redis.commands.xgroup_create(stream, group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def stream(self, topic: str, index: int) -> str:
        return self._redis.key("log", topic, index)

    async def _topics(self) -> list[str]:
        return sorted(topic.decode() for topic in await self._redis.commands.smembers(self._topics_key))

    async def _groups(self, stream: str) -> list[tuple[str, int, str]]:
        """For each group: name, records not acknowledged (counted to 10,000), and the place it has read to."""
        try:
            groups = await self._redis.commands.xinfo_groups(stream)
        except ResponseError:  # no such stream yet
            return []
        found = []
        for group in groups:
            place = group["last-delivered-id"].decode()
            unread = await self._redis.commands.xrange(stream, min=f"({place}", count=10_000)
            pending = await self._redis.commands.xpending(stream, group["name"])
            if pending["pending"]:
                place = min(place, pending["min"].decode(), key=_position)
            found.append((group["name"].decode(), len(unread) + pending["pending"], place))
        return found

    @property
    def _topics_key(self) -> str:
        return self._redis.key("log-topics")

    @property
    def _batch_key(self) -> str:
        return self._redis.key("log-batch")

    @property
    def _dead_key(self) -> str:
        return self._redis.key("dead-letters")


def partition(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS


@dataclass
class _Partition:
    """A partition that this process holds the lease on."""

    stream: str
    topic: str
    lease_until: float
    batches: asyncio.Queue[list[Any]] = field(default_factory=lambda: asyncio.Queue(_PREFETCHED_BATCHES))
    task: asyncio.Task[None] | None = None
    ready: bool = False  # what the last owner left behind has been dealt with


class _GroupConsumer:
    """One process's share of a group: leases partitions, reads them in one command, works on each in its own task."""

    def __init__(self, redis: Redis, streams: RedisStreams, group: str, topics: Sequence[str], react: React) -> None:
        self._redis = redis
        self._log = streams
        self._group = group
        self._react = react
        self._id = secrets.token_hex(8)
        self._all = [(streams.stream(topic, index), topic) for topic in topics for index in range(PARTITIONS)]
        self._held: dict[str, _Partition] = {}
        self._changed = asyncio.Event()
        self._renew = redis.script(_LUA / "renew_lease.lua")
        self._release = redis.script(_LUA / "release_lease.lua")

    async def run(self, stop: asyncio.Event) -> None:
        reader = asyncio.create_task(self._read_for_ever())
        try:
            while not stop.is_set():
                try:
                    await self._share_partitions()
                except RedisError as error:
                    log.warning("event log out of reach", group=self._group, error=str(error))
                self._drop_expired()
                try:
                    await asyncio.wait_for(stop.wait(), _RENEW_S)
                except TimeoutError:
                    continue
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await self._leave()

    async def _share_partitions(self) -> None:
        """Renew what we hold; take or give up partitions until each member holds its share."""
        now = time.time()
        members = self._redis.key("log-members", self._group)
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            pipe.zadd(members, {self._id: now + _LEASE_MS / 1_000})
            pipe.zremrangebyscore(members, "-inf", now)
            pipe.zcard(members)
            *_, member_count = await pipe.execute()
        share = math.ceil(len(self._all) / max(member_count, 1))
        for held in list(self._held.values())[share:]:
            await self._give_up(held)
        for stream, topic in self._all:
            held_already = stream in self._held
            if not held_already and len(self._held) >= share:
                continue
            asked = time.monotonic()
            if await self._renew([self._lease(stream)], [self._id, _LEASE_MS]):
                until = asked + _LEASE_MS / 1_000
                if held_already:
                    self._held[stream].lease_until = until
                else:
                    await self._log.ensure_group(stream, self._group)
                    held = _Partition(stream, topic, until)
                    held.task = asyncio.create_task(self._work(held))
                    self._held[stream] = held
                    self._changed.set()
            elif held_already:
                self._drop(self._held[stream])

    async def _read_for_ever(self) -> None:
        while True:
            wanted = [held.stream for held in self._held.values() if held.ready and not held.batches.full()]
            if not wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                found = await self._redis.blocking.xreadgroup(
                    self._group, "owner", dict.fromkeys(wanted, ">"), count=_BATCH, block=_BLOCK_MS
                )
            except RedisError as error:
                if "NOGROUP" in str(error):
                    # Redis came back without its memory: the groups are made anew.
                    for stream in wanted:
                        await self._ensure_group_quietly(stream)
                await asyncio.sleep(0.2)
                continue
            for stream, entries in found or ():
                held = self._held.get(stream.decode())
                if held is not None and entries:
                    held.batches.put_nowait(entries)

    async def _ensure_group_quietly(self, stream: str) -> None:
        try:
            await self._log.ensure_group(stream, self._group)
        except RedisError as error:
            log.warning("cannot make a consumer group", stream=stream, error=str(error))

    async def _work(self, held: _Partition) -> None:
        while True:
            try:
                await self._catch_up(held)
                held.ready = True
                self._changed.set()
                while True:
                    try:
                        entries = await asyncio.wait_for(held.batches.get(), _RECHECK_S)
                    except TimeoutError:
                        # A former owner's last read may have been answered after it lost the lease.
                        await self._catch_up(held)
                        continue
                    self._changed.set()
                    await self._process(held, entries)
            except RedisError as error:
                log.warning("a partition waits for the event log", stream=held.stream, error=str(error))
            except Exception:
                log.exception("a partition stumbled and starts again", stream=held.stream)
            held.ready = False
            while not held.batches.empty():
                held.batches.get_nowait()
            await asyncio.sleep(0.5)

    async def _catch_up(self, held: _Partition) -> None:
        """What has been delivered to an owner of this partition and never acknowledged, oldest first."""
        while True:
            found = await self._redis.commands.xreadgroup(self._group, "owner", {held.stream: "0"}, count=_BATCH)
            entries = found[0][1] if found else []
            if not entries:
                return
            await self._process(held, entries)

    async def _process(self, held: _Partition, entries: list[Any]) -> None:
        # A record trimmed while pending comes back without fields.
        records = [_record(held.topic, fields) for _, fields in entries if fields]
        await self._react(records)
        await self._redis.commands.xack(held.stream, self._group, *(entry_id for entry_id, _ in entries))

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
            await asyncio.gather(held.task, return_exceptions=True)
        await self._release([self._lease(held.stream)], [self._id])

    async def _leave(self) -> None:
        try:
            for held in list(self._held.values()):
                await self._give_up(held)
            await self._redis.commands.zrem(self._redis.key("log-members", self._group), self._id)
        except RedisError as error:
            log.warning("leases are left to expire", group=self._group, error=str(error))

    def _lease(self, stream: str) -> str:
        return f"{stream}:lease:{self._group}"


def _fields(record: Record) -> dict[Any, Any]:
    return {"id": record.event_id, "key": record.key, "payload": record.payload}


def _record(topic: str, fields: dict[bytes, bytes]) -> Record:
    return Record(int(fields[b"id"]), topic, fields[b"key"].decode(), fields[b"payload"])


def _dead_letter(entry: tuple[bytes, dict[bytes, bytes]]) -> DeadLetter:
    entry_id, fields = entry
    record = _record(fields[b"topic"].decode(), fields)
    return DeadLetter(entry_id.decode(), fields[b"group"].decode(), fields[b"cause"].decode(), record)


def _position(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
