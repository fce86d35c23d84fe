"""The keeper of what rules remember: deletes fingerprints of texts after 24 hours, and hits of rules after 30 days."""

import asyncio

from storage import rule_inputs
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 60.0


async def keep_texts(tools: Tools, stop: asyncio.Event) -> None:
    """Until `stop` is set."""

    async def turn() -> bool:
        async with tools.database.transaction() as tx:
            return await rule_inputs.forget(tx)

    await run_polling("texts-keeper", turn, POLL_S, stop)
