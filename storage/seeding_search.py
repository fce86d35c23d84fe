"""Bulk inserts into the search index by the owner of the tables, for demo data and load tests."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from storage.search import FIRST_AUTHORS, IndexedUser, Used
from storage.search_engine import Document
from storage.search_postgres import vector
from storage.seeding import Connection

MANY = 50_000  # documents for which the index is rebuilt
# As r0024_search.sql and r0051_search_at_once.sql make it.
_INDEX = "CREATE INDEX search_documents_terms ON search_documents USING gin (terms, slices) WITH (fastupdate = off)"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@asynccontextmanager
async def without_index(connection: Connection, amount: int) -> AsyncIterator[None]:
    """Drop the index of terms, and rebuild it at the end, if that many documents are inserted.

    Pages are filled to the end, so that later documents find no gaps in them: see r0050_search_in_order.sql.
    """
    if amount < MANY:
        yield
        return
    await connection.execute("DROP INDEX search_documents_terms; ALTER TABLE search_posts SET (fillfactor = 100)")
    yield
    await connection.execute("ALTER TABLE search_posts SET (fillfactor = 90); SET LOCAL maintenance_work_mem = '256MB'")
    await connection.execute(_INDEX)


async def insert_documents(connection: Connection, documents: Iterable[Document]) -> None:
    """Insert documents that are new."""

    async def lines() -> AsyncIterator[bytes]:
        for each in documents:
            fields = (each.kind, str(each.id), str(each.weight), vector(each.terms), each.title)
            yield ("\t".join(field.translate(_ESCAPED) for field in fields) + "\n").encode()

    await connection.copy_to_table(
        "search_documents", source=lines(), columns=("kind", "id", "weight", "terms", "title")
    )


async def replace_documents(connection: Connection, documents: Iterable[Document]) -> None:
    """Insert documents, or replace those with the same kind and id."""
    chosen = list(documents)
    kinds, ids = [each.kind for each in chosen], [each.id for each in chosen]
    await connection.execute(
        """DELETE FROM search_documents WHERE (kind, id) IN (
            SELECT * FROM unnest($1::text[], $2::bigint[]))""",
        kinds,
        ids,
    )
    await insert_documents(connection, chosen)


async def insert_uses(connection: Connection, uses: Mapping[int, tuple[str, int, Sequence[int]]]) -> None:
    """uses: what is shown, how often, and by whom at first, by id. Adds to those that are there."""
    rows = [(use_id, shown, count, list(authors)[:FIRST_AUTHORS]) for use_id, (shown, count, authors) in uses.items()]
    await connection.execute(
        "CREATE TEMP TABLE new_uses (id bigint, shown text, uses bigint, author_ids bigint[]) ON COMMIT DROP"
    )
    await connection.copy_records_to_table("new_uses", records=rows)
    await connection.execute(
        """INSERT INTO search_uses AS s (id, shown, uses, author_ids) SELECT * FROM new_uses
        ON CONFLICT (id) DO UPDATE SET uses = s.uses + EXCLUDED.uses,
            author_ids = (SELECT array_agg(a) FROM (SELECT unnest(s.author_ids) UNION SELECT unnest(EXCLUDED.author_ids)
                          LIMIT 20) u (a))"""
    )


async def uses_among(connection: Connection, ids: Sequence[int]) -> list[Used]:
    rows = await connection.fetch(
        "SELECT id, shown, uses, cardinality(author_ids) FROM search_uses WHERE id = ANY ($1) ORDER BY id", ids
    )
    return [Used(*row) for row in rows]


async def users_among(connection: Connection, ids: Sequence[int]) -> list[IndexedUser]:
    rows = await connection.fetch(
        "SELECT id, username, display_name, follower_count FROM users WHERE id = ANY ($1) ORDER BY id", ids
    )
    return [IndexedUser(*row) for row in rows]
