"""The queue for connections to PostgreSQL: each user has a queue, and users take turns.

A user holds only a small part of the connections, however many of their calls wait. A busy user (see `budgets`) holds
one. A heavy user rests until time has paid back the cost of the last transaction, and a flooding one for longer. Work
that is no user's call, such as sign-ins, gets every other turn.
"""

import asyncio
import time
from collections import OrderedDict, deque

from protocol import errors
from storage.budgets import Budget
from storage.metrics import BULKHEAD_REFUSED, POOL_WAIT

WAIT_S = 2.0
# A transaction may wait for a lock or a slow server. Its user is not charged for more than this.
MOST_CHARGED_S = 0.1
WAIT_MS = 1_000  # sent to users whose own calls block each other


class NoTurn(Exception):
    """Others held all connections for too long."""


class FairQueue:
    def __init__(self, slots: int) -> None:
        self.most_of_one = max(slots // 5, min(2, slots - 1))
        self._free = slots
        self._own: deque[asyncio.Future[None]] = deque()  # for work that is no user's call
        self._own_next = True
        # Users who wait and may hold one more, and since when.
        self._ring: OrderedDict[Budget, float] = OrderedDict()
        self._longest_wait = 0.0

    async def enter(self, budget: Budget | None) -> None:
        """Wait for a turn. Raises NoTurn; RESOURCE_EXHAUSTED if only calls of the same user are ahead."""
        if self._free and (budget is None or (not budget.waiting and self._may_run(budget))):
            self._start(budget)
            return
        queue = self._own if budget is None else budget.waiting
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._line_up(budget)
        asked_at = time.monotonic()
        try:
            with POOL_WAIT.labels("own" if budget is None else "call").time():
                async with asyncio.timeout(WAIT_S):
                    await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the turn came at the same moment
                self.leave(budget, 0)
            elif turn in queue:
                queue.remove(turn)
            if not isinstance(error, TimeoutError):
                raise
            if budget is not None and not self._may_run(budget):
                raise errors.exhausted("too many of this user's calls wait for the database", WAIT_MS) from None
            BULKHEAD_REFUSED.labels("postgres").inc()
            raise NoTurn("no connection was free in time") from None
        if budget is None:
            self._longest_wait = max(self._longest_wait, time.monotonic() - asked_at)

    def leave(self, budget: Budget | None, held_s: float) -> None:
        """Return a connection that was held for `held_s` seconds, and charge its user."""
        self._free += 1
        if budget is not None:
            budget.running -= 1
            cost = min(held_s, MOST_CHARGED_S)
            budget.spend(cost)
            rest_s = budget.rest_after(cost)
            if rest_s:
                budget.resting = True
                asyncio.get_running_loop().call_later(rest_s, self._rested, budget)
            else:
                self._line_up(budget)
        self._pass_on()

    def take_delay(self) -> float:
        """The longest wait for others, in seconds, since this was last asked. A user's own calls are no others."""
        longest, self._longest_wait = self._longest_wait, 0.0
        waiting_since = next(iter(self._ring.values()), None)
        return longest if waiting_since is None else max(longest, time.monotonic() - waiting_since)

    def _rested(self, budget: Budget) -> None:
        budget.resting = False
        self._line_up(budget)
        self._pass_on()

    def _may_run(self, budget: Budget) -> bool:
        return not budget.resting and budget.running < (1 if budget.is_busy else self.most_of_one)

    def _line_up(self, budget: Budget | None) -> None:
        if budget is not None and budget.waiting and self._may_run(budget):
            self._ring.setdefault(budget, time.monotonic())

    def _pass_on(self) -> None:
        while self._free and (self._own or self._ring):
            if self._own and (self._own_next or not self._ring):
                budget, queue = None, self._own
            else:
                budget, since = self._ring.popitem(last=False)
                queue = budget.waiting
                self._longest_wait = max(self._longest_wait, time.monotonic() - since)
            self._own_next = budget is not None
            if queue and (budget is None or self._may_run(budget)):
                self._give(queue.popleft(), budget)
                self._line_up(budget)

    def _give(self, turn: "asyncio.Future[None]", budget: Budget | None) -> None:
        if not turn.done():
            turn.set_result(None)
            self._start(budget)

    def _start(self, budget: Budget | None) -> None:
        self._free -= 1
        if budget is not None:
            budget.running += 1
