"""Rewrites the search index in PostgreSQL page by page, while nodes and workers use it.

A page is read again after it was written, and written again if it has changed: a worker may have written newer rows in
between. An interrupted run continues after the last page.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from domain import search_documents
from storage import search
from storage.database import Database
from storage.search_engine import Document, DocumentKind
from storage.search_postgres import PostgresSearch

PAGE = 500
# Words and hashtags are counted in one of so many posts that were not in the index, and each count is multiplied by it.
SAMPLED = 10


class RowToIndex(Protocol):
    @property
    def id(self) -> int: ...


class RefillPlace(NamedTuple):
    """The last row that a run has written, and its kind."""

    kind: DocumentKind
    after: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.after}"


ORDER: tuple[DocumentKind, ...] = ("user", "room", "post", "word")  # "word" stands for hashtags and words


def place_of(text: str) -> RefillPlace:
    """Raises ValueError."""
    kind, _, after = text.partition(":")
    return RefillPlace(ORDER[[*map(str, ORDER)].index(kind)], int(after))


async def refill(database: Database, begin: RefillPlace, progress: Callable[[RefillPlace, int], None]) -> None:
    """progress: called after each page with the place and its rows. Raises DatabaseUnavailable."""
    engine = PostgresSearch(database)
    for kind in ORDER[ORDER.index(begin.kind) :]:
        after = begin.after if kind == begin.kind else -1
        has_more = True
        while has_more:
            rows = await _page(database, engine, kind, after)
            has_more = len(rows) == PAGE
            after = rows[-1].id if rows else after
            progress(RefillPlace(kind, after), len(rows))


async def _page(database: Database, engine: PostgresSearch, kind: DocumentKind, after: int) -> Sequence[RowToIndex]:
    rows = await _ROWS[kind](database, after, PAGE)
    if not rows:
        return rows
    if kind == "post":
        await _count_uses(database, engine, [row for row in rows if isinstance(row, search.IndexedPost)])
    last, current, written = rows[-1].id, rows, None
    while current != written:
        await engine.write([document for row in current if (document := _document_of(row)) is not None])
        if kind != "word":
            await engine.remove_others(kind, after, last, [row.id for row in current])
        written = current
        current = [row for row in await _ROWS[kind](database, after, PAGE) if row.id <= last]
    return rows


async def _count_uses(database: Database, engine: PostgresSearch, posts: Sequence[search.IndexedPost]) -> None:
    known = await engine.known("post", [post.id for post in posts])
    sample = [post for post in posts if post.id not in known][::SAMPLED]
    uses = [
        search.Use(post.author_id, word_id, shown, SAMPLED)
        for post in sample
        for word_id, shown in search_documents.named_in(post).items()
    ]
    await search.count_uses(database, uses)


def _document_of(row: RowToIndex) -> Document | None:
    match row:
        case search.IndexedPost():
            return search_documents.of_post(row)
        case search.IndexedUser():
            return search_documents.of_user(row)
        case search.IndexedRoom():
            return search_documents.of_room(row)
        case search.Used():
            return search_documents.of_use(row)
    raise TypeError(row)


_ROWS: dict[DocumentKind, Callable[[Database, int, int], Awaitable[Sequence[RowToIndex]]]] = {
    "user": search.users_after,
    "room": search.rooms_after,
    "post": search.posts_after,
    "word": search.uses_after,
}
