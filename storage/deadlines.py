"""The deadline of the call that the current task answers.

It holds for that task alone: tasks that a call starts may also work for other calls, or outlive it.
"""

import asyncio
from contextvars import ContextVar
from typing import Any

_deadline: ContextVar["tuple[asyncio.Task[Any] | None, float]"] = ContextVar("deadline", default=(None, 0.0))


def set_deadline(at: float) -> None:
    """Set the deadline of the current task. at: loop time."""
    _deadline.set((asyncio.current_task(), at))


def left_s() -> float | None:
    """The seconds left until the task's deadline; None if it has none. Raises TimeoutError if it has passed."""
    task, at = _deadline.get()
    if task is None or task is not asyncio.current_task():
        return None
    left = at - asyncio.get_running_loop().time()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left
