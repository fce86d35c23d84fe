"""The event log: events in order per key, which any number of worker groups read.

A topic has 8 partitions, by the hash of the event's key. A group gets each record at least once, so reactions must be
safe to repeat. One consumer at a time has the lease of a partition. It reads records in order, and the next one waits
until the reaction returns.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

PARTITIONS = 8


class Record(NamedTuple):
    """trace: the W3C `traceparent` of the call that caused the event; empty if it is not traced."""

    event_id: int
    topic: str
    key: str
    payload: bytes
    trace: str = ""


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


React = Callable[[Sequence[Record]], Awaitable[None]]


class LogFull(Exception):
    """A partition is full. Nothing can be appended until its groups have read more."""


class EventLog(Protocol):
    """The interface of an event log. The same tests would apply to one on Kafka."""

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        """Atomically append all records and store the batch number. Returns the previous number. Raises LogFull."""

    async def last_batch(self) -> int:
        """The stored batch number; lower than the last appended one if the log has lost its end."""

    async def consume(self, group: str, topics: Sequence[str], react: React, stop: asyncio.Event) -> None:
        """Call `react` with batches of one partition each, in order, until `stop` is set; then finish running ones."""

    async def bury(self, group: str, record: Record, cause: str) -> None:
        """Store a record that keeps failing as a dead letter."""

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Oldest first."""

    async def replay(self, ids: Sequence[str] | None) -> int:
        """Append these dead letters (None: all) to their topics again, and delete them. Returns how many."""

    async def lags(self) -> list[Lag]: ...

    async def trim(self) -> None:
        """Delete records that all groups have read."""


def partition(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS
