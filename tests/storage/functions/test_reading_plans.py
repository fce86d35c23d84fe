"""Search, explore, hashtags and feeds read by indexes, and sort few rows, however many there are in the tables."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from storage import candidates, explore, feed_ranking, hashtags, posts, search, users
from storage.feeds import LONGEST_READING
from storage.search_engine import MOST_CANDIDATES
from tests.storage.functions.rows import LAST, Rows

USERS, POSTS, FOLLOWS = 12_000, 30_000, 60
FIRST = 10**6
_OURS = f"BETWEEN {FIRST} AND {FIRST + USERS}"  # other tests have committed users with larger ids
MOST_SORTED = 2_000
MOST_SCANNED = 100  # rows of a small table, such as trends, may be read one after the other
MOST_FETCHED = 4_000  # by all indexes together
_FILL = f"""
    INSERT INTO users (id, username, username_key, created_at)
    SELECT {FIRST} + n, n, n, now() - interval '40 days' FROM generate_series(1, {USERS}) n;
    INSERT INTO accounts (user_id, email, email_key) SELECT id, id, id FROM users WHERE id {_OURS};
    INSERT INTO posts (id, author_id, text, visibility, reply_policy, hashtags)
    SELECT snowflake_at(now() - n * interval '40 hours' / {POSTS}) + n, {FIRST} + 1 + n * 7919 % {USERS}, 'text ' || n,
           'public', 'everyone', ARRAY ['tag']
    FROM generate_series(1, {POSTS}) n;
    INSERT INTO follows (id, follower_id, followee_id, status)
    SELECT {FIRST} + n * 100 + m, {FIRST} + n, {FIRST} + 1 + (n * 31 + m * 17) % 700, 'active'
    FROM generate_series(1, 700) n, generate_series(1, {FOLLOWS}) m
    WHERE n <> 1 + (n * 31 + m * 17) % 700 ON CONFLICT DO NOTHING;
    INSERT INTO affinities (user_id, other_id, points, skips, as_of)
    SELECT follower_id, followee_id, 1, 0, now() FROM follows WHERE follower_id {_OURS};
    INSERT INTO post_tags (tag, post_id) SELECT 'tag', id FROM posts WHERE author_id {_OURS};
    INSERT INTO post_heat (post_id, heat, is_video) SELECT id, id, id % 2 = 0 FROM posts WHERE author_id {_OURS};
    INSERT INTO search_documents (kind, id, weight, terms, title)
    SELECT 'post', id, 0, array_to_tsvector(ARRAY ['all', 'n' || id % 100]), '' FROM posts WHERE author_id {_OURS}
    UNION ALL
    SELECT kind, id, id % 13, array_to_tsvector(ARRAY ['all', 'n' || id % 100]), id::text
    FROM users, unnest(ARRAY ['user', 'hashtag', 'word']) kind WHERE id {_OURS};
    INSERT INTO posts_to_explore (place, post_id)
    SELECT row_number() OVER (), id FROM posts WHERE author_id {_OURS} LIMIT 5000;
