"""The log of what ranked feeds have shown, for the evaluation of ranking: batches, off the path of calls."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import Counter

from storage.database import Database, Transaction
from storage.snowflakes import Snowflakes
from storage.write_behind import WriteBehind

WHOLE_PAGES = 0.01  # the part of pages that is logged whole; explorations always are
FLUSH_EVERY_S = 2.0

DROPPED = Counter("daira_exposures_dropped_total", "Posts shown by feeds that were not logged, because too many waited")


class Exposure(NamedTuple):
    """A post that a feed has shown. place: in the feed, from 0. propensity: see `Candidacy`."""

    post_id: int
    place: int
    source: str
    propensity: float | None


class Exposures(WriteBehind[tuple[int, bool, Exposure]]):
    def __init__(self, database: Database, ids: Snowflakes, whole_pages: float = WHOLE_PAGES) -> None:
        super().__init__("posts shown by feeds", FLUSH_EVERY_S, DROPPED)
        self._database = database
        self._ids = ids
        self._whole_pages = whole_pages

    def note(self, user_id: int, page: Sequence[Exposure]) -> None:
        """Log a page that the user gets, or only its explorations. If too many posts wait, it is dropped."""
        is_whole = random.random() < self._whole_pages
        self._leave([(user_id, is_whole, each) for each in page if is_whole or each.propensity is not None])

    async def _write(self, rows: Sequence[tuple[int, bool, Exposure]]) -> None:
        shown = [exposure for *_, exposure in rows]
        await self._database.fetch(
            "SELECT log_exposures($1, $2, $3, $4, $5, $6, $7)",
            [self._ids.mint() for _ in rows],
            [user_id for user_id, *_ in rows],
            [each.post_id for each in shown],
            [each.place for each in shown],
            [each.source for each in shown],
            [each.propensity for each in shown],
            [is_whole for _, is_whole, _ in rows],
        )


async def drop_old(tx: Transaction) -> None:
    """Drop what was logged in months before the last one. For workers."""
    await tx.execute("SELECT drop_old_exposures()")
