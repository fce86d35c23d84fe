"""Work that is retried: at the start until a service answers, in the background for as long as its owner lives."""

import asyncio
import random
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
    """Run `work`; on an error, log it and restart after about 1 s."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("background work failed and is restarted", work=name)
            await asyncio.sleep(RESTART_S * random.uniform(0.5, 1.5))


async def patiently(work: Any, error: type[Exception]) -> None:
    """Retry `work` for up to 30 s while it raises `error`."""
    async for attempt in stamina.retry_context(on=error, attempts=None, timeout=START_TIMEOUT_S, wait_max=1.0):
        with attempt:
            await work()


async def run_beside(closing: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` in the background until the stack closes; restart it on errors."""
    task = asyncio.create_task(again_and_again(name, work))
    closing.push_async_callback(end, task)
