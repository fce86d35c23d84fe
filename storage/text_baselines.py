"""PostgreSQL's own text search over temporary documents: what evaluations compare our search with."""

from collections.abc import Sequence

from storage.seeding import Connection


async def insert_texts(connection: Connection, texts: Sequence[tuple[str, str, str]]) -> None:
    """Create a temporary table of them under the configuration `arabic`. texts: id, kind, text."""
    await connection.execute("CREATE TEMP TABLE baseline_texts (id text, kind text, text text)")
    await connection.copy_records_to_table("baseline_texts", records=texts)
    await connection.execute(
        "ALTER TABLE baseline_texts ADD words tsvector GENERATED ALWAYS AS (to_tsvector('arabic', text)) STORED"
    )


async def search_texts(connection: Connection, kind: str, q: str, limit: int) -> list[str]:
    """The ids of documents with all words of the query, best first."""
    rows = await connection.fetch(
        """SELECT id FROM baseline_texts, plainto_tsquery('arabic', $2) query
        WHERE kind = $1 AND words @@ query ORDER BY ts_rank_cd(words, query) DESC, id LIMIT $3""",
        kind,
        q,
        limit,
    )
    return [row["id"] for row in rows]
