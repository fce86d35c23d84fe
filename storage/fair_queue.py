"""The queue for connections to PostgreSQL: each user has a queue, and users take turns.

A user holds only a small part of the connections, however many of their calls wait. A busy user (see `shares`) holds
one. A heavy user rests until time has paid back the cost of the last transaction, and a flooding one for longer. Work
that is no user's call, such as sign-ins, gets every other turn.
"""

import asyncio
from collections import OrderedDict, deque

from protocol import errors
from storage.metrics import POOL_WAIT
from storage.shares import Share

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
        self._ring: OrderedDict[Share, None] = OrderedDict()  # users who wait and may hold one more

    async def enter(self, share: Share | None) -> None:
        """Wait for a turn. Raises NoTurn; RESOURCE_EXHAUSTED if only calls of the same user are ahead."""
        if self._free and (share is None or (not share.waiting and self._may_run(share))):
            self._start(share)
            return
        queue = self._own if share is None else share.waiting
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._line_up(share)
        try:
            with POOL_WAIT.labels("own" if share is None else "call").time():
                async with asyncio.timeout(WAIT_S):
                    await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the turn came at the same moment
                self.leave(share, 0)
            elif turn in queue:
                queue.remove(turn)
            if not isinstance(error, TimeoutError):
                raise
            if share is not None and not self._may_run(share):
                raise errors.exhausted("too many of this user's calls wait for the database", WAIT_MS) from None
            raise NoTurn("no connection was free in time") from None

    def leave(self, share: Share | None, held_s: float) -> None:
        """Return a connection that was held for `held_s` seconds, and charge its user."""
        self._free += 1
        if share is not None:
            share.running -= 1
            cost = min(held_s, MOST_CHARGED_S)
            share.spend(cost)
            rest_s = share.rest_after(cost)
            if rest_s:
                share.resting = True
                asyncio.get_running_loop().call_later(rest_s, self._rested, share)
            else:
                self._line_up(share)
        self._pass_on()

    def _rested(self, share: Share) -> None:
        share.resting = False
        self._line_up(share)
        self._pass_on()

    def _may_run(self, share: Share) -> bool:
        return not share.resting and share.running < (1 if share.is_busy else self.most_of_one)

    def _line_up(self, share: Share | None) -> None:
        if share is not None and share.waiting and self._may_run(share):
            self._ring.setdefault(share)

    def _pass_on(self) -> None:
        while self._free and (self._own or self._ring):
            if self._own and (self._own_next or not self._ring):
                share, queue = None, self._own
            else:
                share, _ = self._ring.popitem(last=False)
                queue = share.waiting
            self._own_next = share is not None
            if queue and (share is None or self._may_run(share)):
                self._give(queue.popleft(), share)
                self._line_up(share)

    def _give(self, turn: "asyncio.Future[None]", share: Share | None) -> None:
        if not turn.done():
            turn.set_result(None)
            self._start(share)

    def _start(self, share: Share | None) -> None:
        self._free -= 1
        if share is not None:
            share.running += 1
