"""The log of what ranked feeds have shown, for the evaluation of ranking: batches, off the path of calls."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from storage.database import Database, Transaction
from storage.reach import OUT_OF_REACH
from storage.snowflakes import MintingStopped, Snowflakes

WHOLE_PAGES = 0.01  # the part of pages that is logged whole; explorations always are
MOST_WAITING = 10_000  # posts
FLUSH_EVERY_S = 2.0

DROPPED = Counter("daira_exposures_dropped_total", "Posts shown by feeds that were not logged, because too many waited")

log = structlog.get_logger()


class Exposure(NamedTuple):
    """A post that a feed has shown. place: in the feed, from 0. propensity: see `Candidacy`."""

    post_id: int
    place: int
    source: str
    propensity: float | None


class Exposures:
    def __init__(self, database: Database, ids: Snowflakes, whole_pages: float = WHOLE_PAGES) -> None:
        self._database = database
        self._ids = ids
        self._whole_pages = whole_pages
        self._waiting: deque[tuple[int, bool, Exposure]] = deque()

    def note(self, user_id: int, page: Sequence[Exposure]) -> None:
        """Log a page that the user gets, or only its explorations. If too many posts wait, it is dropped."""
        is_whole = random.random() < self._whole_pages
        logged = [each for each in page if is_whole or each.propensity is not None]
        if len(self._waiting) + len(logged) > MOST_WAITING:
            DROPPED.inc(len(logged))
            return
        self._waiting.extend((user_id, is_whole, each) for each in logged)

    async def keep_writing(self) -> None:
        """Write what waits, again and again, forever."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. What cannot be written is lost."""
        try:
            await self._write()
        except (*OUT_OF_REACH, MintingStopped) as error:
            log.warning("what feeds showed is not logged", error=str(error))

    async def _write(self) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        if not waiting:
            return
        shown = [exposure for *_, exposure in waiting]
        await self._database.fetch(
            "SELECT log_exposures($1, $2, $3, $4, $5, $6, $7)",
            [self._ids.mint() for _ in waiting],
            [user_id for user_id, *_ in waiting],
            [each.post_id for each in shown],
            [each.place for each in shown],
            [each.source for each in shown],
            [each.propensity for each in shown],
            [is_whole for _, is_whole, _ in waiting],
        )


async def drop_old(tx: Transaction) -> None:
    """Drop what was logged in months before the last one. For workers."""
    await tx.execute("SELECT drop_old_exposures()")
