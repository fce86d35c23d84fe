"""Work that goes on beside everything else: started, kept going, and ended for certain."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import stamina
import structlog

from storage.cancellation import end

RESTART_S = 1.0
START_TIMEOUT_S = 30.0

log = structlog.get_logger()


async def again_and_again(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Until it returns; what breaks in it is logged, and it begins anew."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("background work broke and begins anew", work=name)
            await asyncio.sleep(RESTART_S)


async def patiently(work: Any, error: type[Exception]) -> None:
    async for attempt in stamina.retry_context(on=error, attempts=None, timeout=START_TIMEOUT_S, wait_max=1.0):
        with attempt:
            await work()


async def run_beside(closing: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Work that ends with the stack, and not before."""
    task = asyncio.create_task(again_and_again(name, work))
    closing.push_async_callback(end, task)
