"""Who is next for a connection to PostgreSQL: each user has a queue of their own, and users take turns.

One user holds a small part of the connections, however many calls of theirs wait. A busy user (see `shares`) holds
one; a heavy user gets the next once time has paid back what the last transaction cost. Work that is not a user's own
call, such as signing people in, takes every other turn.
"""

import asyncio
from collections import OrderedDict, deque

from protocol import errors
from storage.metrics import POOL_WAIT
from storage.shares import Share

WAIT_S = 2.0
# A transaction may wait for a lock, or for a server that is slow for all: its user is not charged for all of that.
MOST_CHARGED_S = 0.1
WAIT_MS = 1_000  # told to whose own calls are in the way


class NoTurn(Exception):
    """All connections are taken by others for too long."""


class FairQueue:
    def __init__(self, slots: int) -> None:
        self.most_of_one = max(slots // 5, min(2, slots - 1))
        self._free = slots
        self._own: deque[asyncio.Future[None]] = deque()  # of work that is nobody's call
        self._own_next = True
        self._ring: OrderedDict[Share, None] = OrderedDict()  # who waits and may hold one more

    async def enter(self, share: Share | None) -> None:
        """Returns once a connection may be taken. Raises NoTurn; RESOURCE_EXHAUSTED where only own calls hold it up."""
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
            if turn.done() and not turn.cancelled():  # at this very moment it was given
                self.leave(share, 0)
            elif turn in queue:
                queue.remove(turn)
            if not isinstance(error, TimeoutError):
                raise
            if share is not None and not self._may_run(share):
                raise errors.exhausted("too many of this user's calls wait for the database", WAIT_MS) from None
            raise NoTurn("no connection was free in time") from None

    def leave(self, share: Share | None, held_s: float) -> None:
        """The connection, which was held for so long, is free again; its user is charged."""
        self._free += 1
        if share is not None:
            share.running -= 1
            cost = min(held_s, MOST_CHARGED_S)
            share.spend(cost)
            if share.is_heavy and cost:
                share.resting = True
                asyncio.get_running_loop().call_later(share.pays_back_in(cost), self._rested, share)
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
