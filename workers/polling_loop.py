"""A loop that looks for due work at fixed intervals. Several processes may run it: each turn locks what it takes."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from storage.reach import OUT_OF_REACH
from tracing import traces

log = structlog.get_logger()


async def run_polling(name: str, turn: Callable[[], Awaitable[bool]], poll_s: float, stop: asyncio.Event) -> None:
    """Repeat `turn` until `stop` is set. It returns whether there is more to do at once.

    A turn that fails because a service is unavailable is repeated after `poll_s`.
    """
    while not stop.is_set():
        try:
            with traces.work(name):
                has_more = await turn()
            if has_more:
                continue
        except OUT_OF_REACH as error:
            log.warning("a loop waits for a service", loop=name, error=f"{type(error).__name__}: {error}")
        try:
            async with asyncio.timeout(poll_s):
                await stop.wait()
        except TimeoutError:
            continue
