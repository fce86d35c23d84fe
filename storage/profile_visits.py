"""Visits of profiles: a node collects them and writes them in batches, off the path of calls."""

from collections.abc import Sequence

from prometheus_client import Counter

from storage.database import Database
from storage.write_behind import WriteBehind

FLUSH_EVERY_S = 2.0

DROPPED = Counter("daira_profile_visits_dropped_total", "Visits of profiles that were not counted: too many waited")


class ProfileVisits(WriteBehind[tuple[int, int]]):
    def __init__(self, database: Database) -> None:
        super().__init__("visits of profiles", FLUSH_EVERY_S, DROPPED)
        self._database = database
        self._noted: set[tuple[int, int]] = set()  # of those that wait

    def note(self, visitor_id: int, visited_id: int) -> None:
        """Count a visit; of the same two users, one each two seconds."""
        visit = visitor_id, visited_id
        if visitor_id != visited_id and visit not in self._noted and self._leave([visit]):
            self._noted.add(visit)

    async def _write(self, rows: Sequence[tuple[int, int]]) -> None:
        self._noted.clear()
        await self._database.fetch(
            "SELECT note_visits($1, $2)", [visitor for visitor, _ in rows], [visited for _, visited in rows]
        )
