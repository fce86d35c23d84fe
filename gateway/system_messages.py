"""`daira notify`: sends a message to one user or to all, as a notification."""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.terminal import counting_bars, fail, load_settings, run, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings

PAGE = 500  # users


def notify(
    text: Annotated[str, typer.Argument(help="one line of at most 300 characters")],
    to: Annotated[str | None, typer.Option(metavar="USERNAME", help="the user who gets it")] = None,
    to_all: Annotated[bool, typer.Option("--all", help="send it to all active users")] = False,
    again: Annotated[bool, typer.Option("--again", help="send it again, although it was sent in the last day")] = False,
) -> None:
    """Send a message to a user or all users as a notification. Run it again after an interruption: it continues."""
    from protocol.errors import CallError
    from protocol.text import Text

    if (to is None) is not to_all:
        fail("name a user with --to, or choose --all")
    try:
        message = Text(1, 300, lines=False).clean("the text", text)
    except CallError as error:
        fail(f"the text {error.details[0].reason}")
    with counting_bars() as progress:
        told = run(send(load_settings(), message, to, progress, again=again))
    if told is None:
        fail("this message was sent in the last day: --again sends it once more")
    screen.print(f"users to be notified by the workers: {told}")


async def send(settings: "Settings", text: str, to: str | None, progress: "Progress", *, again: bool) -> int | None:
    """Returns how many users get an event; None if the message was sent lately. Raises LookupError without the user."""
    from gateway.owner import owner_connection
    from storage import system_messages

    async with owner_connection(settings.owner_database) as connection:
        user_id = None if to is None else await system_messages.user_id(connection, to)
        begun = await system_messages.begin(connection, text, user_id, again=again)
        if begun is None:
            return None
        bar = progress.add_task("users", total=begun.left)
        told, page = 0, PAGE
        while page == PAGE:
            page = await system_messages.notify_page(connection, begun.id, PAGE)
            told += page
            progress.advance(bar, page)
        return told
