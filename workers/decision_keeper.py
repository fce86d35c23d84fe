"""The keeper of decisions: ends expired ones, so that suspensions and restrictions end by themselves."""

import asyncio

from prometheus_client import Counter

from storage import decisions
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 1.0
BATCH = 100  # decisions in one transaction

EXPIRED = Counter("daira_decisions_expired_total", "Decisions that ended because their time was over")


async def keep_decisions(tools: Tools, stop: asyncio.Event) -> None:
    """End decisions that are over, until `stop` is set."""

    async def turn() -> bool:
        async with tools.database.transaction() as tx:
            ended = await decisions.expire(tx, BATCH)
        if ended:
            EXPIRED.inc(ended)
            tools.outbox.wake_relay()
        return ended == BATCH

    await run_polling("decisions-keeper", turn, POLL_S, stop)
