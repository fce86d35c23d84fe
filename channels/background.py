"""Tasks that no caller waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from storage.cancellation import end
from storage.reach import OUT_OF_REACH

log = structlog.get_logger()


class Background:
    """Runs tasks and logs their failures. A task whose service does not answer is lost: its owner must have a retry."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[object]] = set()

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self, within_s: float) -> None:
        """Wait for the tasks, and cancel those that take longer."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within_s)
            await end(*late)

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, OUT_OF_REACH):
            log.warning("background work was lost", work=self._name, error=f"{type(error).__name__}: {error}")
        else:
            log.error("background work failed", work=self._name, exc_info=error)
