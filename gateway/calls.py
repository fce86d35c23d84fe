"""The calls of one connection: how many at a time, how many a second, and in which order.

A user's budget bounds the calls and the work of all their connections. A call beyond it is refused, and its connection
is not read from for a moment, so that refusals cost little too.

Handlers that are plain functions run at once. Among the others, reads and calls that wait for other services overlap,
and the rest run one at a time in the order of arrival. A connection with more calls than may run at once is not read
from until some have ended. Reading from a polling client cannot be paused: its calls wait, and are refused once too
many wait.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import msgspec
import structlog

from engine.close_reasons import CloseReason
from gateway.dispatcher import Caller, Dispatcher
from gateway.observability import OVER_BUDGET
from protocol import errors, wire
from protocol.errors import CallError
from protocol.rpc import Method
from storage import budgets
from storage.budgets import Budget

MOST_CALLS_AT_ONCE = 32
MOST_BYTES_AT_ONCE = 4 * wire.MAX_PAYLOAD
MOST_WAITING = 200  # or the burst that the rate allows, if that is more
MOST_BYTES_WAITING = 4 * wire.MAX_PAYLOAD
OF_A_USER = 2  # a user's connections on a node may together call at this multiple of one connection's rate
MOST_OF_A_USER = 256  # calls that run or wait on all connections of a user; or two bursts, if that is more
WAIT_MS = 1_000  # `retry_after_ms` of a call that is refused because too many wait
REST_S = (0.5, 1.5)
# A client that goes on after this many refusals in a row ignores `retry_after_ms`.
MOST_REFUSALS = 500
MOST_SHEDS_IGNORED = 2

log = structlog.get_logger()


class CallRate(msgspec.Struct, frozen=True):
    """A token bucket: `burst` calls at once, refilled at `per_second`."""

    per_second: float
    burst: float


@cache
def _rate_of_user(rate: CallRate) -> budgets.CallSteps:
    """The rate of all connections of a user together."""
    return budgets.CallSteps(1 / (OF_A_USER * rate.per_second), rate.burst / rate.per_second)


class CallingConnection(Caller, Protocol):
    """The part of a connection that its calls use."""

    called_at: float  # monotonic, s

    def reply(self, call_id: int | None, answer: wire.Ok | wire.Failed) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def disconnect(self, reason: CloseReason) -> None: ...

    def drop(self, reason: CloseReason) -> None: ...


class _Arrived(msgspec.Struct):
    packet: wire.Packet
    method: Method
    budget: Budget
    at: float


class Calls:
    __slots__ = (
        "_backlog", "_bytes", "_bytes_waiting", "_dispatcher", "_on_idle", "_owner", "_rate", "_rate_of_user",
        "_refilled_at", "_refusals", "_resting", "_shed_until", "_sheds_ignored", "_tasks", "_tokens", "_writes",
        "_writing",
    )  # fmt: skip

    def __init__(self, dispatcher: Dispatcher, owner: CallingConnection, rate: CallRate) -> None:
        self._dispatcher = dispatcher
        self._owner = owner
        self._rate = rate
        self._rate_of_user = _rate_of_user(rate)
        self._tokens = rate.burst
        self._refilled_at = time.monotonic()
        self._refusals = 0
        self._resting = False
        self._shed_until = 0.0  # the client was asked not to call before; monotonic, s
        self._sheds_ignored = 0  # in a row
        self._tasks: set[asyncio.Task[None]] | None = None
        self._writing = False
        self._writes: deque[_Arrived] | None = None
        self._bytes = 0  # of calls under way
        self._backlog: deque[_Arrived] | None = None
        self._bytes_waiting = 0  # in the backlog
        self._on_idle: Callable[[], None] | None = None

    def take(self, packet: wire.Packet) -> None:
        wait_ms = self._take_token()
        if wait_ms:
            self._refuse(packet, "too many calls on this connection", wait_ms)
            return
        method = self._dispatcher.find(packet.name)
        budget = self._dispatcher.budget_of(method, self._owner)
        if wait_ms := budget.take_call(self._refilled_at, self._rate_of_user):
            OVER_BUDGET.labels("rate").inc()
            self._refuse(packet, "too many calls on all connections of this user", wait_ms)
            self._rest()
            return
        if wait_ms := budget.wait_ms:
            OVER_BUDGET.labels("work").inc()
            self._refuse(packet, f"work: no more than {budget.allowance} for all calls of a user", wait_ms)
            self._rest()
            return
        if method is None or method.instant:
            self._owner.reply(packet.id, self._dispatcher.answer_at_once(method, packet, self._owner, budget))
            budget.spend(time.monotonic() - self._refilled_at)
        elif shed := self._dispatcher.shed(method):
            self._refuse_shed(packet, shed)
            return
        elif budget.calls >= max(MOST_OF_A_USER, 2 * self._rate.burst):
            OVER_BUDGET.labels("calls").inc()
            self._refuse(packet, "too many calls of this user wait", WAIT_MS)
            self._rest()
            return
        elif self._backlog is None and self._has_room:  # a call must not overtake waiting ones
            budget.calls += 1
            self._begin(_Arrived(packet, method, budget, asyncio.get_running_loop().time()))
        elif (
            len(self._backlog or ()) >= max(MOST_WAITING, self._rate.burst) or self._bytes_waiting >= MOST_BYTES_WAITING
        ):
            self._refuse(packet, "too many calls of this connection wait", WAIT_MS)
            return
        else:
            if self._backlog is None:
                self._backlog = deque()
                self._owner.pause_reading()
            budget.calls += 1
            self._backlog.append(_Arrived(packet, method, budget, asyncio.get_running_loop().time()))
            self._bytes_waiting += packet.size
        self._refusals = 0

    def when_idle(self, work: Callable[[], None]) -> None:
        """Run `work` now, or once all calls under way have been answered."""
        if self._under_way:
            self._on_idle = work
        else:
            work()

    @property
    def _under_way(self) -> int:
        return len(self._tasks or ()) + len(self._writes or ())

    @property
    def _has_room(self) -> bool:
        return self._under_way < MOST_CALLS_AT_ONCE and self._bytes < MOST_BYTES_AT_ONCE

    def _begin(self, arrived: _Arrived) -> None:
        self._bytes += arrived.packet.size
        if arrived.method.overlaps:
            self._spawn(self._run(arrived))
        elif self._writing:
            if self._writes is None:
                self._writes = deque()
            self._writes.append(arrived)
        else:
            self._writing = True
            self._spawn(self._run(arrived))

    async def _run(self, arrived: _Arrived) -> None:
        answered = await self._dispatcher.answer(
            arrived.method, arrived.packet, self._owner, arrived.budget, arrived.at
        )
        arrived.budget.calls -= 1
        replied_at = time.monotonic()
        self._owner.reply(arrived.packet.id, answered.answer)
        arrived.budget.spend(time.monotonic() - replied_at)
        if answered.disconnects:
            self._owner.disconnect(CloseReason.LOGOUT)
        await self._dispatcher.finish(answered)
        self._bytes -= arrived.packet.size
        if not arrived.method.overlaps:
            if self._writes:
                self._spawn(self._run(self._writes.popleft()))
            else:
                self._writing = False

    def _spawn(self, work: Any) -> None:
        if self._tasks is None:
            self._tasks = set()
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        assert self._tasks is not None
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection failed", exc_info=task.exception())
            self._owner.drop(CloseReason.BROKEN)
            self._give_up_waiting()
            return
        while self._backlog and self._has_room:
            arrived = self._backlog.popleft()
            self._bytes_waiting -= arrived.packet.size
            self._begin(arrived)
        if self._backlog is not None and not self._backlog:
            self._backlog = None
            self._read_on()
        if not self._tasks:
            self._tasks = None
            if self._on_idle is not None:
                self._on_idle()

    def _refuse_shed(self, packet: wire.Packet, refusal: CallError) -> None:
        """The node is overloaded. A client that ignores this is not read from for a moment: if a node is offered many
        times its load, refusals take all of its time, unless it reads and answers many calls at once.
        """
        self._answer_refused(packet, refusal)
        ignores = self._refilled_at < self._shed_until
        self._sheds_ignored = self._sheds_ignored + 1 if ignores else 0
        self._shed_until = self._refilled_at + (refusal.retry_after_ms or WAIT_MS) / 1_000
        if self._sheds_ignored >= MOST_SHEDS_IGNORED:
            self._sheds_ignored = 0
            asyncio.get_running_loop().call_soon(
                self._rest
            )  # the calls of this read are answered, so that none pile up

    def _rest(self) -> None:
        """Pause reading for a random time, so that the connections of a user do not all resume at once."""
        if not self._resting:
            self._resting = True
            self._owner.pause_reading()
            asyncio.get_running_loop().call_later(random.uniform(*REST_S), self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._read_on()

    def _read_on(self) -> None:
        if self._backlog is None and not self._resting:
            self._owner.resume_reading()

    def _give_up_waiting(self) -> None:
        for arrived in (*(self._writes or ()), *(self._backlog or ())):
            arrived.budget.calls -= 1
        self._writes = self._backlog = None

    # ------------------------------------------------------------------------------------------ rate

    def _take_token(self) -> int:
        """Return 0 if the call may run, else the milliseconds to wait."""
        now = time.monotonic()
        tokens = self._tokens + (now - self._refilled_at) * self._rate.per_second
        self._refilled_at = self._owner.called_at = now
        if tokens > self._rate.burst:
            tokens = self._rate.burst
        if tokens >= 1:
            self._tokens = tokens - 1
            return 0
        self._tokens = tokens
        return max(int((1 - tokens) / self._rate.per_second * 1_000), 1)

    def _refuse(self, packet: wire.Packet, why: str, wait_ms: int) -> None:
        self._refusals += 1
        if self._refusals > MOST_REFUSALS:
            self._owner.drop(CloseReason.FLOOD)
            return
        self._answer_refused(packet, errors.exhausted(why, wait_ms))

    def _answer_refused(self, packet: wire.Packet, refusal: CallError) -> None:
        self._owner.reply(packet.id, self._dispatcher.refuse(packet.name, refusal))
