"""The log of what rules hit: batches, off the path of calls. What was refused is in no other table."""

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import Counter

from storage.database import Database
from storage.snowflakes import Snowflakes
from storage.write_behind import WriteBehind

FLUSH_EVERY_S = 1.0

DROPPED = Counter("daira_rule_hits_dropped_total", "Hits of rules that were not logged, because too many waited")


class Hit(NamedTuple):
    """outcome: of all rules together. target_id: None for what was refused."""

    rule_id: int
    version: int
    surface: str
    outcome: str
    user_id: int
    target_id: int | None


class RuleHits(WriteBehind[Hit]):
    def __init__(self, database: Database, ids: Snowflakes) -> None:
        super().__init__("hits of rules", FLUSH_EVERY_S, DROPPED)
        self._database = database
        self._ids = ids

    def note(self, hit: Hit) -> None:
        """Log a hit soon. If too many wait, it is dropped."""
        self._leave([hit])

    async def _write(self, rows: Sequence[Hit]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        ids = [self._ids.mint() for _ in rows]
        await self._database.fetch("SELECT log_rule_hits($1, $2, $3, $4, $5, $6, $7)", ids, *columns)