"""

pytestmark = pytest.mark.chaos  # it fills tables for some seconds


class Network:
    """12,000 users, of whom 700 follow 60 others each, and 30,000 posts with one hashtag, all indexed for search."""

    def __init__(self, rows: Rows, found: list[int], people: list[int], inbox: list[int]) -> None:
        self.connection = rows.connection
        self.viewer = FIRST + 1
        self.found = found
        self.people = people
        self.inbox = inbox

    async def rows_read(self, read: Callable[[], Awaitable[object]]) -> tuple[dict[str, int], int]:
        """Return how many rows are scanned of each table, and how many are fetched by indexes, once plans are kept."""
        for _ in range(7):  # the first runs also plan
            await read()
        before = await self._counted()
        await read()
        after = await self._counted()
        scanned = {table: after[table][0] - before.get(table, (0, 0))[0] for table in after}
        fetched = sum(after[table][1] - before.get(table, (0, 0))[1] for table in after)
        return {table: amount for table, amount in scanned.items() if amount > MOST_SCANNED}, fetched

    async def _counted(self) -> dict[str, tuple[int, int]]:
        rows = await self.connection.fetch(
            "SELECT relname, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        )
        return {table: (scanned, fetched) for table, scanned, fetched in rows}

    async def steps(self, function: str, **arguments: object) -> list[dict[str, Any]]:
        """Run the statement of an SQL function; return the steps of its plan for any arguments."""
        body, names, types = await self.connection.fetchrow(
            """SELECT prosrc, proargnames[:pronargs], proargtypes::regtype[]::text[] FROM pg_proc
            WHERE oid = $1::text::regproc""",
            function,
        )
        for number, name in enumerate(names, 1):
            body = re.sub(rf"(?<![.\w'])({name})(?![\w.'(])", f"${number}", body)
        await self.connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await self.connection.execute(f"PREPARE stated ({', '.join(types)}) AS {body}")
        values = ", ".join(_literal(arguments[name]) for name in names)
        explained = await self.connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE stated ({values})"
        )
        await self.connection.execute("DEALLOCATE stated; SET LOCAL plan_cache_mode = auto")
        [plan] = json.loads(explained)
        return list(_steps(plan["Plan"]))


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _steps(child)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "'{" + ", ".join(map(str, value)) + "}'"
    return f"'{value}'"


@pytest_asyncio.fixture
async def network(rows: Rows) -> AsyncIterator[Network]:
    fetch: Any = rows.connection.fetch
    await rows.connection.execute(
        f"""SET LOCAL session_replication_role = replica;
        DELETE FROM search_documents; DELETE FROM posts_to_explore; {_FILL}"""
    )
    await rows.connection.execute(
        """SET LOCAL session_replication_role = origin;
        ANALYZE users; ANALYZE accounts; ANALYZE posts; ANALYZE follows; ANALYZE affinities; ANALYZE post_tags;
        ANALYZE post_heat; ANALYZE search_documents; ANALYZE posts_to_explore"""
    )
    await rows.view_as(FIRST + 1)
    found = await fetch("SELECT id FROM search_candidates('post', ARRAY ['all'], $1, NULL)", MOST_CANDIDATES)
    people = await fetch("SELECT id FROM search_candidates('user', ARRAY ['all'], $1, NULL)", MOST_CANDIDATES)
    inbox = await fetch("SELECT inbox_post_ids($1)", LONGEST_READING)
    yield Network(rows, *([row[0] for row in each] for each in (found, people, inbox)))


async def test_calls_scan_no_large_table(network: Network):
    tx, found, people, inbox = network.connection, network.found, network.people, network.inbox
    assert (len(found), len(people)) == (MOST_CANDIDATES, MOST_CANDIDATES)
    assert len(inbox) > 100
    await tx.execute("SET LOCAL ROLE daira_app")
    now = datetime.now(UTC)

    def find(kind: str, *queries: str) -> Awaitable[object]:
        statement = "SELECT * FROM search_candidates($1, $2, $3, NULL)"
        return tx.fetch(statement, kind, list(queries), MOST_CANDIDATES)  # type: ignore[no-any-return]

    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "frequent term": lambda: find("post", "all"),
        "rare terms": lambda: find("post", "all & n1 & n2", "(all | n1) & n2", "n1 & n2 | n3 & all"),
        "another spelling": lambda: tx.fetch(
            "SELECT * FROM search_matches('post', ARRAY ['all'], 'all | n1', $1, NULL)", MOST_CANDIDATES
        ),
        "people": lambda: find("user", "all"),
        "suggestions": lambda: tx.fetch("SELECT * FROM search_suggestions($1, 20)", ["all"]),
        "found posts": lambda: search.found_posts(tx, found),
        "found users": lambda: search.found_users(tx, people),
        "found hashtags": lambda: search.found_hashtags(tx, ["#tag", "#nothing"]),
        "followed and named": lambda: search.likely_ids(tx, "nobody"),
        "recent searches": lambda: search.recent(tx, network.viewer),
        "a page of posts": lambda: posts.load(tx, found[:20]),
        "a page of users": lambda: users.load(tx, people[:20]),
        "trends": lambda: explore.trends(tx, None),
        "trending posts": lambda: explore.trending_post_ids(tx, 40),
        "trending videos": lambda: explore.trending_post_ids(tx, 20, only_videos=True),
        "people to follow": lambda: explore.suggested_people(tx, 200),
        "posts with a hashtag": lambda: hashtags.post_ids(tx, "tag", LAST, 20),
        "top posts with it": lambda: hashtags.top_post_ids(tx, "tag", LONGEST_READING),
        "how many": lambda: hashtags.count_posts(tx, "tag"),
        "stored feed": lambda: posts.feed_ids(tx, LONGEST_READING),
        "latest": lambda: posts.load_latest(tx, inbox, LAST, 20),
        "ranked": lambda: feed_ranking.rank(tx, inbox, found[:60], LONGEST_READING, now, False),
        "why": lambda: feed_ranking.explain(tx, inbox, [], LONGEST_READING, now, inbox[0]),
        "hidden": lambda: feed_ranking.left_out(tx, inbox),
        "recommendations": lambda: candidates.beyond_inbox(tx, network.viewer, 15, is_patient=True),
    }
    costs = {what: await network.rows_read(read) for what, read in reads.items()}
    assert {what: scanned for what, (scanned, _) in costs.items() if scanned} == {}
    assert {what: fetched for what, (_, fetched) in costs.items() if fetched > MOST_FETCHED} == {}


async def test_no_statement_sorts_many_rows(network: Network):
    found, people, inbox = network.found, network.people, network.inbox
    now = datetime.now(UTC).isoformat()
    statements: dict[str, dict[str, object]] = {
        "found_posts": {"ids": found},
        "found_users": {"ids": people},
        "visible_post_ids": {"ids": found},
        "recommendable_post_ids": {"ids": found},
        "affinities": {"user_ids": people},
        "trending_post_ids": {"amount": 40, "only_videos": False},
        "suggested_people": {"amount": 200},
        "tagged_post_ids": {"used": "tag", "before": LAST, "amount": 20},
        "top_tagged_post_ids": {"used": "tag", "amount": LONGEST_READING},
        "count_tagged_posts": {"used": "tag"},
        "large_author_post_ids": {"before": LAST, "amount": LONGEST_READING},
        "second_degree_post_ids": {"since": 1, "amount": 100},
        "drawn_post_ids": {"everything": 5_000, "amount": 20},
        "feed_ranking": {
            "inbox": inbox, "beyond": found[:60], "amount": LONGEST_READING, "at": now, "only_creators": False,
            "asked": None,
        },
    }  # fmt: skip
    for function, arguments in statements.items():
        for step in await network.steps(function, **arguments):
            assert "Sort" not in step["Node Type"] or step["Plans"][0]["Actual Rows"] <= MOST_SORTED, function
            assert "Seq Scan" not in step["Node Type"] or step["Actual Rows"] <= MOST_SCANNED, (function, step)
