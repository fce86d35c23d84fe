"""`make bench-realtime`: measure the gateway and its peers, round by round, in one run.

Rounds are interleaved (ours, node, stock, ours, …), so that a slow phase of the machine affects all contenders.
"""

import asyncio
import gc
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.realtime import broadcasts, calls, connections, presence, report, rooms
from bench.realtime.contenders import ALL, Contender, Ours
from bench.realtime.load import LoadError
from bench.realtime.processes import ROOT, ProcessFailed
from bench.realtime.results import Results, show
from bench.realtime.scenario import Scenario
from bench.realtime.stage import FULL, QUICK, Sizes, on_stage
from bench.realtime.world import World, open_world
from gateway.observability import configure_logs

SCENARIOS: tuple[Scenario, ...] = (
    *broadcasts.SCENARIOS, *calls.SCENARIOS, *connections.SCENARIOS, *rooms.SCENARIOS, *presence.SCENARIOS,
)  # fmt: skip
NAMES = [scenario.name for scenario in SCENARIOS]
ROUND_TIMEOUT_S = 900.0
READERS = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
notes = Console(stderr=True)


@app.command()
def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="small sizes and one round, to check that everything works")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"one scenario of: {', '.join(NAMES)}; repeatable")] = None,
    against: Annotated[list[str] | None, typer.Option(help="one contender; repeatable; default: all")] = None,
    rounds: Annotated[int, typer.Option(help="rounds of each contender in each scenario; default: 3")] = 0,
    docs: Annotated[Path | None, typer.Option(help="folder to write to; default: docs, or .bench with --quick")] = None,
) -> None:
    """Measure the gateway and its peers, and write docs/benchmarks.md."""
    unknown = {*(only or ())} - {*NAMES} or {*(against or ())} - {contender.name for contender in ALL}
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}")
    configure_logs("error", "json")
    folder = docs or ROOT / (".bench" if quick else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "benchmarks" / "realtime.json"
    kept.parent.mkdir(exist_ok=True)
    results = Results.read(kept)
    results.where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%B %Y')}"
    scenarios = [scenario for scenario in SCENARIOS if not only or scenario.name in only]
    try:
        uvloop.run(run(scenarios, against or [], QUICK if quick else FULL, rounds or (1 if quick else 3), results))
    finally:
        results.write(kept)
        report.write_document(folder, results, SCENARIOS)
        report.print_tables(results, scenarios)


async def run(scenarios: list[Scenario], against: list[str], sizes: Sizes, rounds: int, results: Results) -> None:
    contenders = [contender for contender in ALL if _is_here(contender, against)]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        tempfile.TemporaryDirectory(prefix="daira-bench-") as folder,
        Progress(*columns, TimeElapsedColumn(), console=notes) as progress,
    ):
        task = progress.add_task("starting servers", total=None)
        async with open_world(Path(folder), sizes.people, sizes.rooms, READERS) as world:
            # With thousands of sockets, a full garbage collection takes longer than the intervals measured here.
            gc.collect()
            gc.freeze()
            gc.disable()
            plan = [
                (scenario, contender, number)
                for scenario in scenarios
                for number in range(rounds)
                for contender in contenders
                if contender in scenario.contenders
            ]
            progress.update(task, total=len(plan))
            for scenario, contender, number in plan:
                if number == 0 and contender is Ours:  # Ours is first, and in all scenarios
                    results.begin(scenario)
                progress.update(task, description=f"{scenario.name}, {contender.name}, round {number + 1}")
                await _measure(scenario, contender, world, sizes, results, progress)
                progress.advance(task)


async def _measure(
    scenario: Scenario, contender: type[Contender], world: World, sizes: Sizes, results: Results, progress: Progress
) -> None:
    """Measure one round. A contender's failure is printed and costs it this round; the run continues."""
    playing = contender(world)
    try:
        async with (
            asyncio.timeout(ROUND_TIMEOUT_S),
            on_stage(
                playing, world, sizes,
                nodes=scenario.nodes, room_size=scenario.room_size(sizes), publishes=scenario.publishes,
                works=scenario.works,
            ) as stage,
        ):  # fmt: skip
            values = await scenario.measure(stage)
    except (LoadError, ProcessFailed, OSError, TimeoutError) as error:
        said = f"{scenario.name}, {contender.name}: {type(error).__name__} {error}"
        progress.console.print(said, style="red", markup=False, highlight=False)
        for process in playing.nodes:
            progress.console.print(process.last_words, style="dim", markup=False, highlight=False)
        return
    finally:
        gc.collect()
    results.add(scenario, contender.name, values)
    said = ", ".join(f"{key} {show(value)}" for key, value in values.items())
    progress.console.print(f"{scenario.name}, {contender.name}: {said}", highlight=False)


def _is_here(contender: type[Contender], against: list[str]) -> bool:
    if against and contender.name not in (*against, "ours"):
        return False
    reason = contender.missing()
    if reason:
        notes.print(f"{contender.label} is skipped: {reason}")
    return reason is None


if __name__ == "__main__":
    app()
