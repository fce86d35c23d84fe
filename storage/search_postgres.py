"""The search engine in PostgreSQL: documents with their terms under a GIN index, read in slices of bounded size.

See `search_find` in storage/functions/search.sql.
"""

from collections.abc import Sequence

from storage.database import Database
from storage.search_engine import MOST_EVER, Document, DocumentKind, Found, by_sound

LONGEST_TERM = 100  # characters; a lexeme holds at most 2,046 bytes
# Of documents that are found by their sound, and by the first, second, … query; see `_queries`.
_SCORES = (0.9, 1.0, 0.7, 0.4)

# Those that exist are updated first: an insert that finds its row would use up a place.
_WRITE = """
    WITH given AS (
        SELECT kind, id, weight, terms::tsvector AS terms, title
        FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[]) g (kind, id, weight, terms, title)
    ), known AS MATERIALIZED (
        SELECT s.kind, s.id FROM given g JOIN search_documents s ON s.kind = g.kind AND s.id = g.id
    ), changed AS (
        UPDATE search_documents s SET weight = g.weight, terms = g.terms, title = g.title
        FROM given g WHERE s.kind = g.kind AND s.id = g.id
            AND (s.weight, s.terms, s.title) IS DISTINCT FROM (g.weight, g.terms, g.title)
    )
    INSERT INTO search_documents (kind, id, weight, terms, title)
    SELECT g.* FROM given g WHERE (g.kind, g.id) NOT IN (SELECT kind, id FROM known) ORDER BY g.kind, g.id
    ON CONFLICT (kind, id) DO UPDATE SET weight = EXCLUDED.weight, terms = EXCLUDED.terms, title = EXCLUDED.title
"""


class PostgresSearch:
    """Implements `SearchEngine`. Its methods raise DatabaseUnavailable, as all work on PostgreSQL does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, documents: Sequence[Document], *, read_at: int | None = None) -> None:
        if documents:
            columns = ((d.kind, d.id, d.weight, vector(d.terms), d.title) for d in documents)
            await self._database.fetch(_WRITE, *map(list, zip(*columns, strict=True)))

    async def remove(self, kind: DocumentKind, ids: Sequence[int], *, read_at: int | None = None) -> None:
        await self._database.fetch("DELETE FROM search_documents WHERE kind = $1 AND id = ANY ($2)", kind, ids)

    async def known(self, kind: DocumentKind, ids: Sequence[int]) -> set[int]:
        """Those that are in the index."""
        rows = await self._database.fetch(
            "SELECT id FROM search_documents WHERE kind = $1 AND id = ANY ($2)", kind, ids
        )
        return {row["id"] for row in rows}

    async def remove_others(self, kind: DocumentKind, after: int, up_to: int, ids: Sequence[int]) -> None:
        """Remove documents between these ids that are not among `ids`, unless their ids were minted just now."""
        await self._database.fetch(
            """DELETE FROM search_documents WHERE kind = $1 AND id > $2 AND id <= $3 AND id <> ALL ($4)
            AND id < snowflake_at(now() - interval '1 hour')""",
            kind,
            after,
            up_to,
            ids,
        )

    async def candidates(
        self, kind: DocumentKind, groups: Sequence[Sequence[str]], most: int, *, among: Sequence[int] | None = None
    ) -> list[Found]:
        queries = _queries(groups)
        if not queries or most <= 0:
            return []
        alike = _all_of(by_sound(groups))
        rows = await self._database.fetch(
            "SELECT * FROM search_matches($1, $2, $3, $4, $5)",
            kind,
            queries,
            alike if alike != queries[0] else None,
            min(most, MOST_EVER),
            among,
        )
        return [Found(kind, row["id"], _SCORES[row["query"]], row["title"]) for row in rows]

    async def suggest(self, groups: Sequence[Sequence[str]], most: int) -> list[Found]:
        queries = _queries(groups)[:2]
        if not queries:
            return []
        rows = await self._database.fetch("SELECT * FROM search_suggestions($1, $2)", queries, most)
        return [Found(row["kind"], row["id"], 1.0, row["title"]) for row in rows]


def vector(terms: Sequence[str]) -> str:
    """A tsvector of these terms, in PostgreSQL's text form."""
    return " ".join(map(_lexeme, terms))


def _queries(groups: Sequence[Sequence[str]]) -> list[str]:
    """From strict to loose: with the first alternative of each word, any alternative, and all words but one."""
    exact, any_form = _all_of([group[:1] for group in groups]), _all_of(groups)
    if not any_form:
        return []
    queries = [exact, any_form]
    if len(groups) > 2:
        queries.append(_all_but_one_of(groups))
    return queries


def _all_but_one_of(groups: Sequence[Sequence[str]]) -> str:
    """A tsquery as of `_all_of`, for all groups but any one. Each group is named seldom, as names cost time."""
    if len(groups) == 2:
        return "|".join(_all_of([group]) for group in groups)
    return f"{_all_of(groups[:1])}&({_all_but_one_of(groups[1:])})|{_all_of(groups[1:])}"


def _all_of(groups: Sequence[Sequence[str]]) -> str:
    """A tsquery with an alternative of each group, in PostgreSQL's text form."""
    return "&".join(f"({'|'.join(map(_lexeme, group))})" for group in groups if group)


def _lexeme(term: str) -> str:
    quoted = term[:LONGEST_TERM].replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'"
