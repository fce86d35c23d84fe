"""A consumer of the event log that records what it gets."""

import asyncio

from storage.database import Database
from storage.event_log import Batch, EventLog, Record
from tests.patience import WAIT_S

TOPIC = "t"


def records(keys: int, each: int) -> list[Record]:
    return [
        Record(number * keys + key + 1, TOPIC, f"key{key}", b"payload") for number in range(each) for key in range(keys)
    ]


class Reader:
    """Consumes until told to stop, and records what it gets."""

    def __init__(self, event_log: EventLog, group: str, database: Database, fail_at: int | None = None) -> None:
        self.seen: list[Record] = []
        self.stop = asyncio.Event()
        self.news = asyncio.Condition()
        self._fail_at = fail_at
        self.task = asyncio.create_task(event_log.consume(group, [TOPIC], self.react, self.stop, database))

    async def react(self, batch: Batch) -> None:
        for record in batch.records:
            if self._fail_at is not None and len(self.seen) >= self._fail_at:
                raise RuntimeError("killed in the middle")
            async with self.news:
                self.seen.append(record)
                self.news.notify_all()

    async def until(self, amount: int) -> None:
        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(lambda: len({record.event_id for record in self.seen}) >= amount)

    async def end(self) -> None:
        self.stop.set()
        await self.task


def in_order(seen: list[Record]) -> bool:
    """Return the records by key, without repetitions."""
    newest: dict[str, int] = {}
    first = {}
    for record in seen:
        if record.event_id in first:
            continue
        first[record.event_id] = True
        if newest.get(record.key, 0) > record.event_id:
            return False
        newest[record.key] = record.event_id
    return True
