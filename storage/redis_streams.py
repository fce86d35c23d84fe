"""The event log on Redis Streams: a topic is 8 streams, and a worker group is a consumer group of each."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from storage.database import Database, Transaction
from storage.event_log import PARTITIONS, Appended, DeadLetter, Lag, LogFull, LogPlace, React, Record, partition
from storage.redis import Redis
from storage.shards import Shards
from storage.stream_consumer import GroupConsumer, place_of, read_record

LONGEST_PARTITION = 250_000
LONGEST_DEAD_LETTERS = 100_000
# Records that all groups have read stay for an hour, for inspection, while their partition is no longer than that.
KEEP_READ_MS = 60 * 60 * 1_000
LONGEST_WITH_READ = 20_000
MOST_COUNTED = 10_000
_POLL_MS = 1_000
COUNT_UNREAD = Path(__file__).parent / "lua" / "count_unread.lua"


class RedisStreams:
    """A topic is 8 streams. A worker group has a consumer group on each, whose only consumer is named `owner`.

    A lease of 5 seconds says which process is the owner of a partition. A new owner first handles the records that the
    last one got and did not acknowledge.
    """

    def __init__(self, redis: Redis, shards: Shards) -> None:
        """shards: for the leases of partitions."""
        self._redis = redis
        self._shards = shards
        self._count_unread = redis.script(COUNT_UNREAD)

    async def take_turn(self) -> bool:
        """Always: a batch is appended within one command, so the lock in PostgreSQL is enough."""
        return True

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        streams = [self.stream(record.topic, partition(record.key)) for record in records]
        distinct = list(dict.fromkeys(streams))
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for stream in distinct:
                pipe.xlen(stream)
            pipe.smembers(self._topics_key)
            *lengths, known = await pipe.execute()
        long = {stream for stream, length in zip(distinct, lengths, strict=True) if length > LONGEST_PARTITION}
        full = {stream for stream in long if await self._length_of_unread(stream) > LONGEST_PARTITION}
        if full:
            raise LogFull({record.topic for stream, record in zip(streams, records, strict=True) if stream in full})
        async with self._redis.commands.pipeline(transaction=True) as pipe:
            pipe.get(self._batch_key)
            new_topics = {record.topic for record in records} - {topic.decode() for topic in known}
            if new_topics:
                pipe.sadd(self._topics_key, *new_topics)
            for stream, record in zip(streams, records, strict=True):
                pipe.xadd(stream, _fields(record))
            appended = Appended(batch, [record.event_id for record in records])
            pipe.mset({self._batch_key: batch, self._batch_events_key: msgspec.msgpack.encode(appended)})
            before, *_ = await pipe.execute()
        return int(before or 0)

    async def last_append(self) -> Appended:
        batch, found = await self._redis.commands.mget(self._batch_key, self._batch_events_key)
        appended = msgspec.msgpack.decode(found, type=Appended) if found else Appended(0, [])
        # A relay of an earlier version stores the number alone.
        return appended if appended.batch == int(batch or 0) else Appended(int(batch or 0), [])

    async def forget_positions(self, tx: Transaction) -> None:
        """Nothing: they are in the same Redis, and were lost with the records."""

    async def consume(
        self,
        group: str,
        topics: Sequence[str],
        react: React,
        stop: asyncio.Event,
        database: Database,
        *,
        gather_s: float = 0.0,
    ) -> None:
        partitions = [(self.stream(topic, index), topic) for topic in topics for index in range(PARTITIONS)]
        consumer = GroupConsumer(self._redis, self._shards, group, partitions, self.ensure_group, react, gather_s)
        await consumer.run(stop)

    async def bury(self, group: str, record: Record, cause: str) -> None:
        fields = {**_fields(record), "group": group, "cause": cause[:2_000], "topic": record.topic}
        await self._redis.commands.xadd(self._dead_key, fields, maxlen=LONGEST_DEAD_LETTERS, approximate=True)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        return [_dead_letter(entry) for entry in await self._redis.commands.xrange(self._dead_key, count=limit)]

    async def count_dead_letters(self) -> int:
        return int(await self._redis.commands.xlen(self._dead_key))

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
        uncounted: list[tuple[str, str]] = []
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for topic, stream, groups in await self._groups():
                for group in groups:
                    key = (topic, group["name"].decode())
                    found[key] = found.get(key, 0) + group["pending"] + (group["lag"] or 0)
                    if group["lag"] is None:  # the server does not know the lag
                        uncounted.append(key)
                        await self._count_unread.add_to(pipe, [stream], [group["last-delivered-id"], MOST_COUNTED])
            for key, unread in zip(uncounted, await pipe.execute(), strict=True):
                found[key] += unread
        return [Lag(topic, group, records) for (topic, group), records in sorted(found.items())]

    async def trim(self) -> None:
        oldest_kept = f"{time.time_ns() // 1_000_000 - KEEP_READ_MS}-0"
        for _, stream, groups in await self._groups():
            is_long = await self._redis.commands.xlen(stream) > LONGEST_WITH_READ
            await self._trim_read(stream, groups, *(() if is_long else (oldest_kept,)))

    async def _length_of_unread(self, stream: str) -> int:
        """The length of the stream without records that all groups have read: these are deleted."""
        await self._trim_read(stream, await self._redis.commands.xinfo_groups(stream))
        length: int = await self._redis.commands.xlen(stream)
        return length

    async def _trim_read(self, stream: str, groups: Sequence[Any], *kept: str) -> None:
        """Delete records before the ids `kept` that all of the groups have read."""
        places = [await self._place(stream, group) for group in groups]
        if places:
            bound = min([*places, *kept], key=place_of)
            await self._redis.commands.xtrim(stream, minid=bound, approximate=True)

    async def tail(self, topic: str) -> AsyncIterator[tuple[LogPlace, Record]]:
        streams = {self.stream(topic, index): index for index in range(PARTITIONS)}
        ends: dict[str, bytes | str] = dict.fromkeys(streams, "$")
        while True:
            for stream, entries in await self._redis.blocking.xread(ends, block=_POLL_MS) or ():
                for entry_id, fields in entries:
                    yield LogPlace(streams[stream.decode()], entry_id.decode()), read_record(topic, fields)
                    ends[stream.decode()] = entry_id

    async def rewind(self, group: str, topic: str, to: datetime | LogPlace, database: Database) -> int:
        if isinstance(to, LogPlace):
            places = {to.partition: to.position}
        else:
            places = dict.fromkeys(range(PARTITIONS), f"{int(to.timestamp() * 1_000)}-0")
        moved = 0
        for index, place in places.items():
            try:
                await self._redis.commands.xgroup_setid(self.stream(topic, index), group, _before(place))
            except ResponseError:  # there is no such group
                continue
            moved += 1
        if not moved:
            raise LookupError(f"the group {group} has never read {topic}")
        return moved

    async def forget(self, group: str) -> int:
        streams = [
            stream for _, stream, groups in await self._groups() if group.encode() in (g["name"] for g in groups)
        ]
        for stream in streams:
            await self._redis.commands.xgroup_destroy(stream, group)
        if not streams:
            raise LookupError(f"no topic has been read by a group {group}")
        return len(streams)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        """Nothing: its connections are Redis'."""

    async def ensure_group(self, stream: str, group: str) -> None:
        """Create the group if it is missing. It starts at the oldest record that the stream still holds."""
        try:
            await self._redis.commands.xgroup_create(stream, group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def stream(self, topic: str, index: int) -> str:
        return self._redis.key("log", topic, index)

    async def _topics(self) -> list[str]:
        return sorted(topic.decode() for topic in await self._redis.commands.smembers(self._topics_key))

    async def _groups(self) -> list[tuple[str, str, list[Any]]]:
        """Topic, name and groups (as Redis reports them) of each stream."""
        streams = [(topic, self.stream(topic, index)) for topic in await self._topics() for index in range(PARTITIONS)]
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            for _, stream in streams:
                pipe.xinfo_groups(stream)
            answers = await pipe.execute(raise_on_error=False)
        found = []
        for (topic, stream), groups in zip(streams, answers, strict=True):
            if isinstance(groups, ResponseError):  # there is no such stream yet
                continue
            found.append((topic, stream, groups))
        return found

    async def _place(self, stream: str, group: Any) -> str:
        """The id of the last record up to which the group has handled everything."""
        place: str = group["last-delivered-id"].decode()
        if not group["pending"]:
            return place
        pending = await self._redis.commands.xpending(stream, group["name"])
        return min(place, pending["min"].decode(), key=place_of) if pending["pending"] else place

    @property
    def _topics_key(self) -> str:
        return self._redis.key("log-topics")

    @property
    def _batch_key(self) -> str:
        return self._redis.key("log-batch")

    @property
    def _batch_events_key(self) -> str:
        return self._redis.key("log-batch-events")

    @property
    def _dead_key(self) -> str:
        return self._redis.key("dead-letters")


def _fields(record: Record) -> dict[Any, Any]:
    fields: dict[Any, Any] = {"id": record.event_id, "key": record.key, "payload": record.payload}
    return {**fields, "trace": record.trace} if record.trace else fields


def _dead_letter(entry: tuple[bytes, dict[bytes, bytes]]) -> DeadLetter:
    entry_id, fields = entry
    record = read_record(fields[b"topic"].decode(), fields)
    return DeadLetter(entry_id.decode(), fields[b"group"].decode(), fields[b"cause"].decode(), record)


def _before(entry_id: str) -> str:
    """The greatest id before that one: groups continue after an id."""
    milliseconds, sequence = place_of(entry_id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else "0"
