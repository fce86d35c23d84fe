"""Goes through the rows of a user, the newest first, with a transaction for each page."""

from collections.abc import Awaitable, Callable

from protocol.fields import MAX_ID
from storage.database import Transaction
from workers.job import Tools

# Takes the place below which the page begins. Returns where the next page begins, or None at the end.
Page = Callable[[Transaction, int], Awaitable[int | None]]


async def go_through(tools: Tools, page: Page, most: int | None = None) -> bool:
    """Return whether the end was reached within `most` pages. The relay sends the events of each page at once."""
    before, done = MAX_ID, 0
    while most is None or done < most:
        async with tools.database.transaction() as tx:
            following = await page(tx, before)
        tools.outbox.wake_relay()
        if following is None:
            return True
        before, done = following, done + 1
    return False
