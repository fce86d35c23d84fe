"""`daira dead-letters`: list and replay the events that a worker group gave up on."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gateway.terminal import load_settings, run, screen

if TYPE_CHECKING:
    from storage.redis import Redis

app = typer.Typer(help="Events that a worker group gave up on.", no_args_is_help=True)


@app.command("list")
def list_dead_letters(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """List dead letters, oldest first, with their causes."""
    from storage.redis_streams import RedisStreams

    async def show(redis: "Redis") -> None:
        table = Table("id", "group", "topic", "event", "cause", box=None)
        for letter in await RedisStreams(redis).dead_letters(limit):
            record = letter.record
            table.add_row(letter.id, letter.group, record.topic, str(record.event_id), letter.cause)
        screen.print(table if table.row_count else "there are none")

    _run_on_redis(show)


@app.command("replay")
def replay_dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="ids from `list`; default: all")] = None,
) -> None:
    """Append dead letters to their topics again. Repeating a reaction that succeeded is safe."""
    from storage.redis_streams import RedisStreams

    async def replay(redis: "Redis") -> None:
        screen.print(f"{await RedisStreams(redis).replay(ids)} replayed")

    _run_on_redis(replay)


def _run_on_redis(work: "Callable[[Redis], Awaitable[None]]") -> None:
    from storage.redis import Redis

    async def connected() -> None:
        settings = load_settings()
        redis = Redis(settings.redis, settings.prefix)
        try:
            await work(redis)
        finally:
            await redis.close()

    run(connected())
