"""`daira eval feed`: how good ranked feeds are, on generated or recorded data."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.terminal import Step, fail, load_settings, notes, percent_bar, run, screen

if TYPE_CHECKING:
    from evaluation.feed_log import FeedLog
    from evaluation.feed_world import World


def evaluate_feed(
    people: Annotated[int, typer.Option(min=50, max=10_000, help="number of generated people")] = 2_000,
    days: Annotated[int, typer.Option(min=3, max=60, help="number of generated days")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="seed of all random choices")] = 1,
    splits: Annotated[int, typer.Option(min=1, max=10, help="number of moments at which feeds are judged")] = 3,
    judged: Annotated[int, typer.Option(min=1, help="maximum number of people whose feeds are judged at each")] = 600,
    ablations: Annotated[bool, typer.Option(help="also rank without each term and each source")] = True,
    log: Annotated[Path | None, typer.Option(help="a recorded log, instead of generated data")] = None,
    save: Annotated[Path | None, typer.Option(help="write the generated log to this file")] = None,
) -> None:
    """Compare the ranked feed with latest, popular and random feeds, by the engagement after a split in time."""
    import numpy as np

    from evaluation import feed, feed_report
    from evaluation.feed_log import read_log
    from evaluation.feed_sessions import simulate
    from evaluation.feed_world import generate_world

    has_vectors = find_spec("implicit") is not None
    if not has_vectors:
        notes.print("the extra `learning` is not installed: the source `similar` has no posts")

    def generate(progress: Step) -> "tuple[FeedLog, World]":
        random = np.random.default_rng(seed)
        world = generate_world(people, days, random)
        return simulate(world, days, random, lambda done: progress("people visit", done)), world

    with percent_bar() as progress:
        recorded, world = (read_log(log), None) if log is not None else generate(progress)
        if save is not None:
            recorded.write(save)

        async def judge() -> list[feed.Split]:
            async with _servers() as urls:
                return [
                    await feed.evaluate(
                        recorded,
                        world,
                        urls,
                        moment,
                        most_people=judged,
                        seed=seed,
                        ablations=ablations,
                        vectors=has_vectors,
                        progress=progress,
                    )
                    for moment in feed.moments(recorded, splits)
                ]

        found = run(judge())
    screen.width = max(screen.width, 150)
    judges = [("Judged by what people did in the next day", feed_report.by_log)]
    if world is not None:
        judges.append(("Judged by what people would do with each post", feed_report.by_world))
    for title, by in judges:
        screen.print(feed_report.scores_table(title, found, by), feed_report.differences_table(found, by))
    screen.print(feed_report.groups_table(found, judges[-1][1]))


def record_feed(
    file: Annotated[Path, typer.Argument(help="where to write the log, such as feed.npz")],
    days: Annotated[int, typer.Option(min=1, max=365, help="how old posts may be")] = 30,
    events: Annotated[
        Path | None,
        typer.Option(help="what `daira log tail post.engagement` printed: when and how long posts were viewed"),
    ] = None,
) -> None:
    """Write what users did with public posts to a file for `daira eval feed --log`, without texts, names and ids.

    The file is pseudonymous, not anonymous: who knows some acts of a user can find the user in it.
    """
    import time

    from evaluation.feed_log import DAY_MS
    from evaluation.feed_recording import record
    from gateway.owner import owner_connection
    from storage import feed_recording

    lines = events.read_text("utf-8").splitlines() if events is not None else []

    async def read() -> feed_recording.Recorded:
        async with owner_connection(load_settings().owner_database) as connection:
            return await feed_recording.read(connection, time.time_ns() // 1_000_000 - days * DAY_MS)

    try:
        log = record(run(read()), lines)
    except (ValueError, KeyError) as error:
        fail(f"{events} has a line that is no event: {error}")
    log.write(file)
    screen.print(f"{len(log.posts.at)} posts and {len(log.acts.at)} acts of {len(log.people.joined_at)} people")


@asynccontextmanager
async def _servers() -> AsyncIterator[tuple[str, str, str]]:
    """URLs for the owner, the app and the worker: of the servers in the data folder, or of some that end afterwards."""
    from gateway.embedded import EmbeddedServers, find_servers

    settings = load_settings()
    if find_servers(settings.data_dir) is not None:
        yield settings.owner_database, settings.app_database, settings.worker_database
        return
    with tempfile.TemporaryDirectory() as folder:
        servers = EmbeddedServers(Path(folder) / "servers")
        found = await servers.start()
        try:
            yield tuple(found.postgres_url(f"daira_{role}") for role in ("owner", "app", "worker"))  # type: ignore[misc]
        finally:
            await servers.stop()
            servers.erase()
