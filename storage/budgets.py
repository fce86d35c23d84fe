"""A budget of work per user, over all sockets and nodes.

The work of a call is the time that it holds a connection to PostgreSQL, plus the time that it keeps the event loop
busy. It is charged in memory after the call. In the background, nodes add up in Redis what users spent, unless it is
little; no call waits for that. Time pays back at a steady rate.

States of a budget: light → busy (a sixteenth of the burst is spent: one transaction at a time, see `fair_queue`) →
heavy (a quarter is spent: a rest after each transaction) → spent (calls are refused until enough is paid back). A
budget that is paid back in full is deleted. While many calls wait, which only several connections of a user can bring
about, the budget is busy and its rests are long, whatever was spent.
"""

import asyncio
import time
from collections import deque
from pathlib import Path

import msgspec
import structlog

from storage.metrics import HEAVY
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

SETTLE = LinkScript(Path(__file__).parent / "lua" / "settle_budget.lua")
SCRIPTS = (SETTLE,)

SETTLE_EVERY_S = 0.5
MANY_WAITING = 32  # as many as a connection runs at a time
FLOOD_REST = 32  # times what a transaction took: then a flood meets 3 % of what others do
MOST_SETTLED = 1_000  # budgets at a time; others are settled next time
MOST_KEPT = 100_000

Key = int | str  # a user, a session, or an address

log = structlog.get_logger()


class WorkRate(msgspec.Struct, frozen=True):
    """`burst` seconds of work may be spent at once; `per_second` of them are paid back."""

    per_second: float
    burst: float


class CallSteps(msgspec.Struct, frozen=True):
    """A call costs `step_s` seconds; up to `burst_s` seconds may be spent at once."""

    step_s: float
    burst_s: float


class Budget:
    """`calls` are accepted and not yet answered. `running` and `waiting` belong to the queue for connections."""

    __slots__ = (
        "_called_until",
        "_paid_at",
        "_rate",
        "calls",
        "key",
        "resting",
        "running",
        "spent",
        "unsettled",
        "waiting",
    )

    def __init__(self, key: Key, rate: WorkRate) -> None:
        self.key = key
        self.spent = 0.0  # s, not yet paid back
        self.unsettled = 0.0  # s, not yet added up in Redis
        self.calls = 0
        self.running = 0
        self.resting = False
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._rate = rate
        self._paid_at = time.monotonic()
        self._called_until = 0.0  # when the calls so far would have ended at the steady rate

    def take_call(self, now: float, rate: CallSteps) -> int:
        """Count one call. 0 if it may run, else the milliseconds to wait. now: monotonic, in seconds."""
        called_until = self._called_until
        if called_until < now:
            called_until = now
        elif called_until - now > rate.burst_s:
            return int((called_until - now - rate.burst_s) * 1_000) + 1
        self._called_until = called_until + rate.step_s
        return 0

    def spend(self, seconds: float) -> None:
        self.spent += seconds
        self.unsettled += seconds

    def pay_back(self) -> None:
        now = time.monotonic()
        self.spent = max(self.spent - (now - self._paid_at) * self._rate.per_second, 0.0)
        self._paid_at = now

    def rest_after(self, seconds: float) -> float:
        """Return for how many seconds no transaction may start after one that took `seconds`."""
        if self._is_flooding:
            return seconds * FLOOD_REST
        return seconds / self._rate.per_second if self.is_heavy else 0

    @property
    def is_busy(self) -> bool:
        return self.spent > self._rate.burst / 16 or self._is_flooding

    @property
    def is_heavy(self) -> bool:
        return self.spent > self._rate.burst / 4

    @property
    def _is_flooding(self) -> bool:
        return len(self.waiting) > MANY_WAITING

    @property
    def wait_ms(self) -> int:
        """The milliseconds in which no call may start; 0 if calls may."""
        if self.spent <= self._rate.burst:
            return 0
        self.pay_back()
        over = self.spent - self._rate.burst
        return max(int(over / self._rate.per_second * 1_000), 1) if over > 0 else 0

    @property
    def allowance(self) -> str:
        return f"{self._rate.per_second * 1_000:g} ms a second"

    @property
    def is_idle(self) -> bool:
        is_at_rest = self._called_until <= self._paid_at
        return is_at_rest and not (self.spent or self.calls or self.running or self.waiting)


class Budgets:
    def __init__(self, shards: Shards, rate: WorkRate) -> None:
        self._shards = shards
        self._rate = rate
        self._budgets: dict[Key, Budget] = {}

    def of(self, key: Key) -> Budget:
        budget = self._budgets.get(key)
        if budget is None:
            budget = Budget(key, self._rate)
            if len(self._budgets) < MOST_KEPT:
                self._budgets[key] = budget
        return budget

    async def keep_settling(self) -> None:
        """Settle with other nodes, endlessly."""
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            try:
                await self.settle()
            except RedisError as error:
                log.info("the work of users could not be added up in Redis", error=str(error))

    async def settle(self) -> None:
        """Add up with other nodes what users spent here. Raises RedisError."""
        for error in await asyncio.gather(*map(self._settle_one, self._swept()), return_exceptions=True):
            if error is not None:
                raise error

    def _swept(self) -> list[Budget]:
        """Pay back all budgets and delete idle ones. Returns those whose spending other nodes must know."""
        notable: list[Budget] = []
        heavy = 0
        for budget in list(self._budgets.values()):
            budget.pay_back()
            heavy += budget.is_heavy
            if budget.is_idle:
                del self._budgets[budget.key]
            elif budget.unsettled > self._rate.burst / 20 and len(notable) < MOST_SETTLED:
                notable.append(budget)
        HEAVY.set(heavy)
        return notable

    async def _settle_one(self, budget: Budget) -> None:
        spent, budget.unsettled = budget.unsettled, 0.0
        shard = self._shards.of(str(budget.key))
        key = self._shards.key(shard, "budget", budget.key)
        arguments = round(spent * 1_000), str(self._rate.per_second)
        spent_on_all = await self._shards.run(shard, SETTLE, (key,), arguments) / 1_000
        budget.spent = max(budget.spent, spent_on_all + budget.unsettled)
