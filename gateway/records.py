"""`daira log`: watch the events of a topic, and let a worker group read them again."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.terminal import command_group, fail, load_settings, run, screen

if TYPE_CHECKING:
    from gateway.settings import Settings
    from storage.event_log import EventLog, LogPlace

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

app = command_group("The event log, which carries events to worker groups.")


@app.command("tail")
def tail(topic: Annotated[str, typer.Argument(help="such as post.created")]) -> None:
    """Print the events of a topic as they are appended, one per line: place, id, key and payload."""
    _check_topic(topic)

    async def show() -> None:
        async with connect_event_log(load_settings()) as event_log:
            async for place, record in event_log.tail(topic):
                where = f"{place.partition}:{place.position}"
                print(where, record.event_id, record.key, record.payload.decode(errors="replace"), flush=True)

    run(show())


@app.command("replay")
def replay(
    topic: Annotated[str, typer.Argument(help="such as post.created")],
    group: Annotated[str, typer.Option(help="the worker group that reads it again")],
    start: Annotated[
        str, typer.Option("--from", help="how long ago (90s, 15m, 2h, 1d), a time in ISO 8601, or PARTITION:POSITION")
    ],
) -> None:
    """Let a group read a topic again; its workers may run. It is safe to repeat reactions."""
    from gateway.stores import open_database

    _check_topic(topic)
    to = _parse_start(start)

    async def rewind() -> int:
        settings = load_settings()
        async with (
            open_database(settings.worker_database, 1, serves=False) as database,
            connect_event_log(settings) as event_log,
        ):
            return await event_log.rewind(group, topic, to, database)

    screen.print(f"{group} reads {run(rewind())} partitions of {topic} again", highlight=False)


@app.command("forget")
def forget(group: Annotated[str, typer.Argument(help="a worker group that this release does not have")]) -> None:
    """Delete the positions of a worker group that no release has any more, so that no event waits for it."""
    from gateway.app import worker_names

    if group in worker_names():
        fail(f"{group} is a worker group of this release: its events wait until `daira work {group}` runs")

    async def delete() -> int:
        async with connect_event_log(load_settings()) as event_log:
            return await event_log.forget(group)

    screen.print(f"{group} is forgotten in {run(delete())} partitions", highlight=False)


@asynccontextmanager
async def connect_event_log(settings: "Settings") -> "AsyncIterator[EventLog]":
    from gateway.event_logs import open_event_log
    from gateway.stores import open_shards

    async with open_shards(settings) as shards, open_event_log(settings, shards) as event_log:
        yield event_log


def _parse_start(text: str) -> "datetime | LogPlace":
    from storage.event_log import LogPlace

    if found := re.fullmatch(r"(\d+)([smhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    if found := re.fullmatch(r"(\d+):(\d+(?:-\d+)?)", text):
        return LogPlace(int(found[1]), found[2])
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        fail(f"--from is {text}: give 15m, 2026-11-28T20:00:00Z, or 3:1200")


def _check_topic(topic: str) -> None:
    from protocol.events import EVENTS

    if topic not in EVENTS:
        fail(f"there is no topic {topic}: known are {', '.join(sorted(EVENTS))}")
