"""`daira`: one command for each task of a developer or an operator."""

import io
import json
import os
import socket
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Column, Table
from typer.core import TyperCommand

from gateway import (
    backups,
    checks,
    dead_letters,
    evaluations,
    learning,
    moderation,
    records,
    sealing,
    search_index,
    system_messages,
    top,
)
from gateway.terminal import fail, load_settings, notes, percent_bar, run, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings

# Each command imports the modules that it runs, so that `--help` and `call` do not wait for the gateway's.
app = typer.Typer(
    help="DAIRA (دائرة): the realtime backend of a social network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def up(
    with_demo: Annotated[bool, typer.Option("--demo/--no-demo", help="add demo users on the first start")] = False,
    event_log: Annotated[
        Literal["redis", "kafka"],
        typer.Option(help="the event log between relay and workers; Kafka needs `make kafka`"),
    ] = "redis",
) -> None:
    """Run everything on this machine: servers, gateway, workers."""
    from gateway import processes

    if "DAIRA_LOG_FORMAT" not in os.environ and sys.stderr.isatty():
        os.environ["DAIRA_LOG_FORMAT"] = "console"
    settings = load_settings().for_a_laptop()
    with _spinner() as progress:
        task = progress.add_task("starting", total=None)

        def ready(pair: tuple[str, str] | None) -> None:
            progress.stop()
            _welcome(settings, pair)

        def step(name: str) -> None:
            progress.update(task, description=name)

        with_kafka = event_log == "kafka"
        run(processes.up(settings, with_demo=with_demo, with_kafka=with_kafka, progress=step, ready=ready))


@app.command()
def erase() -> None:
    """Remove all data of the servers that `daira up` runs in the data folder."""
    from gateway.embedded import EmbeddedError, EmbeddedServers, find_servers

    settings = load_settings()
    try:
        if find_servers(settings.data_dir) is None:
            fail(f"there are no servers in {settings.data_dir}")
        EmbeddedServers(settings.data_dir).erase()
    except EmbeddedError as error:
        fail(str(error))
    screen.print(f"{settings.data_dir} was deleted")


@app.command()
def serve(
    count: Annotated[
        int, typer.Option("--processes", min=1, max=256, help="number of event loops, one for each core")
    ] = 1,
    inherited_socket: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Run a gateway node."""
    from gateway import processes, supervisor

    settings = load_settings()
    if settings.console_port is not None and (count > 1 or inherited_socket >= 0):
        fail("DAIRA_CONSOLE_PORT needs a node of one process: run `daira serve` without --processes for the console")
    if inherited_socket >= 0:
        listener = socket.socket(fileno=inherited_socket)
        listener.setblocking(False)
        run(processes.serve(settings, polling=settings.sticky, listener=listener, announce=False))
    elif count == 1:
        run(processes.serve(settings, polling=True, listener=None, announce=True))
    else:
        with supervisor.shared_metrics():
            run(processes.supervise(settings, count))


class _WorkCommand(TyperCommand):
    """Lists loops and groups in its help, and imports them only then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from workers.job import groups
        from workers.loops import LOOPS

        super().format_help(ctx, formatter)
        table = Table("loop", "what it does", box=None)
        for name, loop in LOOPS.items():
            table.add_row(name, loop.about)
        screen.print(table)
        screen.print(f"\nWorker groups: {', '.join(sorted(groups()))}")


@app.command(cls=_WorkCommand)
def work(
    names: Annotated[list[str] | None, typer.Argument(help="loops and worker groups; default: all")] = None,
) -> None:
    """Run loops and worker groups."""
    from gateway import processes
    from gateway.app import worker_names

    chosen = names or worker_names()
    unknown = [name for name in chosen if name not in worker_names()]
    if unknown:
        fail(f"there is no loop or group {unknown[0]}: known are {', '.join(worker_names())}")
    run(processes.work(load_settings(), chosen))


@app.command()
def migrate() -> None:
    """Bring the database's roles, tables and functions up to date, while processes serve."""
    from gateway import processes
    from storage.schema import newest_version

    version, code = run(processes.migrate(load_settings())), newest_version()
    kept = "" if version == code else f", and stays there: this code, of version {code}, serves on it"
    screen.print(f"the schema is at version {version}{kept}")


@app.command()
def limits() -> None:
    """List all rate limits: what they count, their variables, and the current values."""
    from gateway import rates
    from gateway.settings import SettingsError

    table = Table("method", "counts", Column("variable", no_wrap=True), "default", "in force", box=None)
    try:
        in_force = rates.in_force(load_settings())
    except SettingsError as error:
        fail(str(error))
    for limit, names, rate in in_force:
        table.add_row(", ".join(names), limit.counts, limit.variable, limit.rate, rate)
    screen.print(table)


@app.command()
def seed(
    users: Annotated[int, typer.Option("--users", "--people", min=2, max=1_000_000, help="number of users")] = 200,
    posts: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="number of posts; default: 5 for each user")
    ] = None,
) -> None:
    """Add demo users with follows and posts, and index them for search."""
    from gateway import demo

    async def add() -> None:
        with percent_bar() as progress:
            await demo.seed(load_settings().owner_database, users, progress, posts)

    run(add())
    screen.print(f"added {users} users who follow each other and have posted")


