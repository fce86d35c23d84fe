"""Output, settings and one-sentence errors, shared by all commands of `daira`."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from gateway.settings import Settings

T = TypeVar("T")
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
