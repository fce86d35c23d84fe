"""Erasing accounts whose grace period has ended: rows in bounded steps, words of search, keys of Redis.

Objects in the bucket and documents of search follow the rows, by events that are written with each step. A worker that
dies loses its claim after five minutes; the next one goes on at the step where it was. Events in the log name users by
ids alone, and are gone after the retention of the log.
"""

import asyncio
from functools import partial

import structlog
from prometheus_client import Counter

from storage import deletions
from storage.deletions import ClaimedErasure
from storage.personal_data_sql import steps
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 30.0
BATCH = 200  # rows of a transaction
STEPS = steps()

ERASURES = Counter("daira_erasures_total", "Accounts that were erased")
ERASED_ROWS = Counter("daira_erased_rows_total", "Rows that erasures deleted or blanked", ["step"])

log = structlog.get_logger()


async def erase_accounts(tools: Tools, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""

    await run_polling("erasures", partial(erase_next, tools, stop), POLL_S, stop)


async def erase_next(tools: Tools, stop: asyncio.Event) -> bool:
    """Erase an account that is due. Returns False if there is none, or if `stop` was set before the end."""
    async with tools.database.transaction() as tx:
        claim = await deletions.claim(tx)
    return claim is not None and await _erase(tools, claim, stop)


async def _erase(tools: Tools, claim: ClaimedErasure, stop: asyncio.Event) -> bool:
    """Do the steps that are left. Returns False if `stop` was set before the end. Safe to repeat."""
    # A step that newer code has renamed: from the beginning, where steps that are done cost a query.
    first = STEPS.index(claim.at_step) if claim.at_step in STEPS else 0
    since = claim.since if claim.at_step in STEPS else 0
    for step in STEPS[first:]:
        if step == "search_uses":
            await _forget_words(tools, claim.user_id)
        elif step == "users":
            async with tools.database.transaction() as tx:
                await deletions.reserve_username(tx, claim.user_id, tools.username_reservation)
        while since is not None:
            if stop.is_set():
                return False
            async with tools.database.transaction() as tx:
                erased, since = await deletions.erase_step(tx, claim.user_id, step, since, BATCH)
            ERASED_ROWS.labels(step).inc(erased)
        since = 0
    await tools.user_keys.forget(claim.user_id)
    async with tools.database.transaction() as tx:
        is_done = await deletions.finish(tx, claim.user_id)
    tools.outbox.wake_relay()
    if is_done:
        ERASURES.inc()
        log.info("an account was erased", user_id=claim.user_id)
    return True


async def _forget_words(tools: Tools, user_id: int) -> None:
    """Remove hashtags and words that only this user has used from search, before their rows are deleted."""
    above = -(2**63)
    while True:
        async with tools.database.transaction() as tx:
            ids = await deletions.sole_search_uses(tx, user_id, above, BATCH)
        if not ids:
            return
        await tools.search.remove("hashtag", ids)
        await tools.search.remove("word", ids)
        above = ids[-1]
