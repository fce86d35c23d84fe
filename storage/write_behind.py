"""Rows that calls leave behind: a process collects them and writes them in batches, off the path of calls."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter

from storage.reach import OUT_OF_REACH
from storage.snowflakes import MintingStopped

MOST_WAITING = 10_000

Row = TypeVar("Row")

log = structlog.get_logger()


class WriteBehind(ABC, Generic[Row]):
    """If too many rows wait, further ones are dropped. Rows that cannot be written are lost."""

    def __init__(self, what: str, every_s: float, dropped: Counter) -> None:
        """what: names the rows in the log."""
        self._what = what
        self._every_s = every_s
        self._dropped = dropped
        self._waiting: list[Row] = []

    def _leave(self, rows: Sequence[Row]) -> bool:
        """Write all of them soon, or drop all of them: then it returns False."""
        if len(self._waiting) + len(rows) > MOST_WAITING:
            self._dropped.inc(len(rows))
            return False
        self._waiting.extend(rows)
        return True

    async def keep_writing(self) -> None:
        """Write what waits, again and again, forever."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        try:
            await self._write(rows)
        except (*OUT_OF_REACH, MintingStopped) as error:
            log.warning("some rows were not written and are lost", rows=self._what, error=str(error))

    @abstractmethod
    async def _write(self, rows: Sequence[Row]) -> None:
        """Write them in one statement."""
