"""Recommendations, which processes share for some minutes, and visits of profiles, which a node keeps: with a bound."""

import asyncio
from typing import cast

import pytest

from storage import profile_visits, recommendations, write_behind
from storage.candidates import Candidacy
from storage.database import Database, Transaction
from storage.profile_visits import ProfileVisits
from storage.recommendations import KEPT_S, Recommendations
from storage.redis import RedisError
from storage.shards import Shards

NO_TRANSACTION = cast("Transaction", None)


class Sources:
    """Stand for the sources of candidates: they note for whom they were asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.faults: list[Exception] = []

    async def __call__(self, tx: Transaction, viewer_id: int, amount: int) -> list[Candidacy]:
        self.asked.append(viewer_id)
        await self.may_finish.wait()
        if self.faults:
            raise self.faults.pop()
        return [Candidacy(viewer_id * 10, "trend", None), Candidacy(viewer_id * 10 + 1, "exploration", 0.25)]


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    found = Sources()
    monkeypatch.setattr(recommendations, "beyond_inbox", found)
    return found


async def test_processes_share_recommendations_until_they_expire_or_are_forgotten(shards: Shards, sources: Sources):
    one, other = Recommendations(shards), Recommendations(shards)
    expected = await one.of(NO_TRANSACTION, 1)
    assert [*expected] == [10, 11]
    assert await other.of(NO_TRANSACTION, 1) == expected
    assert sources.asked == [1]
    shard, key = one._place(1)
    assert 0 < await shards.call(shard, "TTL", key) <= KEPT_S
    await other.forget(1)
    await one.of(NO_TRANSACTION, 1)
    await one.of(NO_TRANSACTION, 2)
    assert sources.asked == [1, 1, 2]


async def test_calls_of_a_viewer_at_once_ask_the_sources_once(shards: Shards, sources: Sources):
    kept = Recommendations(shards)
    sources.may_finish.clear()
    calls = [asyncio.create_task(kept.of(NO_TRANSACTION, 1)) for _ in range(9)]
    async with asyncio.timeout(10):
        while not sources.asked:
            await asyncio.sleep(0)
    sources.faults.append(LookupError())
    sources.may_finish.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    # The first one fails, and one of those that wait asks again.
    assert isinstance(answers[0], LookupError)
    assert [[*each] for each in answers[1:] if isinstance(each, dict)] == [[10, 11]] * 8
    assert sources.asked == [1, 1]


async def test_without_redis_the_sources_are_asked(shards: Shards, sources: Sources, monkeypatch: pytest.MonkeyPatch):
    def fail(*command: object) -> asyncio.Future[None]:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.set_exception(RedisError("down"))
        return answer

    monkeypatch.setattr(shards, "call", fail)
    kept = Recommendations(shards)
    for _ in range(2):
        assert [*await kept.of(NO_TRANSACTION, 1)] == [10, 11]
    assert sources.asked == [1, 1]


def test_visits_are_counted_once_until_they_are_written_and_too_many_are_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(write_behind, "MOST_WAITING", 2)
    visits = ProfileVisits(cast("Database", None))
    before = profile_visits.DROPPED._value.get()
    for visited in (1, 2, 2, 3):  # the first one is the visitor
        visits.note(1, visited)
    assert profile_visits.DROPPED._value.get() == before
    visits.note(1, 4)
    assert profile_visits.DROPPED._value.get() == before + 1
