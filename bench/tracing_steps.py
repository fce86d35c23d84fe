"""`python -m bench.tracing_steps`: CPU time of each step of tracing, alone and on one event loop.

Together with how many steps a call has, this tells what `bench.tracing` can show only on a quiet machine.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import uvloop
from rich.console import Console
from rich.table import Table

from tests.tracing.sinks import Kept
from tracing import traces
from tracing.traces import Span, Trace

ROUNDS = 20
AMOUNT = 2_000
OF_A_CALL = 50  # steps


async def nothing() -> None:
    pass


async def calls(amount: int) -> None:
    for _ in range(amount):
        traces.end(traces.begin("post.create"), attributes={"rpc.method": "post.create", "daira.code": "OK"})


async def statements(amount: int) -> None:
    for number in range(amount):
        if number % OF_A_CALL == 0:
            traces.begin("post.create")
        await (nothing() if traces.recording() is None else traces.traced(nothing(), "SELECT posts"))


async def commands(amount: int) -> None:
    loop = asyncio.get_running_loop()
    for number in range(amount):
        if number % OF_A_CALL == 0:
            traces.begin("post.create")
            await asyncio.sleep(0)
        answer: asyncio.Future[None] = loop.create_future()
        if (trace := traces.recording()) is not None:
            trace.watch(answer, "EVALSHA", {})
        answer.set_result(None)


async def exports(amount: int) -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource

    from tracing.otlp import readable

    trace, resource = Trace(1, "post.create", span_id=2), Resource({"service.name": "bench"})
    span = Span("SELECT posts", "client", 1, 2, attributes={"db.system.name": "postgresql"})
    encode_spans([readable(trace, span, resource) for _ in range(amount)]).SerializeToString()


async def least(work: Callable[[int], Awaitable[None]]) -> float:
    """Return the least CPU time of several rounds, in µs for each step."""
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await work(AMOUNT)
        took.append((time.process_time() - began) / AMOUNT * 1_000_000)
    return min(took)


async def main() -> None:
    table = Table("CPU µs", "off", "not sampled", "sampled")
    for what, work in (("a call", calls), ("a statement", statements), ("a Redis command", commands)):
        found = []
        for sink in (None, Kept(samples=False, keeps_faults=False), Kept(samples=True)):
            traces.send_to(sink)
            found.append(f"{await least(work):.2f}")
            traces.send_to(None)
        table.add_row(what, *found)
    table.add_row("a span to the collector, in a thread", "", "", f"{await least(exports):.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    uvloop.run(main())
