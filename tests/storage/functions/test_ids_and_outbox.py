"""Ids, bounds and the outbox, by the database functions alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from storage import outbox
from tests.storage.functions.rows import Rows
from tests.storage.releases import OwnDatabase

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


async def test_snowflake_at_counts_milliseconds_since_2024(rows: Rows):
    assert await rows.ask(None, "snowflake_at", EPOCH) == 0
    assert await rows.ask(None, "snowflake_at", EPOCH + timedelta(seconds=1, microseconds=2_999)) == 1_002 << 22


async def test_ids_of_one_statement_differ(rows: Rows):
    found = "SELECT count(DISTINCT mint_id()) FROM generate_series(1, 50000)"
    assert await rows.connection.fetchval(found) == 50_000


async def test_mint_id_is_of_this_millisecond(rows: Rows):
    found = await rows.table(
        """SELECT snowflake_at(clock_timestamp()), mint_id(), snowflake_at(clock_timestamp() + interval '1 ms')
        FROM generate_series(1, 200)"""
    )
    assert all(before <= minted < after for before, minted, after in found)
    assert {minted >> 12 & 1023 for _, minted, _ in found} == {1023}


async def test_ensure_partitions_creates_one_for_each_month_ahead(own_database: OwnDatabase):
    await own_database.migrate()
    rows = Rows(own_database.owner)
    await rows.ask(None, "ensure_partitions", 14)
    await rows.ask(None, "ensure_partitions", 14)
    for parent in ("posts", "audit"):
        found = await rows.table(
            """SELECT relname, pg_get_expr(relpartbound, c.oid) FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid
            WHERE inhparent = $1::regclass AND relname <> $2 ORDER BY relname""",
            parent, f"{parent}_default",
        )  # fmt: skip
        first = (await rows.now()).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        months = [first]
        while len(months) < 16:
            months.append((months[-1] + timedelta(days=31)).replace(day=1))
        bounds = [await rows.ask(None, "snowflake_at", month) for month in months]
        assert found == [
            (f"{parent}_{month:%Y%m}", f"FOR VALUES FROM ('{start}') TO ('{stop}')")
            for month, start, stop in zip(months[:-1], bounds[:-1], bounds[1:], strict=True)
        ]


async def test_ensure_partitions_gives_way_to_those_who_use_the_table(own_database: OwnDatabase):
    await own_database.migrate()
    reader = await asyncpg.connect(own_database.urls[0])
    ahead = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'posts'::regclass"
    try:
        before = await own_database.owner.fetchval(ahead)
        await reader.execute("BEGIN; SELECT id FROM posts")
        await own_database.owner.execute("SELECT ensure_partitions(4)")
        assert await own_database.owner.fetchval(ahead) == before
        await reader.execute("COMMIT")
        await own_database.owner.execute("SELECT ensure_partitions(4)")
        assert await own_database.owner.fetchval(ahead) == before + 1
    finally:
        await reader.close()


async def test_outbox_backlog_counts_unsent_events_and_knows_the_age_of_the_oldest(rows: Rows):
    await rows.connection.execute("LOCK TABLE outbox IN EXCLUSIVE MODE; DELETE FROM outbox")
    assert tuple(await rows.ask(None, "outbox_backlog")) == (0, 0)
    for age, batch in ((60, 1), (9, None), (5, None)):
        created_at = await rows.now(seconds=-age)
        await rows.added("outbox", topic="", key="", payload=b"", created_at=created_at, sent_batch=batch)
    assert tuple(await rows.ask(None, "outbox_backlog")) == (2, 9)


async def test_a_backlog_of_a_lane_does_not_hold_up_the_others(rows: Rows):
    await rows.connection.execute("SELECT pg_advisory_xact_lock(hashtext('daira_relay'))")  # while no relay has it
    await rows.connection.execute("LOCK TABLE outbox IN EXCLUSIVE MODE; DELETE FROM outbox")
    backlog = {
        "media.deleted": 300,
        "media.owner_opened": 300,
        "post.created": 15,
        "later.release": 15,
        "chat.marked": 5,
    }
    for topic, events in backlog.items():
        for _ in range(events):
            await rows.added("outbox", topic=topic, key="", payload=b"")

    async def take() -> Counter[str]:
        taken = await outbox.take_unsent(rows.connection, 100, without=[])
        ids = [row["id"] for row in taken]
        assert ids == sorted(ids)
        await outbox.mark_sent(rows.connection, ids, 1)
        return Counter(row["topic"] for row in taken)

    assert await take() == {"media.deleted": 65, "post.created": 15, "later.release": 15, "chat.marked": 5}
    for _ in range(90):
        await rows.added("outbox", topic="chat.marked", key="", payload=b"")
    await rows.added("outbox", topic="post.created", key="", payload=b"")
    assert await take() == {"chat.marked": 89, "post.created": 1, "media.deleted": 10}
    assert await take() == {"chat.marked": 1, "media.deleted": 99}


async def test_bounded_refuses_one_row_too_many_of_an_owner(rows: Rows):
    alice, bob = await rows.users(2)
    for _ in range(49):
        await rows.circle(alice)
    insert = "INSERT INTO circles (id, owner_id, name) VALUES ($1, $2, '')"
    assert not await rows.is_refused(insert, 1_001, alice)
    assert await rows.is_refused(insert, 1_002, alice)
    assert not await rows.is_refused(insert, 1_003, bob)


@pytest.mark.parametrize(("role", "is_refused"), [("speaker", True), ("listener", False)])
async def test_bounded_counts_only_rows_that_count(rows: Rows, role: str, is_refused: bool):
    host = await rows.user()
    room, other = await rows.room(host), await rows.room(host)
    for user in await rows.users(100):
        await rows.role(room, user, "speaker")
    insert = "INSERT INTO room_roles (room_id, user_id, role) VALUES ($1, $2, $3)"
    await rows.view_as(host)
    assert await rows.is_refused(insert, room, await rows.user(), role) == is_refused
    assert not await rows.is_refused(insert, other, await rows.user(), role)
