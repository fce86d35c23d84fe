"""Bounds on the waiting calls of a connection and of a user."""

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from engine.close_reasons import CloseReason
from gateway.calls import (
    MOST_BYTES_AT_ONCE,
    MOST_BYTES_WAITING,
    MOST_CALLS_AT_ONCE,
    MOST_OF_A_USER,
    MOST_REFUSALS,
    MOST_SHEDS_IGNORED,
    MOST_WAITING,
    REST_S,
    CallRate,
    Calls,
)
from protocol import errors, wire
from storage.budgets import Budget, WorkRate
from tests.patience import WAIT_S


@pytest.fixture(autouse=True)
def logs():
    """Tracebacks are kept and not rendered, which takes long."""
    with capture_logs() as entries:
        yield entries


class Held:
    """A dispatcher whose answers wait until the test releases them."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.refused: list[errors.CallError] = []
        self.budget = Budget(1, WorkRate(per_second=1e9, burst=1e9))

    def find(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(instant=False, overlaps=True)

    def shed(self, method) -> None:
        return None

    def budget_of(self, method, caller) -> Budget:
        return self.budget

    async def answer(self, method, packet, caller, budget, at) -> SimpleNamespace:
        await self.may_end.wait()
        return SimpleNamespace(answer="answered", disconnects=False)

    async def finish(self, answered) -> None:
        """Do nothing: there is no work after an answer."""

    def refuse(self, name: str, refusal: errors.CallError) -> str:
        self.refused.append(refusal)
        return "refused"


class Polling:
    """A connection that cannot pause its client."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, str]] = []
        self.dropped: list[CloseReason] = []
        self.reading = True

    def reply(self, call_id: int, answer: str) -> None:
        self.replies.append((call_id, answer))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def drop(self, reason: CloseReason) -> None:
        self.dropped.append(reason)


def calls_of(rate: CallRate) -> tuple[Calls, Held, Polling]:
    dispatcher, owner = Held(), Polling()
    return Calls(dispatcher, owner, rate), dispatcher, owner


def call(number: int, size: int = 20) -> wire.Packet:
    packet = wire.Packet(2, "/", number, size=size)
    packet.name = "user.me"
    return packet


async def let_go(calls: Calls, dispatcher: Held) -> None:
    """Release and answer all calls that run or wait."""
    idle = asyncio.Event()
    dispatcher.may_end.set()
    calls.when_idle(idle.set)
    await asyncio.wait_for(idle.wait(), WAIT_S)


async def test_calls_above_the_bound_are_refused_and_the_others_answered():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    room = MOST_CALLS_AT_ONCE + MOST_WAITING
    for number in range(room + 5):
        calls.take(call(number))
    assert owner.replies == [(number, "refused") for number in range(room, room + 5)]
    assert {(error.code, error.retry_after_ms) for error in dispatcher.refused} == {("RESOURCE_EXHAUSTED", 1_000)}
    await let_go(calls, dispatcher)
    assert {number for number, answer in owner.replies if answer == "answered"} == set(range(room))
    calls.take(call(room))
    await let_go(calls, dispatcher)
    assert len(dispatcher.refused) == 5
    assert owner.dropped == []


async def test_a_client_that_continues_after_many_refusals_is_closed():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE + MOST_WAITING + MOST_REFUSALS + 1):
        calls.take(call(number))
    assert owner.dropped == [CloseReason.FLOOD]
    assert len(dispatcher.refused) == MOST_REFUSALS
    await let_go(calls, dispatcher)


async def test_waiting_calls_are_bounded_by_their_bytes():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=100))
    room = (MOST_BYTES_AT_ONCE + MOST_BYTES_WAITING) // wire.MAX_PAYLOAD
    assert room < MOST_CALLS_AT_ONCE
    for number in range(room + 5):
        calls.take(call(number, wire.MAX_PAYLOAD))
    assert owner.replies == [(number, "refused") for number in range(room, room + 5)]
    await let_go(calls, dispatcher)
    assert {number for number, answer in owner.replies if answer == "answered"} == set(range(room))
    for number in range(room + 5):
        calls.take(call(number, wire.MAX_PAYLOAD))
    assert len(dispatcher.refused) == 10
    await let_go(calls, dispatcher)


