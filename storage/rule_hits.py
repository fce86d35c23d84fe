"""The log of what rules hit: batches, off the path of calls. What was refused is in no other table."""

import asyncio
from collections import deque
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from storage.database import Database
from storage.reach import OUT_OF_REACH
from storage.snowflakes import MintingStopped, Snowflakes

MOST_WAITING = 10_000
FLUSH_EVERY_S = 1.0

DROPPED = Counter("daira_rule_hits_dropped_total", "Hits of rules that were not logged, because too many waited")

log = structlog.get_logger()


class Hit(NamedTuple):
    """outcome: of all rules together. target_id: None for what was refused."""

    rule_id: int
    version: int
    surface: str
    outcome: str
    user_id: int
    target_id: int | None


class RuleHits:
    def __init__(self, database: Database, ids: Snowflakes) -> None:
        self._database = database
        self._ids = ids
        self._waiting: deque[Hit] = deque()

    def note(self, hit: Hit) -> None:
        """Log a hit soon. If too many wait, it is dropped."""
        if len(self._waiting) >= MOST_WAITING:
            DROPPED.inc()
            return
        self._waiting.append(hit)

    async def keep_writing(self) -> None:
        """Write what waits, again and again, forever."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. What cannot be written is lost."""
        hits = list(self._waiting)
        self._waiting.clear()
        if not hits:
            return
        columns = [list(column) for column in zip(*hits, strict=True)]
        try:
            ids = [self._ids.mint() for _ in hits]
            await self._database.fetch("SELECT log_rule_hits($1, $2, $3, $4, $5, $6, $7)", ids, *columns)
        except (*OUT_OF_REACH, MintingStopped) as error:
            log.warning("hits of rules are not logged", error=str(error))
