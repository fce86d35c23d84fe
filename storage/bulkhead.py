"""Bounds the requests to one dependency, so that a slow one cannot take everything: few run, some wait, others fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.metrics import BULKHEAD_REFUSED


class BulkheadFull(Exception):
    """Too many requests run and wait."""


class Bulkhead:
    def __init__(self, dependency: str, *, most: int, most_waiting: int) -> None:
        self._dependency = dependency
        self._places = asyncio.Semaphore(most)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it within the context. Raises BulkheadFull."""
        if self._places.locked() and self._waiting >= self._most_waiting:
            BULKHEAD_REFUSED.labels(self._dependency).inc()
            raise BulkheadFull(f"too many requests to {self._dependency} wait")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
