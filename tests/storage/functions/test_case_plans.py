"""A page of the queue costs as much with many cases as with few: it is read in the order of an index."""

import json

import pytest
import pytest_asyncio

from tests.storage.functions.rows import Rows

CASES = 30_000
PAGE = 20
FIRST = -(2**31) + 1
MOST_COMBINATIONS = 6 * 13 * 4


class Queue:
    def __init__(self, rows: Rows, moderator: int) -> None:
        self.rows = rows
        self.moderator = moderator

    async def blocks(self, *arguments: str) -> int:
        """Return how many blocks of 8 KiB a page of the queue reads."""
        await self.rows.view_as(self.moderator)
        statement = f"SELECT * FROM case_queue({', '.join(arguments)})"
        for _ in range(7):  # the first runs also plan
            explained = await self.rows.connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
            )
        [plan] = json.loads(explained)
        top = plan["Plan"]
        assert 0 < top["Actual Rows"] <= PAGE
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


@pytest_asyncio.fixture
async def queue(rows: Rows) -> Queue:
    alice = await rows.user()
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        """INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, report_weight, snapshot,
                              content_hash, is_private)
        SELECT n, (ARRAY ['post', 'comment', 'user'])[1 + n % 3], n, $1, (ARRAY ['report', 'rule'])[1 + n % 2],
               (ARRAY ['spam', 'hate', 'violence', 'minors', 'scam'])[1 + n * 7 % 5], n * 11 % 5, n % 97, '{}', '',
               false
        FROM generate_series(1, $2::bigint) n""",
        alice, CASES,
    )  # fmt: skip
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    await rows.connection.execute("ANALYZE cases")
    return Queue(rows, await rows.user(role="moderator"))


@pytest.mark.parametrize(
    ("choices", "most"),
    [
        ("NULL, NULL, NULL, 0, 'all'", 100),
        ("NULL, NULL, NULL, 3, 'free'", 100),
        ("NULL, ARRAY ['hate'], NULL, 0, 'free'", 24 * 30),
        ("ARRAY ['post'], ARRAY ['hate'], ARRAY ['rule'], 0, 'all'", 100),
        ("NULL, NULL, ARRAY ['rule'], 0, 'free'", MOST_COMBINATIONS // 4 * 30),
    ],
)
async def test_a_page_reads_little(queue: Queue, choices: str, most: int):
    first = await queue.blocks(choices, str(FIRST), "0", str(PAGE))
    later = await queue.blocks(choices, "-3000000", "0", str(PAGE)) if ", 3," not in choices else first
    assert max(first, later) < most
