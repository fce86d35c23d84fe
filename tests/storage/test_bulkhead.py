"""How many requests to one dependency run and wait."""

import asyncio

import pytest

from storage.bulkhead import Bulkhead, BulkheadFull
from storage.metrics import BULKHEAD_REFUSED


async def test_some_run_some_wait_and_others_are_refused_at_once():
    bulkhead, may_end, running = Bulkhead("test", most=2, most_waiting=3), asyncio.Event(), []

    async def request(number: int) -> None:
        async with bulkhead.place():
            running.append(number)
            await may_end.wait()

    refused = BULKHEAD_REFUSED.labels("test")._value.get()
    tasks = [asyncio.create_task(request(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert running == [0, 1]
    with pytest.raises(BulkheadFull, match="test"):
        await request(5)
    assert BULKHEAD_REFUSED.labels("test")._value.get() == refused + 1
    tasks[2].cancel()  # one that waits gives its place to another
    await asyncio.wait([tasks[2]])
    tasks.append(asyncio.create_task(request(6)))
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert running == [0, 1, 3, 4, 6]
    await request(7)
