"""Time awaited work, and print the results as a table."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table


class Timing(NamedTuple):
    """Milliseconds. `cpu`: of this process for each round, with the client and background work."""

    p50: float
    p95: float
    p99: float
    cpu: float


class Row(NamedTuple):
    """One measurement and the bare cost of the same work; `target` is the design's for p50/p95/p99."""

    what: str
    ours: Timing
    bare_what: str
    bare: Timing
    target: str


async def timed(what: str, work: Callable[[int], Awaitable[object]], rounds: int, warm_up: int = 5) -> Timing:
    """Time `work`, called with the number of the round. If it returns seconds, they replace the measured duration."""
    for number in range(warm_up):
        await work(-1 - number)
    samples = []
    cpu = time.process_time()
    for number in track(range(rounds), description=what, console=Console(stderr=True), transient=True):
        began = time.perf_counter()
        told = await work(number)
        seconds = told if isinstance(told, float) else time.perf_counter() - began
        samples.append(seconds * 1_000)
    cpu = (time.process_time() - cpu) / rounds * 1_000
    samples.sort()
    p50, p95, p99 = (samples[min(int(len(samples) * share), len(samples) - 1)] for share in (0.5, 0.95, 0.99))
    return Timing(p50, p95, p99, cpu)


def print_table(rows: list[Row]) -> None:
    table = Table(
        "measured",
        "p50 / p95 / p99 ms",
        "CPU ms",
        "bare cost in the same run",
        "p50 / p95 / p99 ms",
        "CPU ms",
        "ratio of p50",
        "of CPU",
        "target",
    )
    for row in rows:
        table.add_row(
            row.what,
            _show_three(row.ours),
            _show(row.ours.cpu),
            row.bare_what,
            _show_three(row.bare),
            _show(row.bare.cpu),
            f"{row.ours.p50 / row.bare.p50:.1f} x",
            f"{row.ours.cpu / row.bare.cpu:.1f} x",
            row.target,
        )
    Console(width=160).print(table)


def _show_three(timing: Timing) -> str:
    return " / ".join(map(_show, (timing.p50, timing.p95, timing.p99)))


def _show(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds >= 1 else f"{milliseconds:.2f}"