@app.command()
def suspend(username: str) -> None:
    """Suspend a user, and end the user's sessions and sockets at once. The user may appeal."""
    from gateway import processes

    run(processes.set_suspended(load_settings(), username, suspended=True))
    screen.print(f"{username} is suspended")


@app.command()
def unsuspend(username: str) -> None:
    """Undo all suspensions and bans of a user. The user must sign in again."""
    from gateway import processes

    run(processes.set_suspended(load_settings(), username, suspended=False))
    screen.print(f"{username} is active")


@app.command()
def role(
    username: str,
    name: Annotated[Literal["user", "creator", "moderator", "admin"], typer.Argument(metavar="ROLE")],
) -> None:
    """Give a user a role. If that takes rights away, the user's sessions end at once."""
    from gateway import processes

    run(processes.set_role(load_settings(), username, name))
    screen.print(f"{username} has the role {name}")


@app.command()
def token(
    username: str,
    create: Annotated[bool, typer.Option(help="create the user if there is none")] = False,
    count: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="print tokens of USERNAME_1 … USERNAME_N instead")
    ] = 0,
    hours: Annotated[float, typer.Option(min=0.01, max=720, help="lifetime of the token")] = 24.0,
) -> None:
    """Print access tokens, one per line."""
    names = [f"{username}_{number}" for number in range(1, count + 1)] if count else [username]
    print("\n".join(_mint(load_settings(), names, create=create, hours=hours)))


@app.command("export-keys")
def export_keys() -> None:
    """Print the public keys (Ed25519) that verify archives of `account.export`, with their ids. The first one signs."""
    from gateway.wiring import build_export_keys

    for key in build_export_keys(load_settings()):
        print(key.id, key.public)


@app.command()
def call(
    method: str,
    argument: Annotated[str, typer.Argument(help="one JSON object")] = "{}",
    as_user: Annotated[str | None, typer.Option("--as", metavar="USERNAME", help="the calling user")] = None,
    url: Annotated[str | None, typer.Option(help="address of the node; default: DAIRA_HOST and DAIRA_PORT")] = None,
) -> None:
    """Make one call over a real socket, as a user or anonymously."""
    from gateway import client

    settings = load_settings()
    try:
        value = json.loads(argument)
    except json.JSONDecodeError as error:
        fail(f"the argument is not JSON: {error}")
    minted = _mint(settings, [as_user], create=False, hours=0.25)[0] if as_user else None
    answer = run(client.call(url or _url(settings), minted, method, value))
    screen.print_json(json.dumps(answer, ensure_ascii=False))
    if not answer["ok"]:
        raise typer.Exit(1)


@app.command()
def watch(
    as_user: Annotated[str, typer.Option("--as", metavar="USERNAME", help="the user whose pushes to print")],
    url: Annotated[str | None, typer.Option(help="address of the node; default: DAIRA_HOST and DAIRA_PORT")] = None,
) -> None:
    """Print a user's pushes as they arrive, one per line."""
    from gateway import client, processes

    settings = load_settings()
    minted = _mint(settings, [as_user], create=False, hours=24)[0]

    def show(event: str, push: Any) -> None:
        print(json.dumps({"event": event, "push": push}, ensure_ascii=False), flush=True)

    async def until_stopped() -> None:
        await client.watch(url or _url(settings), minted, show, processes.stop_on_signals())

    run(until_stopped())


