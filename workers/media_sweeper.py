"""The sweeper: deletes files that have expired: uploads that nobody finished, files that nothing uses, failed ones."""

import asyncio

from prometheus_client import Counter

from storage import cases, media
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 30.0
BATCH = 200

SWEPT = Counter("daira_media_swept_total", "Files that were deleted because nobody finished or used them in time")


async def sweep_media(tools: Tools, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""

    async def turn() -> bool:
        async with tools.database.transaction() as tx:
            swept = await media.sweep(tx, BATCH)
            let_go = await cases.let_files_go(tx, BATCH)
        SWEPT.inc(swept)
        return BATCH in (swept, let_go)

    await run_polling("media-sweeper", turn, POLL_S, stop)
