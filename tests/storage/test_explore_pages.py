"""Explore pages are computed by one caller at a time, kept for some minutes, and never missing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from storage import explore_pages
from storage.explore import TrendRow
from storage.explore_pages import ExplorePage, ExplorePages
from storage.shards import Shards

PLACE = "cairo"


class Computer:
    """Computes pages, one after the other, each with the number of its computation."""

    def __init__(self) -> None:
        self.computed = 0
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.faults: list[Exception] = []

    async def __call__(self) -> ExplorePage:
        self.computed += 1
        number = self.computed
        await self.may_finish.wait()
        if self.faults:
            raise self.faults.pop()
        return ExplorePage([TrendRow("koshary", "كشري", 20, [0] * 24)], [], [number], [])


@pytest.fixture
def computer() -> Computer:
    return Computer()


async def numbers(*pages: Awaitable[ExplorePage]) -> list[int]:
    return [page.post_ids[0] for page in await asyncio.gather(*pages)]


async def turns(until: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(10):
        while not until():
            await asyncio.sleep(0)


async def test_callers_who_come_at_once_wait_for_one_computation(shards: Shards, computer: Computer):
    pages = ExplorePages(shards, 300)
    computer.may_finish.clear()
    callers = [asyncio.create_task(pages.get(PLACE, computer)) for _ in range(100)]
    await turns(lambda: computer.computed == 1)
    computer.may_finish.set()
    assert await numbers(*callers) == [1] * 100
    assert await numbers(pages.get(PLACE, computer), pages.get("giza", computer)) == [1, 2]


async def test_processes_that_ask_at_once_compute_a_page_once(shards: Shards, computer: Computer):
    nodes = [ExplorePages(shards, 300) for _ in range(3)]
    assert await numbers(*(node.get(PLACE, computer) for node in nodes)) == [1] * 3
    [first, second] = await asyncio.gather(*(node.get(PLACE, computer) for node in nodes[:2]))
    assert first == second
    assert first.trends == [TrendRow("koshary", "كشري", 20, [0] * 24)]


async def test_a_page_expires_in_the_process_and_in_redis(shards: Shards, computer: Computer, monkeypatch):
    pages = ExplorePages(shards, 300)
    assert await numbers(pages.get(PLACE, computer)) == [1]
    shard, key = pages._place(PLACE)
    assert 290_000 < await shards.call(shard, "PTTL", key) <= 300_000
    await shards.call(shard, "DEL", key)  # as after that time
    now = explore_pages.time.time()
    monkeypatch.setattr(explore_pages.time, "time", lambda: now + 299)
    assert await numbers(pages.get(PLACE, computer)) == [1]
    monkeypatch.setattr(explore_pages.time, "time", lambda: now + 301)
    assert await numbers(pages.get(PLACE, computer)) == [2]


async def test_a_computation_that_fails_fails_for_one_caller(shards: Shards, computer: Computer):
    pages = ExplorePages(shards, 300)
    computer.may_finish.clear()
    computer.faults = [RuntimeError("no database")]
    callers = [asyncio.create_task(pages.get(PLACE, computer)) for _ in range(3)]
    await turns(lambda: computer.computed == 1)
    computer.may_finish.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in found] == [RuntimeError, ExplorePage, ExplorePage]
    assert computer.computed == 2


async def test_a_caller_who_goes_away_leaves_the_page_to_the_others(shards: Shards, computer: Computer):
    pages = ExplorePages(shards, 300)
    computer.may_finish.clear()
    callers = [asyncio.create_task(pages.get(PLACE, computer)) for _ in range(2)]
    await turns(lambda: computer.computed == 1)
    callers[0].cancel()
    await turns(lambda: computer.computed == 2)
    computer.may_finish.set()
    assert await numbers(callers[1]) == [2]


async def test_who_waits_too_long_for_another_process_computes_the_page(
    shards: Shards, computer: Computer, monkeypatch
):
    monkeypatch.setattr(explore_pages, "LONGEST_WAIT_S", 0.0)
    pages = ExplorePages(shards, 300)
    shard, key = pages._place(PLACE)
    await shards.call(shard, "SET", f"{key}:lock", "1", "PX", 60_000)
    assert await numbers(pages.get(PLACE, computer)) == [1]


async def test_without_redis_each_process_computes_its_page(shards: Shards, computer: Computer):
    nodes = [ExplorePages(shards, 300) for _ in range(2)]
    await shards.stop()
    assert await numbers(*(node.get(PLACE, computer) for node in (*nodes, *nodes))) == [1, 2, 1, 2]


async def test_a_lifetime_of_0_keeps_nothing(shards: Shards, computer: Computer):
    pages = ExplorePages(shards, 0)
    assert await numbers(pages.get(PLACE, computer)) == [1]
    assert await numbers(pages.get(PLACE, computer)) == [2]
