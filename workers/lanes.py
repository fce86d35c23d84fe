"""Lanes: how many reactions of each priority run in a process at once.

Urgent reactions never wait for one another. All others together leave connections of the database to them.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Histogram

from protocol.events import Lane

SLOTS: dict[Lane, int] = {"normal": 12, "bulk": 2}

WAIT_SECONDS = Histogram(
    "daira_lane_wait_seconds", "Time that reactions wait for a place in their lane", ["lane"],
    buckets=(0.001, 0.01, 0.1, 1, 10, 60),
)  # fmt: skip


class Lanes:
    def __init__(self) -> None:
        self._slots = {lane: asyncio.Semaphore(slots) for lane, slots in SLOTS.items()}

    @asynccontextmanager
    async def place(self, lane: Lane) -> AsyncIterator[None]:
        """Hold a place in the lane; wait for one if all are taken."""
        slots = self._slots.get(lane)
        if slots is None:
            yield
            return
        began = time.monotonic()
        async with slots:
            WAIT_SECONDS.labels(lane).observe(time.monotonic() - began)
            yield