@app.command()
def schema(folder: Annotated[Path, typer.Argument(help="where to write")] = Path("docs/schema")) -> None:
    """Write the client contract: AsyncAPI 3, JSON Schemas, TypeScript for socket.io-client."""
    from handlers import methods
    from protocol.schema import documents

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents(methods).items():
        (folder / name).write_text(content)
        screen.print(f"wrote {folder / name}")


@app.command("doctor")
def examine() -> None:
    """Check settings and every dependency, and say how to fix what is wrong."""
    from gateway import doctor

    findings = run(doctor.examine(load_settings()))
    table = Table("", "what", "finding", "what to do", box=None)
    for finding in findings:
        table.add_row("[green]✓" if finding.ok else "[red]✗", finding.what, finding.finding, finding.advice)
    screen.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command("version")
def show_version() -> None:
    """Print the version."""
    print(version("daira"))


app.command("notify")(system_messages.notify)
app.command("top")(top.top)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
checks.app.command("backup")(backups.check_backup)
app.add_typer(checks.app, name="check")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(evaluations.app, name="eval")
app.add_typer(records.app, name="log")
app.add_typer(learning.app, name="learn")
app.add_typer(sealing.app, name="keys")
app.add_typer(moderation.app, name="moderation")
app.add_typer(search_index.app, name="search")


def main() -> None:
    _write_whole_lines()
    app()


def _write_whole_lines() -> None:
    """Buffer output: under PYTHONUNBUFFERED, Python drops the rest of a line that a slow pipe takes in part."""
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stdout.buffer, io.RawIOBase):
        buffer = io.BufferedWriter(sys.stdout.buffer)
        sys.stdout = io.TextIOWrapper(buffer, encoding=sys.stdout.encoding, line_buffering=True)


def _mint(settings: "Settings", usernames: list[str], *, create: bool, hours: float) -> list[str]:
    from gateway import demo
    from protocol.tokens import AccessTokens

    async def mint() -> list[str]:
        tokens = AccessTokens(settings.keys)
        lifetime = timedelta(hours=hours)
        return await demo.mint_tokens(settings.owner_database, tokens, usernames, create=create, lifetime=lifetime)

    return run(mint())


def _url(settings: "Settings") -> str:
    return f"http://{settings.host}:{settings.port}"


def _spinner() -> "Progress":
    from rich.progress import Progress, SpinnerColumn, TextColumn

    return Progress(SpinnerColumn(), TextColumn("{task.description}"), console=notes, transient=True)


def _welcome(settings: "Settings", pair: tuple[str, str] | None) -> None:
    daira = os.path.relpath(sys.argv[0]) if os.sep in sys.argv[0] else sys.argv[0]
    health = f"http://{settings.host}:{settings.sidecar_port}/health/ready"
    screen.print(f"[bold green]DAIRA is ready[/] on {_url(settings)}, health on {health}", soft_wrap=True)
    if settings.developer_page:
        screen.print(f"Open {_url(settings)}/ in two browser windows, as two users", soft_wrap=True)
    if settings.console_port is not None:
        console = f"http://{settings.console_host}:{settings.console_port}/admin"
        screen.print(f"The moderators' console is on {console}", soft_wrap=True)
    voice = settings.livekit
    screen.print(
        f"Voice is on {voice[0]}" if voice else "Rooms have no voice: `make voice` builds LiveKit", soft_wrap=True
    )
    if pair is None:
        screen.print(f"Create a user: {daira} token alice --create", soft_wrap=True)
        return
    author, follower = pair
    screen.print("Try, in other terminals:")
    for command in (
        f"{daira} watch --as {follower}",
        f'{daira} call post.create \'{{"text": "صباح الخير يا مصر"}}\' --as {author}',
        f"{daira} call feed.get --as {follower}",
    ):
        screen.print(f"  {command}", style="cyan", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
