"""`daira moderation`: undoes what a rule or a moderator has decided."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.terminal import command_group, fail, load_settings, run, screen

if TYPE_CHECKING:
    from gateway.settings import Settings

BATCH = 100  # decisions in one transaction

app = command_group("Undo decisions of moderation.")


@app.command()
def undo(
    since: Annotated[str, typer.Option(help="start of the period, such as 2026-11-29T14:00+02:00")],
    rule: Annotated[int | None, typer.Option(help="the rule whose decisions are undone")] = None,
    moderator: Annotated[
        str | None, typer.Option(metavar="USERNAME", help="the moderator whose decisions are undone")
    ] = None,
) -> None:
    """Undo all decisions of a rule or a moderator since a time, and lift their restrictions.

    Each undo has an audit row. The command works in batches. After an interruption, run it again.
    """
    if (rule is None) is (moderator is None):
        fail("name either a rule or a moderator")
    try:
        moment = datetime.fromisoformat(since).astimezone()
    except ValueError:
        fail(f"{since} is no time of ISO 8601")
    undone = run(undo_all(load_settings(), rule, moderator, moment))
    screen.print(f"undone: {undone}")


async def undo_all(settings: "Settings", rule_id: int | None, moderator: str | None, since: datetime) -> int:
    """Returns how many decisions, and findings of the rule about users, were undone.

    Raises LookupError for an unknown moderator.
    """
    from gateway.owner import owner_connection
    from storage import decisions, users

    async with owner_connection(settings.owner_database) as connection:
        moderator_id = await users.require_id(connection, moderator) if moderator is not None else None
        undone, batch = 0, BATCH
        while batch == BATCH:
            batch = await decisions.end_many(
                connection, rule_id=rule_id, moderator_id=moderator_id, since=since, limit=BATCH
            )
            undone += batch
        return undone
