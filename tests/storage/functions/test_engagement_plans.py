"""Pages of comments and reactions read as much of the database on page 1,000 as on page 1, and little for a tree."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from storage.comments import REPLIES_EACH
from tests.storage.functions.rows import LAST, Rows

AMOUNT = 20
FIRST = 10**6


class Posts:
    """Posts: `flat` has 20,000 comments without replies, `tree` 10,000 in chains of 50, and many others have one each.

    The author of the posts sees everything.
    """

    def __init__(self, rows: Rows, author: int, flat: int, tree: int) -> None:
        self.rows = rows
        self.author = author
        self.flat = flat
        self.tree = tree

    async def blocks_read(self, function: str, *arguments: object) -> tuple[int, int]:
        """Return how many blocks of 8 KiB the function reads, and how many rows it returns."""
        await self.rows.view_as(self.author)
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in arguments)
        statement = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) SELECT * FROM {function}({values})"
        for _ in range(7):  # the first runs also plan
            [plan] = json.loads(await self.rows.connection.fetchval(statement))
        top = plan["Plan"]
        return top["Shared Hit Blocks"] + top["Shared Read Blocks"], int(top["Actual Rows"])


@pytest_asyncio.fixture
async def posts(rows: Rows) -> AsyncIterator[Posts]:
    author = await rows.user()
    flat, tree = await rows.post(author), await rows.post(author)
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        """INSERT INTO comments (id, post_id, parent_id, path, depth, author_id, text)
        SELECT $2 + n, $1, NULL, ARRAY [$2 + n], 0, $3, 'x' FROM generate_series(1, 20000::bigint) n""",
        flat, FIRST, author,
    )  # fmt: skip
    await rows.connection.execute(
        """INSERT INTO comments (id, post_id, parent_id, path, depth, author_id, text)
        SELECT id, $1, CASE WHEN level > 0 THEN id - 1 END,
               ARRAY (SELECT generate_series(id - level, id)), level, $3, 'x'
        FROM (SELECT 2 * $2 + n AS id, (n - 1)::integer % 50 AS level FROM generate_series(1, 10000::bigint) n) each""",
        tree, FIRST, author,
    )  # fmt: skip
    await rows.connection.execute(
        """INSERT INTO comments (id, post_id, parent_id, path, depth, author_id, text)
        SELECT 3 * $1 + n, $1 + n, NULL, ARRAY [3 * $1 + n], 0, $2, 'x' FROM generate_series(1, 2000::bigint) n""",
        FIRST, author,
    )  # fmt: skip
    await rows.connection.execute(
        "INSERT INTO users (id, username, username_key) SELECT $1 + n, n, n FROM generate_series(1, 20000::bigint) n",
        FIRST,
    )
    await rows.connection.execute(
        """INSERT INTO reactions (target_type, target_id, user_id, kind, id)
        SELECT 'post', $1, $2 + n, CASE WHEN n % 1000 = 0 THEN 'sad' ELSE 'like' END, n
        FROM generate_series(1, 20000::bigint) n""",
        flat, FIRST,
    )  # fmt: skip
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    await rows.connection.execute("ANALYZE users; ANALYZE comments; ANALYZE reactions")
    yield Posts(rows, author, flat, tree)


async def test_comments(posts: Posts):
    page = ("comment_page", posts.flat, None)
    first, shown = await posts.blocks_read(*page, LAST, AMOUNT, REPLIES_EACH)
    last, _ = await posts.blocks_read(*page, FIRST + AMOUNT + 1, AMOUNT, REPLIES_EACH)
    assert shown == AMOUNT
    assert last < 1.2 * first
    of_tree, shown = await posts.blocks_read("comment_page", posts.tree, None, LAST, AMOUNT, REPLIES_EACH)
    assert shown == AMOUNT * (1 + REPLIES_EACH)
    assert of_tree / shown < 1.5 * first / AMOUNT  # for each comment that is shown
    assert first < 20 * AMOUNT


async def test_reactions(posts: Posts):
    for kinds, end in (("{like,sad}", AMOUNT + 1), ("{sad}", 20_000)):
        first, shown = await posts.blocks_read("reactions_to", "post", posts.flat, kinds, LAST, AMOUNT)
        last, at_the_end = await posts.blocks_read("reactions_to", "post", posts.flat, kinds, end, AMOUNT)
        assert shown == AMOUNT
        assert at_the_end in (AMOUNT, AMOUNT - 1)
        assert last < 1.2 * first < 20 * AMOUNT
