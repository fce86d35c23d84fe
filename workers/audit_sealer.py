"""The sealer: chains new audit rows by their hashes, in one order for all processes."""

import asyncio

from prometheus_client import Counter

from storage import audit_chain
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 1.0
BATCH = 1_000  # rows

SEALED = Counter("daira_audit_sealed_total", "Audit rows that were added to the chain")


async def seal_audit(tools: Tools, stop: asyncio.Event) -> None:
    """Seal new audit rows, until `stop` is set."""

    async def turn() -> bool:
        async with tools.database.transaction() as tx:
            sealed = await audit_chain.seal(tx, BATCH)
        SEALED.inc(sealed)
        return sealed == BATCH

    await run_polling("sealer", turn, POLL_S, stop)
