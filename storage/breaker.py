"""Refuses requests to a server that is down at once, instead of letting each wait for its timeout.

`Breaker`: its requests find out. States: closed; open for a while after a failure; then one request tries, and the
others are still refused for OPEN_S.

`ProbedBreaker`: a probe finds out, so that no user's call has to try, and neither a slow request nor a busy process
opens it. States: closed → suspected, after a failure or without any answer for SILENT_S → open, once PROBES probes in a
row have failed → closed, as soon as a probe succeeds.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

from storage.metrics import BREAKER_OPEN, BREAKER_OPENED, BREAKER_REFUSED

OPEN_S = 1.0
SILENT_S = 0.5
PROBE_TIMEOUT_S = 1.0
PROBES = 2
PROBE_EVERY_S = 0.25

log = structlog.get_logger()


class _State:
    """Whether the breaker of a dependency is open, with its metrics."""

    def __init__(self, dependency: str) -> None:
        self.dependency = dependency
        self.is_open = False
        BREAKER_OPEN.labels(dependency).set(0)

    def _set(self, is_open: bool, cause: str = "") -> None:
        if is_open == self.is_open:
            return
        self.is_open = is_open
        BREAKER_OPEN.labels(self.dependency).set(is_open)
        if is_open:
            BREAKER_OPENED.labels(self.dependency).inc()
            log.warning("a dependency does not answer: requests to it are refused", dependency=self.dependency,
                        error=cause)  # fmt: skip
        else:
            log.info("a dependency answers again", dependency=self.dependency)

    def _refuse(self) -> bool:
        BREAKER_REFUSED.labels(self.dependency).inc()
        return False


class Breaker(_State):
    def __init__(self, dependency: str, clock: Callable[[], float] = lambda: time.monotonic()) -> None:
        super().__init__(dependency)
        self._clock = clock
        self._closes_at = 0.0

    @property
    def left_s(self) -> float:
        """The seconds until a request may try."""
        return max(self._closes_at - self._clock(), 0.0)

    def admits(self) -> bool:
        """Whether a request may be made now. Report how it ends."""
        if not self.is_open:
            return True
        if self.left_s:
            return self._refuse()
        self._closes_at = self._clock() + OPEN_S  # this one tries
        return True

    def succeeded(self) -> None:
        self._set(False)

    def failed(self, cause: str = "", for_s: float = OPEN_S) -> None:
        self._closes_at = self._clock() + for_s
        self._set(True, cause)


class ProbedBreaker(_State):
    def __init__(
        self, dependency: str, probe: Callable[[], Awaitable[None]], on_open: Callable[[], Awaitable[None]]
    ) -> None:
        """probe: asks the server on a connection of its own; it raises if there is no answer.

        on_open: ends the requests under way.
        """
        super().__init__(dependency)
        self._probe = probe
        self._on_open = on_open
        self._answered_at = 0.0
        self._probing: asyncio.Task[None] | None = None

    def admits(self) -> bool:
        """Whether a request may be made now."""
        if not self.is_open:
            return True
        self.suspect()  # it goes on already, unless a probe was cancelled from within
        return self._refuse()

    def watch(self) -> asyncio.TimerHandle:
        """Watch a request that is being made. Cancel the result when it has ended."""
        return asyncio.get_running_loop().call_later(SILENT_S, self._silent_since, time.monotonic())

    def answered(self) -> None:
        """The server has answered a request just now."""
        self._answered_at = time.monotonic()

    def suspect(self) -> None:
        """Find out whether the server answers, as a request to it has failed."""
        if self._probing is None or self._probing.done():
            # In a context of its own: it may outlast the work whose request failed, and its trace.
            self._probing = asyncio.create_task(self._find_out(), context=Context())

    def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()

    def _silent_since(self, asked_at: float) -> None:
        if self._answered_at < asked_at:
            self.suspect()

    async def _find_out(self) -> None:
        failed = 0
        while True:
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await self._probe()
            except Exception as error:
                failed += 1
                if failed == PROBES and not self.is_open:
                    self._set(True, f"{type(error).__name__}: {error}")
                    await self._on_open()
            else:
                self._set(False)
                return
            if self.is_open:
                await asyncio.sleep(PROBE_EVERY_S * random.uniform(0.5, 1.5))
