"""`search_find` and the functions on it: what is found, in which order, and how little of the index is read for it."""

from typing import Any

import pytest

from tests.storage.functions.rows import Rows

ALL = 20_000
RARE = (5, 9_999, 19_990)

# Each document has `all`; even ones `even`, odd ones `odd`; three have both.
_DOCUMENTS = f"""
    INSERT INTO search_documents (kind, id, weight, terms)
    SELECT $1, n, CASE WHEN $1 = 'post' THEN 0 ELSE (n = 7)::int * 30 + (n % 1000 = 0)::int * 6 END,
           array_to_tsvector(CASE WHEN n IN {RARE} THEN ARRAY ['all', 'even', 'odd', 'rare']
                                  ELSE ARRAY ['all', CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END] END)
    FROM generate_series(1, {ALL}) n
"""


async def find(rows: Rows, kind: str, query: str, amount: int) -> list[int]:
    found = await rows.connection.fetch("SELECT id FROM search_find($1, $2::text::tsquery, $3)", kind, query, amount)
    return [row["id"] for row in found]


@pytest.fixture
async def documents(rows: Rows) -> Rows:
    await rows.connection.execute("DELETE FROM search_documents")
    await rows.connection.execute(_DOCUMENTS.replace("$1", "'post'"))
    await rows.connection.execute(_DOCUMENTS.replace("$1", "'user'"))
    await rows.connection.execute("ANALYZE search_documents")  # what was known before depends on other tests
    return rows


async def test_of_a_frequent_term_the_newest_are_found_and_few_documents_read(documents: Rows):
    before = await _read(documents)
    assert await find(documents, "post", "all", 200) == list(range(ALL, ALL - 200, -1))
    scans, fetched = [after - earlier for after, earlier in zip(await _read(documents), before, strict=True)]
    assert (scans, fetched <= 2_001 + 200) == (0, True), fetched


@pytest.mark.parametrize("amount", [1, 10, 200])
async def test_a_rare_match_of_frequent_terms_is_found_however_old(documents: Rows, amount: int):
    before = await _read(documents)
    expected = sorted(RARE, reverse=True)[:amount]
    assert await find(documents, "post", "rare", amount) == expected
    assert await find(documents, "post", "even & odd", amount) == expected
    assert await find(documents, "post", "(nothing | even) & (odd | none) & all", amount) == expected
    scans, fetched = [after - earlier for after, earlier in zip(await _read(documents), before, strict=True)]
    assert (scans, fetched <= 50) == (0, True), fetched


async def test_the_heaviest_are_found_first_then_the_newest(documents: Rows):
    found = await find(documents, "user", "all", 40)
    assert found[0] == 7
    assert found[1:21] == list(range(20_000, 0, -1_000))
    assert found[21:] == list(range(19_999, 19_980, -1))
    # Fewer matches than asked for: all of them.
    assert await find(documents, "user", "rare", 40) == sorted(RARE, reverse=True)
    assert await find(documents, "user", "nothing", 40) == []
    assert await find(documents, "room", "all", 40) == []


async def test_looser_queries_only_add_to_stricter_ones(documents: Rows):
    async def candidates(queries: list[str], amount: int, among: list[int] | None = None) -> list[tuple[int, int]]:
        found = await documents.connection.fetch(
            "SELECT id, query FROM search_candidates('post', $1, $2, $3)", queries, amount, among
        )
        return [(row["id"], row["query"]) for row in found]

    strict = [(each, 1) for each in sorted(RARE, reverse=True)]
    assert await candidates(["rare", "even"], 5) == [*strict, (20_000, 2), (19_998, 2)]
    assert await candidates(["rare", "even"], 2) == strict[:2]
    assert await candidates(["rare", "all"], 9, [5, 6, ALL + 1]) == [(5, 1), (6, 2)]


async def test_looser_queries_fill_only_up_to_a_hundred(documents: Rows):
    for queries, expected in {
        ("all",): {1: 200},
        ("nothing", "all"): {2: 100},
        ("rare", "all", "even"): {1: 3, 2: 97},
        ("even", "all"): {1: 200},
    }.items():
        found = await documents.connection.fetch(
            "SELECT query, count(*) FROM search_candidates('post', $1, 200, NULL) GROUP BY 1", queries
        )
        assert dict(found) == expected


async def test_by_sound_finds_what_the_first_query_leaves_out_among_the_newest(documents: Rows):
    async def matches(by_sound: str) -> dict[int, int]:
        found = await documents.connection.fetch(
            "SELECT query, count(*) FROM search_matches('post', ARRAY ['even', 'nothing'], $1, 200, NULL) GROUP BY 1",
            by_sound,
        )
        return dict(found)

    assert await matches("all") == {0: 60, 1: 140}
    assert await matches("nothing | even") == {1: 200}
    for each in (19_701, 15_001):
        await documents.connection.execute("UPDATE search_documents SET terms = 'other' WHERE id = $1", each)
    before = await _read(documents)
    assert await matches("other | even") == {0: 1, 1: 199}
    scans, fetched = [after - earlier for after, earlier in zip(await _read(documents), before, strict=True)]
    assert (scans, fetched <= 2 * 2_001) == (0, True), fetched


async def _read(rows: Rows) -> tuple[Any, Any]:
    """Return the number of sequential scans of the documents, and of documents that were fetched by an index."""
    row = await rows.connection.fetchrow(
        """SELECT sum(seq_scan)::int AS scans, sum(idx_tup_fetch)::int AS fetched FROM pg_stat_xact_user_tables
        WHERE relname IN ('search_posts', 'search_users', 'search_rooms')"""
    )
    return row["scans"], row["fetched"]
