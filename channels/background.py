"""Tasks that no caller waits for."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import structlog

from storage.reach import OUT_OF_REACH

log = structlog.get_logger()


class Background:
    """Runs tasks and logs their failures. A task whose service does not answer is lost: its owner must have a retry."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Future[Any]] = set()

    def run(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, OUT_OF_REACH):
            log.warning("background work was lost", work=self._name, error=f"{type(error).__name__}: {error}")
        else:
            log.error("background work broke", work=self._name, exc_info=error)
