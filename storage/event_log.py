"""The event log: what happened, in order per key, read by any number of worker groups.

A topic is 8 partitions, by the hash of the event's key. Records reach a group at least once: a reaction must bear
repetition. One leased consumer reads a partition at a time, in order, and a record holds up its partition until the
reaction returns.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

PARTITIONS = 8


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

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        """Append all and remember the batch number, in one step. Answers the one remembered before. Raises LogFull."""

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


def partition(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS
