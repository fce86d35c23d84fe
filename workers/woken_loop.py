"""A loop that runs after each commit: PostgreSQL wakes it by NOTIFY. It also polls, less often while NOTIFY works.

Several processes may run the same loop: each turn takes a lock in PostgreSQL.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from storage import outbox, schema
from storage.cancellation import end
from storage.database import DatabaseUnavailable, listen
from storage.reach import OUT_OF_REACH
from tracing import traces

RETRY_S = 0.5

log = structlog.get_logger()


@dataclass(frozen=True)
class Pace:
    """Seconds. rest_s: from the end of one turn to the start of the next."""

    poll_s: float
    poll_while_listening_s: float
    rest_s: float = 0.0


async def run_when_woken(
    name: str, turn: Callable[[], Awaitable[bool]], pace: Pace, listen_url: str, stop: asyncio.Event
) -> None:
    """Repeat `turn` until `stop` is set. It returns whether there is more to do at once.

    A turn that fails because a service is unavailable is repeated after half a second.
    """
    await _WokenLoop(name, turn, pace, listen_url).run(stop)


class _WokenLoop:
    def __init__(self, name: str, turn: Callable[[], Awaitable[bool]], pace: Pace, listen_url: str) -> None:
        self._name = name
        self._turn = turn
        self._pace = pace
        self._listen_url = listen_url
        self._wake = asyncio.Event()
        self._poll_s = pace.poll_s

    async def run(self, stop: asyncio.Event) -> None:
        listening = asyncio.create_task(self._listen(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                has_more = False
                try:
                    with traces.work(self._name):
                        has_more = await self._turn()
                except OUT_OF_REACH as error:
                    log.warning("a loop waits for a service", loop=self._name, error=f"{type(error).__name__}: {error}")
                    await asyncio.wait({stopping}, timeout=RETRY_S * random.uniform(0.5, 1.5))
                if self._pace.rest_s:
                    await asyncio.wait({stopping}, timeout=self._pace.rest_s)
                if not has_more:
                    await self._sleep(stopping)
        finally:
            await end(listening, stopping)

    async def _sleep(self, stopping: "asyncio.Task[bool]") -> None:
        """Until the next NOTIFY or poll."""
        woken = asyncio.create_task(self._wake.wait())
        await asyncio.wait({woken, stopping}, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        self._wake.clear()

    async def _listen(self, stop: asyncio.Event) -> None:
        """Keep a connection that listens for NOTIFY. Without it, the loop only polls."""
        while not stop.is_set():
            try:
                connection = await listen(self._listen_url, outbox.CHANNEL, self._wake, schema.connection_name())
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_S)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            self._poll_s = self._pace.poll_while_listening_s
            self._wake.set()  # for what was committed before we listened
            try:
                await lost.wait()
            finally:
                self._poll_s = self._pace.poll_s
                self._wake.set()
                connection.terminate()
