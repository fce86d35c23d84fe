"""`daira search`: rebuilds the search index from PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from gateway.terminal import command_group, counting_bars, fail, load_settings, notes, run, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from gateway.settings import Settings
    from storage.database import Database
    from storage.search_engine import Document

PAGE = 500


class Numbered(Protocol):
    @property
    def id(self) -> int: ...


RowT = TypeVar("RowT", bound=Numbered)

app = command_group("The search index.")


@app.command("reindex")
def reindex_all(
    restart: Annotated[
        bool, typer.Option("--restart", help="OpenSearch: delete what an interrupted reindex left")
    ] = False,
    after: Annotated[str, typer.Option(help="PostgreSQL: continue after this place, as KIND:ID")] = "user:-1",
) -> None:
    """Rebuild the search index; processes may run. OpenSearch then switches to the new index."""
    settings = load_settings()
    with counting_bars() as progress:
        if settings.opensearch is None:
            amount = run(refill_postgres(settings, progress, after))
            screen.print(f"{amount} documents were written anew")
            return
        amount = run(rebuild(settings, progress, restart=restart))
    screen.print(f"the new index was filled with {amount} documents")


async def refill_postgres(settings: "Settings", progress: "Progress", after: str) -> int:
    """Returns how many rows were read. after: as `RefillPlace` prints itself. Raises DatabaseUnavailable."""
    from gateway.search_refill import ORDER, RefillPlace, place_of, refill
    from gateway.stores import open_database
    from storage import search

    try:
        place = place_of(after)
    except ValueError:
        fail(f"--after takes KIND:ID, with one of {', '.join(ORDER)}")
    amount = 0
    bar = progress.add_task("filling", total=None)

    def step(reached: RefillPlace, rows: int) -> None:
        nonlocal amount, place
        amount, place = amount + rows, reached
        progress.update(bar, completed=amount, description=f"filling {reached.kind}s")

    async with open_database(settings.worker_database, 1, serves=False) as database:
        progress.update(bar, total=await search.estimated_rows(database))
        try:
            await refill(database, place, step)
        except BaseException:
            notes.print(f"interrupted: go on with `daira search reindex --after {place}`")
            raise
    return amount


async def rebuild(settings: "Settings", progress: "Progress", *, restart: bool) -> int:
    """Returns how many documents PostgreSQL had. Raises SearchUnavailable, ReindexUnderWay."""
    from gateway.search_engines import opensearch_servers
    from gateway.stores import open_database
    from storage import search
    from storage.opensearch_link import OpenSearchLink
    from storage.opensearch_reindex import reindex

    servers = opensearch_servers(settings)
    assert servers is not None
    link = OpenSearchLink(servers)
    amounts = {"filling": 0, "copying": 0}
    bars = {name: progress.add_task(name, total=None) for name in amounts}

    def step(name: str, documents: int) -> None:
        amounts[name] += documents
        progress.update(bars[name], completed=amounts[name])

    try:
        async with open_database(settings.worker_database, 1, serves=False) as database:
            progress.update(bars["filling"], total=await search.estimated_rows(database))
            await reindex(link, _pages(database), step, restart=restart)
    finally:
        await link.close()
    return amounts["filling"]


async def _pages(database: "Database") -> "AsyncIterator[tuple[int, Sequence[Document]]]":
    """All documents, each page with the time before it was read."""
    from domain import search_documents
    from storage import search

    for pages in (
        _of_kind(database, search.users_after, search_documents.of_user),
        _of_kind(database, search.rooms_after, search_documents.of_room),
        _of_kind(database, search.uses_after, search_documents.of_use),
        _of_kind(database, search.posts_after, search_documents.of_post),
    ):
        async for page in pages:
            yield page


async def _of_kind(
    database: "Database",
    rows_after: "Callable[[Database, int, int], Awaitable[list[RowT]]]",
    document_of: "Callable[[RowT], Document | None]",
) -> "AsyncIterator[tuple[int, Sequence[Document]]]":
    from storage.search_engine import reading_time

    after, has_more = -1, True
    while has_more:
        read_at = reading_time()
        rows = await rows_after(database, after, PAGE)
        yield read_at, [document for row in rows if (document := document_of(row)) is not None]
        has_more = len(rows) == PAGE
        after = rows[-1].id if rows else after
