"""Visits of profiles: a node collects them and writes them in batches, off the path of calls."""

import asyncio

import structlog
from prometheus_client import Counter

from storage.database import Database
from storage.reach import OUT_OF_REACH

MOST_WAITING = 10_000
FLUSH_EVERY_S = 2.0

DROPPED = Counter("daira_profile_visits_dropped_total", "Visits of profiles that were not counted: too many waited")

log = structlog.get_logger()


class ProfileVisits:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[tuple[int, int], None] = {}

    def note(self, visitor_id: int, visited_id: int) -> None:
        """Count a visit; of the same two users, one each two seconds."""
        if visitor_id == visited_id or (visitor_id, visited_id) in self._waiting:
            return
        if len(self._waiting) >= MOST_WAITING:
            DROPPED.inc()
            return
        self._waiting[visitor_id, visited_id] = None

    async def keep_writing(self) -> None:
        """Write what waits, again and again, forever."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. What cannot be written is lost."""
        waiting = list(self._waiting)
        self._waiting.clear()
        if not waiting:
            return
        try:
            await self._database.fetch(
                "SELECT note_visits($1, $2)", [visitor for visitor, _ in waiting], [visited for _, visited in waiting]
            )
        except OUT_OF_REACH as error:
            log.warning("visits of profiles are not counted", error=str(error))
