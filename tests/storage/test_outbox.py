"""Commits wake the relay."""

import asyncio

from storage.outbox import Outbox
from tests.patience import WAIT_S


class SlowDatabase:
    """Counts NOTIFYs, each of which waits to be let go."""

    def __init__(self) -> None:
        self.notified = 0
        self.may_end = asyncio.Event()

    async def notify(self, channel: str) -> None:
        self.notified += 1
        await self.may_end.wait()

    async def has_notified(self, times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.notified < times:
                await asyncio.sleep(0)


async def test_a_commit_during_a_wake_up_wakes_the_relay_again():
    database = SlowDatabase()
    outbox = Outbox(database, None)
    outbox.wake_relay()
    await database.has_notified(1)
    outbox.wake_relay()
    outbox.wake_relay()
    database.may_end.set()
    await database.has_notified(2)
    await outbox.close()
    assert database.notified == 2
