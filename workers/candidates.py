"""Keeps what candidates for feeds are chosen from: posts to explore, and vectors of new posts.

Several processes may run it; locks let one work at a time.
"""

import asyncio
import time

from prometheus_client import Counter, Gauge

from storage import candidates, embeddings, exposures
from storage.snowflakes import EPOCH_MS
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 30.0
OVERLAP_S = 60.0  # engagements become visible out of the order of their ids
MOST_FRESHENED = 1_000  # posts in a turn: 2 to 3 s of PostgreSQL's CPU
CHOOSE_EVERY_S = 300.0
FORGOTTEN = 5_000  # vectors of each kind in a turn
DROP_EVERY_S = 86_400.0

TO_EXPLORE = Gauge("daira_posts_to_explore", "Posts that explorations are drawn from", multiprocess_mode="max")
OVERFLOWED = Counter(
    "daira_vectors_overflowed_total", "Turns in which more posts needed a vector than one turn gives: the oldest wait"
)


async def keep_candidates(tools: Tools, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    await run_polling("candidates", CandidateKeeper(tools).turn, POLL_S, stop)


class CandidateKeeper:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._freshened_to = time.time() - CHOOSE_EVERY_S
        self._choose_at = 0.0
        self._drop_at = 0.0

    async def turn(self) -> bool:
        """Returns whether there is more to forget."""
        now = time.time()
        if time.monotonic() >= self._choose_at:
            async with self._tools.database.transaction() as tx:
                TO_EXPLORE.set(await candidates.choose_to_explore(tx))
            self._choose_at = time.monotonic() + CHOOSE_EVERY_S
        async with self._tools.database.transaction() as tx:
            since = (int((self._freshened_to - OVERLAP_S) * 1_000) - EPOCH_MS) << 22
            if await embeddings.freshen_posts(tx, since, MOST_FRESHENED) == MOST_FRESHENED:
                OVERFLOWED.inc()
        self._freshened_to = now
        if time.monotonic() >= self._drop_at:
            async with self._tools.database.transaction() as tx:
                await exposures.drop_old(tx)
            self._drop_at = time.monotonic() + DROP_EVERY_S
        async with self._tools.database.transaction() as tx:
            return await embeddings.forget(tx, FORGOTTEN) >= FORGOTTEN
