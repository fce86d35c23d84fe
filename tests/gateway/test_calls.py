"""Bounds on the waiting calls of a connection and of a user."""

import asyncio
from types import SimpleNamespace

from engine.close_reasons import CloseReason
from gateway.calls import (
    MOST_BYTES_AT_ONCE,
    MOST_BYTES_WAITING,
    MOST_CALLS_AT_ONCE,
    MOST_OF_A_USER,
    MOST_REFUSALS,
    MOST_WAITING,
    CallRate,
    Calls,
)
from protocol import errors, wire
from storage.shares import Share, WorkRate
from tests.patience import WAIT_S


class Held:
    """A dispatcher whose answers wait until the test releases them."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.refused: list[errors.CallError] = []
        self.share = Share(1, WorkRate(per_second=1e9, burst=1e9))

    def find(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(instant=False, reads=True)

    def share_of(self, method, caller) -> Share:
        return self.share

    async def answer(self, method, packet, caller, share, at) -> SimpleNamespace:
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
        return SimpleNamespace(instant=False, reads=False)

    async def answer(self, method, packet, caller, share, at) -> SimpleNamespace:
        self.began.append(packet.id)
        await self.ends[packet.id].wait()
        return await super().answer(method, packet, caller, share, at)


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
    dispatcher.share = Share(1, WorkRate(per_second=1, burst=1))
    calls = Calls(dispatcher, owner, CallRate(per_second=1e9, burst=10))
    for number in range(MOST_CALLS_AT_ONCE + 1):
        calls.take(call(number))
    dispatcher.share.spend(1_000)
    calls.take(call(99))
    assert owner.replies == [(99, "refused")]
    while calls._resting:
        await asyncio.sleep(0)
    assert not owner.reading
    dispatcher.share.spend(-1_000)
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
    assert dispatcher.share.spent == 0.25
    dispatcher.find = lambda name: SimpleNamespace(instant=True, reads=True)
    dispatcher.answer_at_once = lambda *_: "answered"
    calls.take(call(2))
    assert dispatcher.share.spent == 0.5


def test_the_bounds_are_the_documented_ones():
    assert (MOST_CALLS_AT_ONCE, MOST_WAITING, MOST_OF_A_USER, MOST_REFUSALS) == (32, 200, 256, 500)
    assert (MOST_BYTES_AT_ONCE, MOST_BYTES_WAITING) == (4 * wire.MAX_PAYLOAD, 4 * wire.MAX_PAYLOAD)


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
    assert dispatcher.share.calls == MOST_OF_A_USER
    assert {error.message for error in dispatcher.refused} == {"too many calls of this user wait"}
    assert len(dispatcher.refused) == MOST_OF_A_USER
    for each in (calls, *others):
        await let_go(each, dispatcher)
    assert dispatcher.share.calls == 0


async def test_calls_of_a_user_whose_budget_is_spent_are_refused_until_it_refills():
    calls, dispatcher, owner = calls_of(CallRate(per_second=1e9, burst=10))
    dispatcher.share = Share(1, WorkRate(per_second=0.5, burst=1))
    dispatcher.share.spend(2)
    calls.take(call(1))
    [refusal] = dispatcher.refused
    assert refusal.message == "work: no more than 500 ms a second for all calls of a user"
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert 1_000 < refusal.retry_after_ms <= 2_000
    assert not owner.reading
    async with asyncio.timeout(WAIT_S):
        while not owner.reading:
            await asyncio.sleep(0.01)
    dispatcher.share.spend(-1.5)
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
        while dispatcher.share.calls:
            await asyncio.sleep(0)
    assert CloseReason.BROKEN in owner.dropped


async def test_all_connections_of_a_user_share_a_rate():
    calls, dispatcher, _ = calls_of(CallRate(per_second=0.001, burst=10))
    others = [Calls(dispatcher, Polling(), CallRate(per_second=0.001, burst=10)) for _ in range(3)]
    for each in (calls, *others):
        for number in range(9):
            each.take(call(number))
    assert dispatcher.share.calls == 2 * 10 + 1  # the first is paid for when the second comes
    assert {error.message for error in dispatcher.refused} == {"too many calls on all connections of this user"}
    for each in (calls, *others):
        await let_go(each, dispatcher)
