"""Candidates cost as much in a large network as in a small one: what is read is bounded for each source."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.storage.functions.rows import Rows

USERS, POSTS, FOLLOWS, REACTIONS = 20_000, 100_000, 300, 100_000
FIRST = 10**6
AMOUNT = 50


class Network:
    """20,000 users, of whom 700 follow 300 others each and gave 100,000 reactions; 100,000 posts, 5,000 vectors."""

    def __init__(self, rows: Rows, viewer: int) -> None:
        self.rows = rows
        self.viewer = viewer

    async def costs(self, function: str, *arguments: object) -> tuple[int, int]:
        """Return how many blocks of 8 KiB the function reads, and how many rows it returns."""
        await self.rows.view_as(self.viewer)
        values = ", ".join(f"'{value}'" for value in arguments)
        statement = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) SELECT * FROM {function}({values})"
        for _ in range(7):  # the first runs also plan
            [plan] = json.loads(await self.rows.connection.fetchval(statement))
        top = plan["Plan"]
        return top["Shared Hit Blocks"] + top["Shared Read Blocks"], int(top["Actual Rows"])


pytestmark = pytest.mark.chaos  # it fills tables for half a minute


@pytest_asyncio.fixture
async def network(rows: Rows) -> AsyncIterator[Network]:
    execute: Any = rows.connection.execute
    await execute("SET LOCAL session_replication_role = replica")
    await execute(
        """INSERT INTO users (id, username, username_key, created_at)
        SELECT $1 + n, n, n, now() - interval '40 days' FROM generate_series(1, $2::bigint) n""",
        FIRST, USERS,
    )  # fmt: skip
    await execute(
        """INSERT INTO posts (id, author_id, text, visibility, reply_policy)
        SELECT snowflake_at(now() - n * interval '72 hours' / $3) + n, $1 + 1 + n * 7919 % $2, '', 'public', 'everyone'
        FROM generate_series(1, $3::bigint) n""",
        FIRST, USERS, POSTS,
    )  # fmt: skip
    await execute(
        """INSERT INTO follows (id, follower_id, followee_id, status)
        SELECT $1 + n * 1000 + m, $1 + n, $1 + 1 + (n * 31 + m * 17) % 700, 'active'
        FROM generate_series(1, 700::bigint) n, generate_series(1, $2::bigint) m
        WHERE $1 + n <> $1 + 1 + (n * 31 + m * 17) % 700 ON CONFLICT DO NOTHING""",
        FIRST, FOLLOWS,
    )  # fmt: skip
    await execute(
        """INSERT INTO reactions (target_type, target_id, user_id, kind, id)
        SELECT 'post', p.id, $1 + 1 + row_number() OVER () * 13 % 700, 'like', p.id + 1
        FROM (SELECT id FROM posts WHERE author_id > $1 LIMIT $2) p""",
        FIRST, REACTIONS,
    )  # fmt: skip
    await execute(
        """INSERT INTO vectors.posts (post_id, vector)
        SELECT id, ARRAY (SELECT (random() + id * 0)::real FROM generate_series(1, 128))::vectors.halfvec
        FROM posts WHERE author_id > $1 ORDER BY id LIMIT 5000""",
        FIRST,
    )
    await execute(
        "INSERT INTO user_vectors (user_id, vector) SELECT $1, array_agg(random()::real) FROM generate_series(1, 128)",
        FIRST + 1,
    )
    await execute("SET LOCAL session_replication_role = origin")
    await execute("ANALYZE users; ANALYZE follows; ANALYZE posts; ANALYZE reactions; ANALYZE vectors.posts")
    await rows.ask(None, "choose_posts_to_explore")
    await execute("ANALYZE posts_to_explore")
    yield Network(rows, FIRST + 1)


async def test_sources_read_a_bounded_part_of_a_large_network(network: Network):
    blocks, shown = await network.costs("second_degree_post_ids", 1, 2 * AMOUNT)
    assert shown == 2 * AMOUNT
    assert blocks < 2_500
    blocks, shown = await network.costs("similar_post_ids", 1, 2 * AMOUNT)
    assert shown == 2 * AMOUNT
    assert blocks < 3_000
    blocks, shown = await network.costs("beyond_inbox", "{second_degree,similar,exploration}", AMOUNT, 1_000)
    assert shown == 3
    assert blocks < 8_000
