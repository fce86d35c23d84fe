"""Refuses calls of low value while a node is overloaded, so that it answers the others in time.

A node is overloaded when the work of its event loop or its queue for PostgreSQL has been late by more than
`longest_delay_s` for PATIENCE ticks in a row. Then each tick admits a smaller share of the load, and a larger one again
when the delay is short. Classes of calls are refused in the order of SHED_ORDER: a class only once all of the class
before it is. So connections and reads of users who are already connected are refused last.
"""

import asyncio
import random
import time
from collections.abc import Callable

from gateway.observability import CALLS_SHED, SHED_SHARE
from protocol import errors
from protocol.errors import CallError
from protocol.rpc import SHED_ORDER, Method, ShedClass

TICK_S = 0.1
PATIENCE = 5  # ticks: a burst is no overload
LEAST_ADMITTED = 0.05
MOST_REFUSED = {"vital": 0.9}  # of a class; all of others
LESS, SOON_MORE, MORE = 0.9, 1.02, 1.1  # factors of the admitted share: by the delay
RETRY_AFTER_S = (1.0, 3.0)  # random, so that refused clients do not return together
REMEMBERED = 0.9  # of the numbers of arrivals, each tick

_COUNT = [CALLS_SHED.labels(each).inc for each in SHED_ORDER]


class Shedding:
    def __init__(self, take_delay: Callable[[], float], longest_delay_s: float) -> None:
        """take_delay: returns the longest wait for PostgreSQL, in seconds, since it was last asked."""
        self.admitted = 1.0  # the share of the load
        self._take_delay = take_delay
        self._longest_delay_s = longest_delay_s
        self._late_ticks = 0
        self._arrivals = [0.0] * len(SHED_ORDER)
        self._refused = [0.0] * len(SHED_ORDER)  # the shares of the classes that are refused

    def admits(self, shed: ShedClass) -> bool:
        """Whether work of that class may begin. Counts it."""
        rank = SHED_ORDER.index(shed)
        self._arrivals[rank] += 1
        if self.admitted == 1.0 or random.random() >= self._refused[rank]:
            return True
        _COUNT[rank]()
        return False

    def refuse(self, method: Method) -> CallError | None:
        """Return the refusal of a call, or None if it may run."""
        if self.admits(method.shed):
            return None
        return errors.overloaded(int(random.uniform(*RETRY_AFTER_S) * 1_000))

    async def keep_measuring(self) -> None:
        """Adapt the shares to the delay, endlessly."""
        while True:
            # The CPU time of the loop, not a clock: where other processes take the CPU, refusing calls helps nobody.
            asleep_at = time.thread_time()
            await asyncio.sleep(TICK_S)
            self.adapt(max(time.thread_time() - asleep_at - TICK_S, self._take_delay()))

    def adapt(self, delay_s: float) -> None:
        """One tick. delay_s: the longest delay since the last one."""
        is_late = delay_s > self._longest_delay_s
        self._late_ticks = self._late_ticks + 1 if is_late else 0
        if is_late and (self.admitted < 1.0 or self._late_ticks >= PATIENCE):
            self.admitted = max(self.admitted * LESS, LEAST_ADMITTED)
        elif not is_late:
            self.admitted = min(self.admitted * (SOON_MORE if delay_s > self._longest_delay_s / 2 else MORE), 1.0)
        SHED_SHARE.set(1 - self.admitted)
        self._share_out()

    def _share_out(self) -> None:
        """Refuse the share of the load that is not admitted, from the classes in their order."""
        left = (1 - self.admitted) * sum(self._arrivals)
        for rank, arrivals in enumerate(self._arrivals):
            share = min(left / arrivals if arrivals else float(left > 0), MOST_REFUSED.get(SHED_ORDER[rank], 1.0))
            self._refused[rank] = share
            left -= share * arrivals
            self._arrivals[rank] = arrivals * REMEMBERED
