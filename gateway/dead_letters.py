"""`daira dead-letters`: list and replay the events that a worker group gave up on."""

from typing import Annotated

import typer
from rich.table import Table

from gateway.records import connect_event_log
from gateway.terminal import command_group, load_settings, run, screen

app = command_group("List and replay events that reactions have failed on.")


@app.command("list")
def list_dead_letters(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """List dead letters, oldest first, with their causes."""

    async def show() -> None:
        table = Table("id", "group", "topic", "event", "cause", box=None)
        async with connect_event_log(load_settings()) as event_log:
            for letter in await event_log.dead_letters(limit):
                record = letter.record
                table.add_row(letter.id, letter.group, record.topic, str(record.event_id), letter.cause)
        screen.print(table if table.row_count else "there are none")

    run(show())


@app.command("replay")
def replay_dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="ids from `list`; default: all")] = None,
) -> None:
    """Append dead letters to their topics again. It is safe to repeat reactions."""

    async def replay() -> int:
        async with connect_event_log(load_settings()) as event_log:
            return await event_log.replay(ids)

    screen.print(f"{run(replay())} replayed")
