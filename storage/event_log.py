"""The event log: events in order per key, which any number of worker groups read.

A topic has partitions, by the hash of the event's key. A group gets each record at least once, so reactions must be
safe to repeat. One consumer at a time has the lease of a partition. It reads records in order, and the next one waits
until the reaction returns.

There are two engines, proved by the same tests: Redis Streams (`redis_streams`) and Kafka (`kafka_log`).
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from storage.database import Database, Transaction

PARTITIONS = 8


class Record(NamedTuple):
    """trace: the W3C `traceparent` of the call that caused the event; empty if it is not traced."""

    event_id: int
    topic: str
    key: str
    payload: bytes
    trace: str = ""


class Batch:
    """Records of one partition, in order. handled: how many of them its reactions have finished with."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = records
        self.handled = 0

    async def advance(self, tx: Transaction, handled: int) -> None:
        """Store, as part of `tx`, that the group has handled the first `handled` records of the batch.

        Kafka's positions are in PostgreSQL, so what commits is never read again. Redis keeps the positions of its
        streams itself: there, this does nothing. Raises PartitionTaken.
        """


class Appended(NamedTuple):
    """The last batch that the log holds, and the events in it."""

    batch: int
    event_ids: list[int]


class LogPlace(NamedTuple):
    """Where a record is in its topic. position: an offset of Kafka, or the id of an entry of a stream."""

    partition: int
    position: str


class DeadLetter(NamedTuple):
    """A record whose reaction failed too often, with the cause."""

    id: str
    group: str
    cause: str
    record: Record


class Lag(NamedTuple):
    topic: str
    group: str
    records: int


React = Callable[[Batch], Awaitable[None]]


class LogFull(Exception):
    """A partition of each of these topics is full. Nothing was appended, nor can be until its groups have read more."""

    def __init__(self, topics: set[str]) -> None:
        super().__init__(f"a partition is full of records that a group has not read: {', '.join(sorted(topics))}")
        self.topics = topics


class EventLogUnavailable(Exception):
    """The event log does not answer, or lacks a topic."""


class PartitionTaken(Exception):
    """Another process has taken the partition over, so what this one does for it must be rolled back."""


class EventLog(Protocol):
    """The interface of an event log. All methods may raise EventLogUnavailable or RedisError."""

    async def take_turn(self) -> bool:
        """Whether this process is the one that appends. Another takes over 5 s after it has died."""

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        """Atomically append all records and store the batch. Returns the previous number. Raises LogFull.

        After an error, only `last_append` knows whether the records were appended.
        """

    async def last_append(self) -> Appended:
        """The stored batch. Its number is lower than the last appended one if the log has lost its end."""

    async def forget_positions(self, tx: Transaction) -> None:
        """Call it when the log may have lost its end: groups whose position is behind that end go back to it."""

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
        """Call `react` with batches of one partition each, in order, until `stop` is set; then finish running ones.

        gather_s: the least time between the beginnings of two batches of a partition, in seconds, if the first one is
        not full. More records gather meanwhile.
        """

    async def bury(self, group: str, record: Record, cause: str) -> None:
        """Store a record that keeps failing as a dead letter."""

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Oldest first."""

    async def count_dead_letters(self) -> int: ...

    async def replay(self, ids: Sequence[str] | None) -> int:
        """Append these dead letters (None: all) to their topics again, and delete them. Returns how many."""

    async def lags(self) -> list[Lag]: ...

    async def trim(self) -> None:
        """Delete records that all groups have read, unless the log itself deletes records by their age."""

    def tail(self, topic: str) -> AsyncIterator[tuple[LogPlace, Record]]:
        """Records as they are appended from now on, endlessly."""

    async def rewind(self, group: str, topic: str, to: datetime | LogPlace, database: Database) -> int:
        """Let the group read the topic again from that time, or one partition from that place.

        Returns the number of partitions. Running workers follow within seconds. Raises LookupError if the group has
        never read the topic.
        """

    async def forget(self, group: str) -> int:
        """Delete the positions of a group that has no workers any more: records need not wait for it.

        Returns the number of partitions. Raises LookupError if the log has no such group, or forgets it by itself.
        """

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


def partition(key: str, partitions: int = PARTITIONS) -> int:
    return zlib.crc32(key.encode()) % partitions
