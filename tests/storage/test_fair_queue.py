"""The order in which calls get connections to PostgreSQL."""

import asyncio
from types import SimpleNamespace

import pytest

from protocol.errors import CallError
from storage import fair_queue
from storage.budgets import Budget, WorkRate
from storage.fair_queue import FairQueue, NoTurn
from tests.patience import WAIT_S

PLENTY = WorkRate(per_second=1.0, burst=1e9)


class Turns:
    """A queue, and the budgets that got a connection, in order."""

    def __init__(self, slots: int) -> None:
        self.queue = FairQueue(slots)
        self.given: list[Budget | None] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, budget: Budget | None, times: int = 1) -> None:
        for _ in range(times):
            self._tasks.append(asyncio.create_task(self._enter(budget)))
            await asyncio.sleep(0)

    async def _enter(self, budget: Budget | None) -> None:
        await self.queue.enter(budget)
        self.given.append(budget)

    async def end(self, budget: Budget | None) -> None:
        """Give a connection back."""
        self.queue.leave(budget, 0)
        await asyncio.sleep(0)

    def give_up(self) -> None:
        for task in self._tasks:
            task.cancel()


@pytest.fixture
async def turns():
    made: list[Turns] = []

    def make(slots: int) -> Turns:
        made.append(Turns(slots))
        return made[-1]

    yield make
    for each in made:
        each.give_up()


async def test_one_user_holds_a_small_part_of_the_connections(turns):
    some, alice, bob = turns(20), Budget(1, PLENTY), Budget(2, PLENTY)
    await some.ask(alice, 30)
    assert some.given == [alice] * 4
    await some.ask(bob)
    assert some.given == [alice] * 4 + [bob]
    await some.end(alice)
    assert some.given.count(alice) == 5


@pytest.mark.parametrize(("slots", "most"), [(2, 1), (3, 2), (10, 2), (20, 4), (100, 20)])
async def test_no_user_ever_holds_all_connections(slots, most):
    assert FairQueue(slots).most_of_one == most


async def test_users_take_turns_however_many_calls_of_one_wait(turns):
    one, alice, bob, carol = turns(3), *(Budget(key, PLENTY) for key in (1, 2, 3))
    await one.ask(None, 3)
    await one.ask(alice, 20)
    await one.ask(bob, 2)
    await one.ask(carol)
    one.given.clear()
    await one.end(None)
    while len(one.given) < 6:
        await one.end(one.given[-1])
    assert one.given == [alice, bob, carol, alice, bob, alice]


async def test_internal_work_gets_every_other_turn(turns):
    one, alice = turns(3), Budget(1, PLENTY)
    await one.ask(None, 3)
    await one.ask(alice, 3)
    await one.ask(None, 3)
    one.given.clear()
    await one.end(None)
    while len(one.given) < 6:
        await one.end(one.given[-1])
    assert one.given in ([None, alice] * 3, [alice, None] * 3)


async def test_internal_work_gets_every_turn_while_no_user_waits(turns):
    one = turns(2)
    await one.ask(None, 5)
    for given in (3, 4, 5):
        await one.end(None)
        assert one.given == [None] * given


async def test_a_busy_user_runs_one_call_at_a_time_without_pauses(turns):
    some, alice = turns(20), Budget(1, WorkRate(per_second=0.5, burst=1))
    alice.spend(0.1)
    await some.ask(alice, 3)
    assert some.given == [alice]
    some.queue.leave(alice, 0.02)
    await asyncio.sleep(0)
    assert some.given == [alice] * 2


async def test_a_heavy_user_runs_one_call_at_a_time_and_pauses_until_the_budget_refills(turns):
    some, alice = turns(20), Budget(1, WorkRate(per_second=0.5, burst=1))
    alice.spend(0.3)
    assert alice.rest_after(0.02) == 0.04
    await some.ask(alice, 3)
    assert some.given == [alice]
    some.queue.leave(alice, 0.02)
    assert alice.resting
    await asyncio.sleep(0)
    assert some.given == [alice]
    async with asyncio.timeout(WAIT_S):
        while some.given != [alice] * 2:
            await asyncio.sleep(0.01)
    assert not alice.resting
    assert alice.spent == pytest.approx(0.32)


async def test_a_user_with_many_waiting_calls_rests_for_long_whatever_was_spent(turns):
    some, alice, bob = turns(20), Budget(1, PLENTY), Budget(2, PLENTY)
    await some.ask(alice, 37)
    assert some.given == [alice] * 4
    assert alice.rest_after(0.001) == 0.032
    some.queue.leave(alice, 0.001)
    assert alice.resting
    await some.ask(bob)
    assert some.given == [alice] * 4 + [bob]
    async with asyncio.timeout(WAIT_S):
        while alice.resting:
            await asyncio.sleep(0.001)
    assert some.given.count(alice) == 4  # three of the first calls still run, and a busy user holds one connection


async def test_calls_of_one_connection_are_no_flood(turns):
    some, alice = turns(20), Budget(1, PLENTY)
    await some.ask(alice, 4 + 32)
    assert not alice.is_busy
    assert alice.rest_after(0.001) == 0


async def test_waiting_for_a_lock_is_charged_only_in_part(turns):
    some, alice = turns(20), Budget(1, PLENTY)
    await some.ask(alice)
    some.queue.leave(alice, 8)
    assert alice.spent == fair_queue.MOST_CHARGED_S


async def test_a_cancelled_wait_takes_no_connection(turns):
    one, alice, bob = turns(2), Budget(1, PLENTY), Budget(2, PLENTY)
    await one.ask(None, 2)
    gives_up = asyncio.create_task(one.queue.enter(alice))
    await asyncio.sleep(0)
    await one.ask(bob)
    one.queue.leave(None, 0)  # now it is alice's turn
    gives_up.cancel()
    await asyncio.wait([gives_up])
    await asyncio.sleep(0)
    assert one.given[2:] == [bob]
    assert alice.running == 0


async def test_waiting_times_out(turns, monkeypatch):
    monkeypatch.setattr(fair_queue, "WAIT_S", 0.05)
    some, alice, bob = turns(2), Budget(1, PLENTY), Budget(2, PLENTY)
    await some.ask(alice)
    with pytest.raises(CallError) as refused:  # only the user's own calls are in the way
        await asyncio.wait_for(some.queue.enter(alice), WAIT_S)
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    await some.ask(None)
    for budget in (bob, None):
        with pytest.raises(NoTurn):
            await asyncio.wait_for(some.queue.enter(budget), WAIT_S)
    await some.end(alice)
    await some.ask(bob)
    assert some.given[-1] is bob


async def test_the_delay_is_that_of_waiting_for_others(turns, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("storage.fair_queue.time", SimpleNamespace(monotonic=lambda: now[0]))
    some, alice, bob = turns(5), Budget(1, PLENTY), Budget(2, PLENTY)
    await some.ask(alice, 3)  # the third waits for the others of the same user
    now[0] += 1
    assert some.queue.take_delay() == 0
    await some.ask(None, 3)
    await some.ask(bob)
    now[0] += 1
    assert some.queue.take_delay() == 1  # bob's, who still waits
    await some.end(None)
    assert some.given == [alice, alice, None, None, None, bob]
    assert some.queue.take_delay() == 1
    assert some.queue.take_delay() == 0
    await some.ask(None)
    now[0] += 2
    await some.end(None)
    assert some.queue.take_delay() == 2
