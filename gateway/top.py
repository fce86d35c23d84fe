"""`daira top`: a live view of all nodes and workers, made of what their sidecars export."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Column, Table

from gateway.terminal import fail, load_settings, notes, run, screen

REDIS_TIMEOUT_S = 2.0

if TYPE_CHECKING:
    from gateway.overview import Backlog, Load, Overview, Process
    from gateway.settings import Settings


def top(
    sidecars: Annotated[
        list[str] | None,
        typer.Option("--sidecar", metavar="URL", help="address of a process's sidecar; default: all processes"),
    ] = None,
    every: Annotated[float, typer.Option(min=0.5, max=60, help="seconds between two updates")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="print once and exit")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print once as JSON and exit")] = False,
) -> None:
    """Show connections, calls, pushes, lag and the slowest methods, live over all nodes and workers."""
    settings = load_settings()
    if once or as_json or not screen.is_terminal:
        found = run(_look_once(settings, sidecars or [], every))
        if as_json:
            print(json.dumps(asdict(found), ensure_ascii=False))
        else:
            screen.print(_shown(found))
    else:
        run(_look_until_stopped(settings, sidecars or [], every))


async def _look_once(settings: "Settings", urls: Sequence[str], every: float) -> "Overview":
    async with aclosing(_snapshots(settings, urls, every)) as snapshots:
        return await anext(snapshots)


async def _look_until_stopped(settings: "Settings", urls: Sequence[str], every: float) -> None:
    from gateway.processes import stop_on_signals
    from storage.cancellation import end

    with Live(console=screen, screen=True, auto_refresh=False) as live:
        live.update("looking for nodes and workers …", refresh=True)

        async def look() -> None:
            async with aclosing(_snapshots(settings, urls, every)) as snapshots:
                async for found in snapshots:
                    live.update(_shown(found), refresh=True)

        looking = asyncio.create_task(look())
        stopped = asyncio.create_task(stop_on_signals().wait())
        await asyncio.wait({looking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await end(stopped)
        if looking.done():
            looking.result()
        await end(looking)


async def _snapshots(settings: "Settings", urls: Sequence[str], every: float) -> "AsyncGenerator[Overview]":
    """Endless. Without URLs, reads the addresses of sidecars from Redis each time. Exits if none has ever answered."""
    import aiohttp

    from gateway.overview import snapshot
    from gateway.scrapes import scrape_all
    from storage.cancellation import end
    from storage.redis import RedisError
    from storage.redis_servers import servers_of
    from storage.shards import Shards
    from storage.sidecars import Sidecars

    shards = None if urls else Shards(servers_of(settings.redis), settings.prefix, ())
    starting = asyncio.ensure_future(shards.start() if shards else asyncio.sleep(0))
    asked = list(urls)
    before = None
    try:
        async with aiohttp.ClientSession() as session:
            while True:
                if shards is not None:
                    try:
                        await asyncio.wait({starting}, timeout=REDIS_TIMEOUT_S)
                        asked = await Sidecars(shards).known() or asked
                    except RedisError as error:  # then most of all an operator wants to see something
                        if not asked:
                            asked = _local(settings)
                            notes.print(f"Redis does not tell which sidecars there are: {error}", soft_wrap=True)
                after = await scrape_all(session, asked)
                if before is not None:
                    yield snapshot(before, after)
                elif not any(after.values()):
                    fail(f"no sidecar answers ({', '.join(asked) or 'none is announced'}): name one with --sidecar")
                before = after
                await asyncio.sleep(every)
    finally:
        await end(starting)
        if shards is not None:
            await shards.stop()


def _local(settings: "Settings") -> list[str]:
    return [f"http://{settings.host}:{port}" for port in (settings.sidecar_port, settings.worker_sidecar_port)]


def _shown(found: "Overview") -> RenderableType:
    return Group(_processes(found), "", _backlog(found.backlog), "", _methods(found))


def _processes(found: "Overview") -> Table:
    right = [
        Column(title, justify="right")
        for title in ("sockets", "calls/s", "errors/s", "p95", "pushes/s", "push p95", "loop p95", "reactions/s")
    ]
    table = Table("process", "", *right, "down", box=None)
    for process in found.processes:
        table.add_row(process.url.removeprefix("http://"), process.kind, *_cells(process.load), _down(process))
    table.add_row("[bold]all", "", *_cells(found.total), "")
    return table


def _cells(load: "Load | None") -> list[str]:
    if load is None:
        return ["–"] * 8
    return [
        f"{load.connections:,}", _rate(load.calls), _red(_rate(load.errors), load.errors > 0.02 * load.calls),
        _time(load.call_p95, 0.5), _rate(load.pushes), _time(load.push_p95, 0.5), _time(load.loop_p95, 0.1),
        _rate(load.reactions),
    ]  # fmt: skip


def _down(process: "Process") -> str:
    return f"[red]{'does not answer' if process.load is None else ', '.join(process.down)}"


def _backlog(backlog: "Backlog") -> Table:
    table = Table("waiting", "", box=None)
    oldest = f"{_time(backlog.outbox_age, 30)} old"
    table.add_row("outbox", f"{backlog.outbox:,} events" + (f", {oldest}" if backlog.outbox else ""))
    lag = ", ".join(_red(f"{group} {records:,}", records > 1_000) for group, records in backlog.lag.items() if records)
    table.add_row("event log", lag or "no group is behind")
    table.add_row("dead letters", _red(f"{backlog.dead_letters:,}", backlog.dead_letters > 0))
    table.add_row("counts", f"{_time(backlog.counts_age, 30)} behind")
    table.add_row("files", f"{_time(backlog.media_age, 600)} behind")
    table.add_row("Redis", _red(f"{backlog.redis_memory:.0%} of its memory", backlog.redis_memory > 0.8))
    return table


def _methods(found: "Overview") -> Table:
    right = [Column(title, justify="right") for title in ("p95", "calls/s", "errors/s")]
    table = Table("slowest methods", *right, box=None)
    for method in found.slowest:
        errors = _red(_rate(method.errors), method.errors > 0.02 * method.calls)
        table.add_row(method.name, _time(method.p95, 0.5), _rate(method.calls), errors)
    if not found.slowest:
        table.add_row("no calls")
    return table


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or not value else f"{value:.1f}"


def _time(seconds: float | None, late: float) -> str:
    if seconds is None:
        return "–"
    shown = f"{seconds * 1_000:,.1f} ms" if seconds < 1 else f"{seconds:,.1f} s"
    return _red(shown, seconds > late)


def _red(text: str, is_bad: bool) -> str:
    return f"[red]{text}[/]" if is_bad else text
