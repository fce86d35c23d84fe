"""Cancels tasks reliably."""

import asyncio
from typing import Any

AGAIN_AFTER_S = 0.5


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks repeatedly until they end: a library may swallow a cancellation (redis-py's timeouts do)."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_AFTER_S)
