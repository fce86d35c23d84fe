"""The trace of the work that a task does: of a call, or of a reaction to an event.

Each trace has an id. Log lines of the work carry it, errors carry it as `request_id`, and events carry it to workers.
While traces are exported, a trace also gathers spans: statements, Redis commands, pushes. At its end it is kept if it
is sampled, or if it is a fault; otherwise it is dropped. Other processes continue only sampled traces.
"""

import asyncio
import random
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import time_ns
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from tracing import traceparent

Kind = Literal["server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]

MOST_SPANS = 500  # of one trace in one process
NEGLIGIBLE_NS = 1_000_000
NO_ATTRIBUTES: Attributes = {}

T = TypeVar("T")

_random = random.Random().getrandbits  # a generator of its own: clients see what it makes


class Span(msgspec.Struct, gc=False):
    """One step of the work. began, ended: ns since 1970. fault: the name of what it raised, or the code; or empty.

    id: 0 if no other span refers to it.
    """

    name: str
    kind: Kind
    began: int
    ended: int
    fault: str = ""
    id: int = 0
    attributes: Attributes = NO_ATTRIBUTES


class Trace(msgspec.Struct, gc=False):
    """This process's part of a trace. parent_id: of the span in another process that caused the work, or 0.

    spans: None before the first, after the end, and while nobody takes them. room: for so many further spans.
    """

    id: int
    name: str
    kind: Kind = "server"
    is_sampled: bool = False
    parent_id: int = 0
    span_id: int = 0
    began: int = 0
    spans: list[Span] | None = None
    room: int = 0
    lost: int = 0

    @property
    def hex(self) -> str:
        return f"{self.id:032x}"

    @property
    def context(self) -> str:
        """The `traceparent` of this work."""
        if not self.span_id:
            self.span_id = _random(64)
        return traceparent.write(self.id, self.span_id, is_sampled=self.is_sampled)

    def add(self, span: Span) -> None:
        """Add a step. After the end of a trace that is kept, further steps are exported one by one."""
        if self.room <= 0:
            self.lost += 1
            return
        self.room -= 1
        if self.spans is not None:
            self.spans.append(span)
        elif _sink is not None:
            _sink.take(self, [span])

    def watch(self, answer: "asyncio.Future[Any]", name: str, attributes: Attributes) -> None:
        """Add a step that ends when the future is done."""
        began = time_ns()

        def ended(future: "asyncio.Future[Any]") -> None:
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            self.add(Span(name, "client", began, time_ns(), type(error).__name__ if error else "", 0, attributes))

        answer.add_done_callback(ended)


class Sink(Protocol):
    """Takes finished spans. It must neither block nor raise."""

    def samples(self, trace_id: int) -> bool: ...

    def may_keep_fault(self) -> bool:
        """Whether a trace that is not sampled may be kept for its fault."""

    def take(self, trace: Trace, spans: Sequence[Span]) -> None: ...


class OpenSpan:
    """A step that another process may continue, or of a trace that began in another process."""

    __slots__ = ("_began", "_counts", "_id", "_kind", "_name", "_trace")

    def __init__(self, trace: Trace, name: str, kind: Kind) -> None:
        self._counts: dict[str, int] = {}
        self._trace = trace
        self._name = name
        self._kind = kind
        self._id = _random(64)
        self._began = time_ns()

    @property
    def context(self) -> str:
        """The `traceparent` of this step, for those who continue it; empty if the trace is not sampled."""
        trace = self._trace
        return traceparent.write(trace.id, self._id, is_sampled=True) if trace.is_sampled else ""

    def count(self, name: str, more: int) -> None:
        self._counts[name] = self._counts.get(name, 0) + more

    def end(self) -> None:
        self._trace.add(Span(self._name, self._kind, self._began, time_ns(), "", self._id, self._counts))


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
_sink: Sink | None = None


def send_to(sink: Sink | None) -> None:
    """Gather spans from now on, for this sink; None: gather none."""
    global _sink
    _sink = sink


# ---------------------------------------------------------------------------------------------- the work of a task


def begin(name: str) -> Trace:
    """Begin the trace of this task's work."""
    trace = Trace(_random(128), name)
    if _sink is not None:
        trace.is_sampled = _sink.samples(trace.id)
        _open(trace)
    _current.set(trace)
    return trace


def resume(name: str, parent: str) -> Trace:
    """Begin this process's part of a trace. parent: the `traceparent` of its cause; without one, a new trace begins."""
    remote = traceparent.read(parent)
    if remote is None:
        trace = begin(name)
    else:
        trace = Trace(remote.trace_id, name, is_sampled=remote.is_sampled, parent_id=remote.span_id)
        if _sink is not None:
            _open(trace)
        _current.set(trace)
    trace.kind = "consumer"
    return trace


def end(trace: Trace, *, fault: str = "", keep: bool = False, attributes: Attributes = NO_ATTRIBUTES) -> None:
    """End the work. keep: also if the trace is not sampled, as far as the sink allows; its further parts are not."""
    spans, trace.spans = trace.spans, None
    if spans is None or _sink is None:
        return
    if trace.is_sampled or (keep and _sink.may_keep_fault()):
        spans.append(Span(trace.name, trace.kind, trace.began, time_ns(), fault, trace.span_id, attributes))
        _sink.take(trace, spans)
    else:
        trace.room = 0


@contextmanager
def work(name: str) -> Iterator[Trace]:
    """The body is work that no call has caused, such as a turn of a loop: a trace of its own."""
    trace, fault = begin(name), ""
    try:
        yield trace
    except BaseException as error:
        fault = type(error).__name__
        raise
    finally:
        end(trace, fault=fault, keep=bool(fault))
        leave()


def leave() -> None:
    """This task's further work belongs to no trace."""
    _current.set(None)


@contextmanager
def working_for(trace: Trace | None) -> Iterator[None]:
    """The body is work of that trace."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Trace | None:
    return _current.get()


def current_context() -> str:
    """The `traceparent` of the current work, sampled or not; empty without a trace."""
    trace = _current.get()
    return trace.context if trace is not None else ""


def new_id() -> str:
    """The id of a call that is refused before it begins."""
    return f"{_random(128):032x}"


def _open(trace: Trace) -> None:
    trace.span_id, trace.began, trace.spans, trace.room = _random(64), time_ns(), [], MOST_SPANS


# ---------------------------------------------------------------------------------------------- its steps


def recording() -> Trace | None:
    """The current trace, if it takes spans."""
    trace = _current.get()
    return trace if trace is not None and (trace.spans is not None or trace.room) else None


async def traced(work: Awaitable[T], name: str, attributes: Attributes = NO_ATTRIBUTES) -> T:
    """Await the work, which asks another server, as a step of the current trace."""
    if recording() is None:
        return await work
    with asking(name, attributes):
        return await work


@contextmanager
def asking(name: str, attributes: Attributes = NO_ATTRIBUTES) -> Iterator[None]:
    """Ask another server within the context, as a step of the current trace."""
    trace = recording()
    if trace is None:
        yield
        return
    began, fault = time_ns(), ""
    try:
        yield
    except BaseException as error:
        fault = type(error).__name__
        raise
    finally:
        trace.add(Span(name, "client", began, time_ns(), fault, 0, attributes))


def waited(name: str, began: int) -> None:
    """Add a step for time in a queue, unless it is negligible. began: ns since 1970."""
    trace = recording()
    if trace is not None and time_ns() - began > NEGLIGIBLE_NS:
        trace.add(Span(name, "client", began, time_ns()))


def open_step(name: str, kind: Kind) -> OpenSpan | None:
    """A step of the current trace that others may continue; None if it takes no spans."""
    trace = recording()
    return OpenSpan(trace, name, kind) if trace is not None else None


def open_span(parent: str, name: str, kind: Kind) -> OpenSpan | None:
    """A step of a trace from another process; None if that is not sampled, or no spans are exported."""
    if _sink is None or not parent.endswith(traceparent.SAMPLED) or (remote := traceparent.read(parent)) is None:
        return None
    return OpenSpan(Trace(remote.trace_id, name, is_sampled=True, span_id=remote.span_id, room=1), name, kind)
