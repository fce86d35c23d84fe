"""Output, settings and one-sentence errors, shared by all commands of `daira`."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings

T = TypeVar("T")
# Called with the name of what is done, and the part that is done (0 to 1).
Step: TypeAlias = Callable[[str, float], None]
screen = Console()
notes = Console(stderr=True)


def command_group(about: str) -> typer.Typer:
    """A group whose commands have names. Without a callback, typer would leave out the name of a single command."""
    group = typer.Typer(help=about, no_args_is_help=True)
    group.callback(help=about)(_no_work)
    return group


def load_settings() -> "Settings":
    """Read the settings and set up logging. Exits with code 2 and a line for each wrong setting."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from gateway.observability import configure_logs
    from gateway.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(("DAIRA", *map(str, problem["loc"]))).upper() if problem["loc"] else "settings"
            notes.print(f"[red]{name}[/]: {problem['msg']}", highlight=False)
        raise typer.Exit(2) from None
    except SettingsError as error:
        notes.print(f"[red]settings[/]: {error}: {error.__cause__}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    configure_logs(settings.log_level, settings.log_format)
    return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work on an event loop and return its result. Exits with code 1 for an expected error."""
    import uvloop

    try:
        return uvloop.run(work)
    except asyncio.CancelledError:
        raise typer.Exit(130) from None
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        fail(str(error) or type(error).__name__)


def fail(message: str) -> NoReturn:
    """Print the message and exit with code 1."""
    notes.print(f"[red]daira:[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def counting_bars() -> "Progress":
    """Return bars that show how many items are done, of how many; use it as a context manager."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=notes, transient=True)


@contextmanager
def percent_bar() -> Iterator[Step]:
    """Show one bar with the current step. Yields the function that moves it."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        task = progress.add_task("starting", total=1.0)
        yield lambda name, done: progress.update(task, description=name, completed=done)


def _no_work() -> None: ...


def _expected() -> tuple[type[Exception], ...]:
    """Errors that are printed as one sentence, without a traceback."""
    from redis.exceptions import RedisError

    from gateway.backup_folder import BackupBroken, NotEmpty
    from gateway.client import CannotConnect
    from gateway.embedded import EmbeddedError
    from gateway.settings import SettingsError
    from gateway.stores import NotMigrated
    from storage.database import DatabaseUnavailable
    from storage.dumps import DumpFailed
    from storage.event_log import EventLogUnavailable
    from storage.migrating import MigrationRefused
    from storage.objects import ObjectsUnavailable
    from storage.opensearch_link import OpenSearchRefused
    from storage.opensearch_reindex import ReindexUnderWay
    from storage.search_engine import SearchUnavailable

    return (
        SettingsError,
        EmbeddedError,
        NotMigrated,
        MigrationRefused,
        BackupBroken,
        NotEmpty,
        DumpFailed,
        CannotConnect,
        DatabaseUnavailable,
        ObjectsUnavailable,
        EventLogUnavailable,
        SearchUnavailable,
        OpenSearchRefused,
        ReindexUnderWay,
        RedisError,
        LookupError,
        OSError,
    )
