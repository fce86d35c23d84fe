"""Asks in batches: while one question is under way, further ones are collected and asked together.

A single question waits for no batch, and a crowd costs one query for every 200 questions. That query belongs to one of
their traces: to a sampled one, if there is one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import structlog

from storage.database import DatabaseUnavailable
from storage.reach import OUT_OF_REACH
from tracing import traces
from tracing.traces import Trace

LARGEST_BATCH = 200
MOST_WAITING = 10_000

G = TypeVar("G", bound=Hashable)
Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")

log = structlog.get_logger()


class _Waiting(NamedTuple, Generic[A]):
    answer: "asyncio.Future[A | None]"
    trace: Trace | None


class Batches(Generic[G, Q, A]):
    """`ask` gets questions of one group, and returns the answers by question."""

    def __init__(self, ask: Callable[[G, Sequence[Q]], Awaitable[Mapping[Q, A]]]) -> None:
        self._ask = ask
        self._waiting: dict[G, dict[Q, _Waiting[A]]] = {}  # of the groups with a question under way
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, group: G, question: Q) -> A | None:
        """Returns None if `ask` has no answer. Raises DatabaseUnavailable and what `ask` raises."""
        waiting = self._waiting.get(group)
        if waiting is None:
            self._waiting[group] = {}
            try:
                return (await self._ask(group, [question])).get(question)
            finally:
                self._go_on(group)
        known = waiting.get(question)
        if known is None:
            if len(waiting) >= MOST_WAITING:
                raise DatabaseUnavailable("too many questions wait")
            known = waiting[question] = _Waiting(asyncio.get_running_loop().create_future(), traces.current())
        return await asyncio.shield(known.answer)

    def _go_on(self, group: G) -> None:
        if self._waiting[group]:
            task = asyncio.create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            del self._waiting[group]

    async def _run(self, group: G) -> None:
        waiting = self._waiting[group]
        batch = {question: waiting.pop(question) for question in list(waiting)[:LARGEST_BATCH]}
        asked_by = [each.trace for each in batch.values() if each.trace is not None]
        trace = next((each for each in asked_by if each.is_sampled), asked_by[0] if asked_by else None)
        try:
            with traces.working_for(trace):
                answers = await self._ask(group, list(batch))
        except Exception as error:
            kind: type[Exception] = type(error)
            if not isinstance(error, OUT_OF_REACH):
                log.exception("a batch could not be asked")
                kind = DatabaseUnavailable
            for answer, _ in batch.values():
                if not answer.done():
                    answer.set_exception(kind(str(error)))  # one for each: a shared traceback would grow
                    answer.exception()  # mark it as seen: no caller may be waiting
        else:
            for question, (answer, _) in batch.items():
                if not answer.done():
                    answer.set_result(answers.get(question))
        finally:
            self._go_on(group)