class Writes(Held):
    """A dispatcher whose writes end one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[int] = []
        self.ends = [asyncio.Event() for _ in range(3)]

    def find(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(instant=False, overlaps=False)

    async def answer(self, method, packet, caller, budget, at) -> SimpleNamespace:
        self.began.append(packet.id)
        await self.ends[packet.id].wait()
        return await super().answer(method, packet, caller, budget, at)


async def test_a_write_does_not_overtake_waiting_writes():
    """The call arrives in the loop turn in which the write that used the last slot ends."""
    dispatcher, loop = Writes(), asyncio.get_running_loop()
    dispatcher.may_end.set()
    calls = Calls(dispatcher, Polling(), CallRate(per_second=1e9, burst=100))
    calls.take(call(0, MOST_BYTES_AT_ONCE))
    calls.take(call(1))
    await asyncio.sleep(0)
    loop.call_soon(dispatcher.ends[0].set)
    loop.call_soon(lambda: loop.call_soon(lambda: calls.take(call(2))))
    for _ in range(10):
        await asyncio.sleep(0)
    for end in dispatcher.ends:
        end.set()
    await let_go(calls, dispatcher)
    assert dispatcher.began == [0, 1, 2]


async def test_a_refusal_says_when_the_connection_may_call_again():
    calls, dispatcher, owner = calls_of(CallRate(per_second=0.5, burst=1))
    calls.take(call(1))
    calls.take(call(2))
    assert owner.replies == [(2, "refused")]
    [refusal] = dispatcher.refused
    assert refusal.message == "too many calls on this connection"
    assert 1_000 < refusal.retry_after_ms <= 2_000
    await let_go(calls, dispatcher)


class Counting(Polling):
    """Counts how often reading is resumed."""

    resumed = 0

    def resume_reading(self) -> None:
        super().resume_reading()
        self.resumed += 1


async def test_reading_resumes_after_a_pause_only_if_no_calls_wait(monkeypatch):
    monkeypatch.setattr("gateway.calls.REST_S", (0, 0))
    dispatcher, owner = Held(), Counting()
    dispatcher.budget = Budget(1, WorkRate(per_second=1, burst=1))
    calls = Calls(dispatcher, owner, CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE + 1):
        calls.take(call(number))
    dispatcher.budget.spend(1_000)
    calls.take(call(99))
    assert owner.replies == [(99, "refused")]
    while calls._resting:
        await asyncio.sleep(0)
    assert not owner.reading
    dispatcher.budget.spend(-1_000)
    await let_go(calls, dispatcher)
    assert owner.reading
    assert owner.resumed == 1


async def test_the_user_pays_for_the_time_that_writing_an_answer_takes(monkeypatch):
    clock = SimpleNamespace(now=1_000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("gateway.calls.time", clock)
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))

    def slow_reply(*_) -> None:
        clock.now += 0.25

    owner.reply = slow_reply
    calls.take(call(1))
    await let_go(calls, dispatcher)
    assert dispatcher.budget.spent == 0.25
    dispatcher.find = lambda name: SimpleNamespace(instant=True, overlaps=True)
    dispatcher.answer_at_once = lambda *_: "answered"
    calls.take(call(2))
    assert dispatcher.budget.spent == 0.5


def test_the_bounds_are_the_documented_ones():
    assert (MOST_CALLS_AT_ONCE, MOST_WAITING, MOST_OF_A_USER, MOST_REFUSALS) == (32, 200, 256, 500)
    assert (MOST_BYTES_AT_ONCE, MOST_BYTES_WAITING) == (4 * wire.MAX_PAYLOAD, 4 * wire.MAX_PAYLOAD)
    assert 0 < REST_S[0] < REST_S[1]  # so that the connections of a user do not all read on at once


async def test_a_burst_that_the_rate_allows_may_wait():
    calls, dispatcher, _ = calls_of(CallRate(per_second=1e9, burst=1_000))
    for number in range(1_000):
        calls.take(call(number))
    assert dispatcher.refused == []
    await let_go(calls, dispatcher)


async def test_the_calls_of_a_user_are_bounded_over_all_their_connections():
    calls, dispatcher, _ = calls_of(CallRate(per_second=1e9, burst=10))
    others = [Calls(dispatcher, Polling(), CallRate(per_second=1e9, burst=10)) for _ in range(3)]
    for each in (calls, *others):
        for number in range(MOST_OF_A_USER // 2):
            each.take(call(number))
    assert dispatcher.budget.calls == MOST_OF_A_USER
    assert {error.message for error in dispatcher.refused} == {"too many calls of this user wait"}
    assert len(dispatcher.refused) == MOST_OF_A_USER
    for each in (calls, *others):
        await let_go(each, dispatcher)
    assert dispatcher.budget.calls == 0


async def test_calls_of_a_user_whose_budget_is_spent_are_refused_until_it_refills():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    dispatcher.budget = Budget(1, WorkRate(per_second=0.5, burst=1))
    dispatcher.budget.spend(2)
    calls.take(call(1))
    [refusal] = dispatcher.refused
    assert refusal.message == "work: no more than 500 ms a second for all calls of a user"
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert 1_000 < refusal.retry_after_ms <= 2_000
    assert not owner.reading
    async with asyncio.timeout(WAIT_S):
        while not owner.reading:
            await asyncio.sleep(0.01)
    dispatcher.budget.spend(-1.5)
    calls.take(call(2))
    assert len(dispatcher.refused) == 1
    await let_go(calls, dispatcher)


async def test_a_broken_connection_releases_its_waiting_calls():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE + 10):
        calls.take(call(number))

    def is_broken(*_) -> None:
        raise RuntimeError

    owner.reply = is_broken
    dispatcher.may_end.set()
    async with asyncio.timeout(WAIT_S):
        while dispatcher.budget.calls:
            await asyncio.sleep(0)
    assert CloseReason.BROKEN in owner.dropped


async def test_all_connections_of_a_user_share_a_rate():
    calls, dispatcher, _ = calls_of(CallRate(per_second=0.001, burst=10))
    others = [Calls(dispatcher, Polling(), CallRate(per_second=0.001, burst=10)) for _ in range(3)]
    for each in (calls, *others):
        for number in range(9):
            each.take(call(number))
    assert dispatcher.budget.calls == 2 * 10 + 1  # the first is paid for when the second comes
    assert {error.message for error in dispatcher.refused} == {"too many calls on all connections of this user"}
    for each in (calls, *others):
        await let_go(each, dispatcher)


async def test_the_rate_of_a_connection_is_a_token_bucket(monkeypatch):
    clock = SimpleNamespace(now=1_000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr("gateway.calls.time", clock)
    calls, dispatcher, owner = calls_of(CallRate(per_second=2, burst=3))
    dispatcher.find = lambda name: SimpleNamespace(instant=True, overlaps=True)
    dispatcher.answer_at_once = lambda *_: "answered"

    def waits(count: int = 1) -> list[int]:
        """Call so often; return the waits of the calls that are refused."""
        dispatcher.refused.clear()
        for _ in range(count):
            calls.take(call(1))
            assert owner.called_at == clock.now
        return [refusal.retry_after_ms for refusal in dispatcher.refused]

    assert waits(5) == [500, 500]
    clock.now += 0.125
    assert waits() == [375]
    clock.now += 0.375
    assert waits(2) == [500]  # exactly one token had come back
    clock.now += 1_000
    assert waits(4) == [500]  # no more than the burst are saved up


async def test_a_wait_is_at_least_a_millisecond(monkeypatch):
    monkeypatch.setattr("gateway.calls.time", SimpleNamespace(monotonic=lambda: 1_000.0))
    calls, dispatcher, _ = calls_of(CallRate(per_second=1e6, burst=1))
    for number in range(2):
        calls.take(call(number))
    assert [refusal.retry_after_ms for refusal in dispatcher.refused] == [1]
    await let_go(calls, dispatcher)


async def test_refusals_count_only_in_a_row():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    budget, spent = dispatcher.budget, Budget(1, WorkRate(per_second=1e-9, burst=1))
    spent.spend(2)
    for _ in range(2):
        dispatcher.budget = spent
        for number in range(MOST_REFUSALS):
            calls.take(call(number))
        dispatcher.budget = budget
        calls.take(call(1))
    assert owner.dropped == []
    dispatcher.budget = spent
    for each in (calls, Calls(dispatcher, owner, CallRate(per_second=1e9, burst=10))):
        owner.dropped.clear()
        for number in range(MOST_REFUSALS + 1):
            each.take(call(number))
        assert owner.dropped == [CloseReason.FLOOD]
    await let_go(calls, dispatcher)


async def test_an_unknown_method_is_answered_at_once():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    dispatcher.find = lambda name: None
    dispatcher.answer_at_once = lambda method, *_: method
    calls.take(call(1))
    assert owner.replies == [(1, None)]


async def test_a_call_is_finished_after_its_answer_and_may_end_the_connection():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    log = []
    owner.reply = lambda call_id, answer: log.append(("reply", call_id, answer))
    owner.disconnect = lambda reason: log.append(("disconnect", reason))

    async def answer(method, packet, *_) -> SimpleNamespace:
        return SimpleNamespace(answer="answered", disconnects=packet.id == 2)

    async def finish(answered) -> None:
        log.append(("finish", answered.disconnects))

    dispatcher.answer, dispatcher.finish = answer, finish
    calls.take(call(1))
    await let_go(calls, dispatcher)
    calls.take(call(2))
    await let_go(calls, dispatcher)
    assert log == [
        ("reply", 1, "answered"), ("finish", False),
        ("reply", 2, "answered"), ("disconnect", CloseReason.LOGOUT), ("finish", True),
    ]  # fmt: skip


class Working(Held):
    """A dispatcher that counts how many calls run at once."""

    running = most = 0

    async def answer(self, *arguments) -> SimpleNamespace:
        self.running += 1
        self.most = max(self.most, self.running)
        answered = await super().answer(*arguments)
        await asyncio.sleep(0)
        self.running -= 1
        return answered


async def test_waiting_calls_begin_as_others_end():
    dispatcher, owner = Working(), Counting()
    calls = Calls(dispatcher, owner, CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE):
        calls.take(call(number))
    assert owner.reading
    for number in range(3 * MOST_CALLS_AT_ONCE):
        calls.take(call(number))
    assert not owner.reading
    await let_go(calls, dispatcher)
    assert (dispatcher.most, len(owner.replies), owner.reading) == (MOST_CALLS_AT_ONCE, 4 * MOST_CALLS_AT_ONCE, True)
    assert owner.resumed == 1
    calls.take(call(1))
    await let_go(calls, dispatcher)
    assert owner.resumed == 1  # reading was not paused


async def test_waiting_writes_take_a_place_each():
    dispatcher, owner = Working(), Counting()
    dispatcher.find = lambda name: SimpleNamespace(instant=False, overlaps=False)
    calls = Calls(dispatcher, owner, CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE):
        calls.take(call(number))
    assert owner.reading
    calls.take(call(MOST_CALLS_AT_ONCE))
    assert not owner.reading
    await let_go(calls, dispatcher)
    assert (dispatcher.most, owner.reading) == (1, True)
    assert [number for number, _ in owner.replies] == [*range(MOST_CALLS_AT_ONCE + 1)]


async def test_a_call_runs_while_those_under_way_are_below_the_bound_on_bytes():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    calls.take(call(1, MOST_BYTES_AT_ONCE - 1))
    calls.take(call(2, 1))
    assert owner.reading
    calls.take(call(3, MOST_BYTES_WAITING - 1))
    assert not owner.reading
    calls.take(call(4, 1))
    calls.take(call(5, 1))
    assert owner.replies == [(5, "refused")]
    await let_go(calls, dispatcher)
    calls.take(call(6, MOST_BYTES_AT_ONCE - 1))
    calls.take(call(7, 1))
    assert owner.reading
    await let_go(calls, dispatcher)


async def test_the_calls_of_a_user_may_be_two_bursts():
    calls, dispatcher, _ = calls_of(CallRate(per_second=1e9, burst=200))
    other = Calls(dispatcher, Polling(), CallRate(per_second=1e9, burst=200))
    for each in (calls, other):
        for number in range(MOST_CALLS_AT_ONCE + 200):
            each.take(call(number))
    assert dispatcher.budget.calls == 400
    assert len(dispatcher.refused) == 64
    for each in (calls, other):
        await let_go(each, dispatcher)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_broken_connection_begins_none_of_its_waiting_calls(reads, faults):
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    dispatcher.find = lambda name: SimpleNamespace(instant=False, overlaps=reads)
    for number in range(MOST_CALLS_AT_ONCE + 10):
        calls.take(call(number))
    assert dispatcher.budget.calls == MOST_CALLS_AT_ONCE + 10
    tried = []

    def is_broken(call_id, answer) -> None:
        tried.append(call_id)
        raise RuntimeError

    owner.reply = is_broken
    dispatcher.may_end.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert (len(tried), dispatcher.budget.calls) == (MOST_CALLS_AT_ONCE if reads else 1, 0)
    assert ({*owner.dropped}, faults) == ({CloseReason.BROKEN}, [])


@pytest.fixture
async def faults():
    """Exceptions in callbacks, which nobody else would see."""
    found = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


async def test_a_broken_connection_without_waiting_calls_is_closed(faults):
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))

    async def break_down(answered) -> None:
        raise RuntimeError

    dispatcher.finish = break_down
    dispatcher.may_end.set()
    calls.take(call(1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (owner.dropped, dispatcher.budget.calls, faults) == ([CloseReason.BROKEN], 0, [])


async def test_a_cancelled_call_breaks_nothing():
    """As at the end of the process."""
    calls, _, owner = calls_of(CallRate(per_second=1e9, burst=10))
    calls.take(call(1))
    [task] = calls._tasks
    task.cancel()
    idle = asyncio.Event()
    calls.when_idle(idle.set)
    assert not idle.is_set()
    await asyncio.wait_for(idle.wait(), WAIT_S)
    assert owner.dropped == []


async def test_a_connection_becomes_idle_without_anybody_waiting_for_it(faults):
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    calls.take(call(1))
    dispatcher.may_end.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (owner.replies, faults) == ([(1, "answered")], [])


async def test_work_for_an_idle_connection_runs_at_once():
    calls, _, _ = calls_of(CallRate(per_second=1e9, burst=10))
    done = []
    calls.when_idle(lambda: done.append(True))
    assert done == [True]


async def test_an_idle_connection_is_one_without_any_call():
    calls, dispatcher, _ = calls_of(CallRate(per_second=1e9, burst=10))
    may_end = {1: asyncio.Event(), 2: asyncio.Event()}

    async def answer(method, packet, *_) -> SimpleNamespace:
        await may_end[packet.id].wait()
        return SimpleNamespace(answer="answered", disconnects=False)

    dispatcher.answer = answer
    for number in may_end:
        calls.take(call(number))
    done = []
    calls.when_idle(lambda: done.append(True))
    for number, so_far in ((1, []), (2, [True])):
        may_end[number].set()
        for _ in range(10):
            await asyncio.sleep(0)
        assert done == so_far


async def test_a_connection_rests_once_for_several_refusals_and_reads_on_only_then(monkeypatch):
    """Also where its waiting calls end meanwhile."""
    rests, log = [], []
    loop = SimpleNamespace(call_later=lambda _, rested: rests.append(rested), time=lambda: 0.0)
    replaced = SimpleNamespace(get_running_loop=lambda: loop, ensure_future=asyncio.ensure_future)
    monkeypatch.setattr("gateway.calls.asyncio", replaced)
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    owner.pause_reading = lambda: log.append("pause")
    owner.resume_reading = lambda: log.append("resume")
    for number in range(MOST_CALLS_AT_ONCE + 1):
        calls.take(call(number))
    assert log == ["pause"]
    dispatcher.budget, budget = Budget(1, WorkRate(per_second=1e-9, burst=1)), dispatcher.budget
    dispatcher.budget.spend(2)
    for number in range(3):
        calls.take(call(number))
    assert (log, len(rests)) == (["pause", "pause"], 1)
    dispatcher.budget = budget
    await let_go(calls, dispatcher)
    assert log == ["pause", "pause"]
    rests.pop()()
    assert log == ["pause", "pause", "resume"]
    dispatcher.budget.spend(2e9)
    calls.take(call(1))
    assert (log[3:], len(rests)) == (["pause"], 1)


class Called(Budget):
    """The budget of a user whose connections have called too often."""

    def take_call(self, *_) -> int:
        return 7


@pytest.mark.parametrize("why", ["rate", "calls"])
async def test_a_connection_rests_after_each_refusal_for_its_user(why):
    calls, dispatcher, owner = calls_of(CallRate(per_second=0.001, burst=10))
    if why == "rate":
        dispatcher.budget = Called(1, WorkRate(per_second=1e9, burst=1e9))
    else:
        dispatcher.budget.calls = MOST_OF_A_USER
    calls.take(call(1))
    [refusal] = dispatcher.refused
    assert (refusal.retry_after_ms, owner.reading) == (7 if why == "rate" else 1_000, False)


async def test_a_client_that_ignores_an_overload_is_not_read_from_for_a_moment(monkeypatch):
    monkeypatch.setattr("gateway.calls.REST_S", (0, 0))
    now = [100.0]
    monkeypatch.setattr("gateway.calls.time", SimpleNamespace(monotonic=lambda: now[0]))
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=1e9))
    monkeypatch.setattr(dispatcher, "shed", lambda method: errors.overloaded(2_000))
    for number in range(10):  # each time as late as the client was asked to come
        calls.take(call(number))
        now[0] += 2
    await asyncio.sleep(0)
    assert owner.reading
    for number in range(10, 13 + MOST_SHEDS_IGNORED):
        calls.take(call(number))
    assert owner.reading  # the calls of the same read are answered first
    await asyncio.sleep(0)
    assert not owner.reading
    assert [number for number, _ in owner.replies] == list(range(13 + MOST_SHEDS_IGNORED))
    assert {error.code for error in dispatcher.refused} == {"UNAVAILABLE"}
    assert owner.dropped == []
    async with asyncio.timeout(WAIT_S):
        while calls._resting:
            await asyncio.sleep(0)
    assert owner.reading
