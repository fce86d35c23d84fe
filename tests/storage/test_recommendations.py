"""Recommendations and visits of profiles, as a node keeps them in memory: each has a bound."""

from typing import cast

import pytest

from storage import profile_visits, recommendations
from storage.candidates import Candidacy
from storage.database import Database, Transaction
from storage.profile_visits import ProfileVisits
from storage.recommendations import KEPT_S, Recommendations

NO_TRANSACTION = cast("Transaction", None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The viewers whom the sources were asked for."""
    viewers: list[int] = []

    async def beyond_inbox(tx: Transaction, viewer_id: int, amount: int) -> list[Candidacy]:
        viewers.append(viewer_id)
        return [Candidacy(viewer_id * 10, "trend", None)]

    monkeypatch.setattr(recommendations, "beyond_inbox", beyond_inbox)
    return viewers


async def test_recommendations_are_kept_for_a_minute(asked: list[int]):
    clock = Clock()
    kept = Recommendations(clock)
    for _ in range(3):
        assert [*await kept.of(NO_TRANSACTION, 1)] == [10]
    assert asked == [1]
    clock.now += KEPT_S
    await kept.of(NO_TRANSACTION, 1)
    kept.forget(1)
    await kept.of(NO_TRANSACTION, 1)
    assert asked == [1, 1, 1]


async def test_the_oldest_recommendations_make_room(asked: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recommendations, "MOST_VIEWERS", 2)
    kept = Recommendations(Clock())
    before = recommendations.EVICTED._value.get()
    for viewer in (1, 2, 3, 3, 2, 1):
        await kept.of(NO_TRANSACTION, viewer)
    assert asked == [1, 2, 3, 1]
    assert recommendations.EVICTED._value.get() == before + 2


def test_visits_are_counted_once_until_they_are_written_and_too_many_are_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profile_visits, "MOST_WAITING", 2)
    visits = ProfileVisits(cast("Database", None))
    before = profile_visits.DROPPED._value.get()
    for visited in (1, 2, 2, 3):  # the first one is the visitor
        visits.note(1, visited)
    assert profile_visits.DROPPED._value.get() == before
    visits.note(1, 4)
    assert profile_visits.DROPPED._value.get() == before + 1
