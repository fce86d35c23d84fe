"""Notifications in bulk: what a page costs wherever it begins, and how old ones are deleted."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from protocol.fields import MAX_ID
from storage import handled_events, notifications
from storage.schema import APP_ROLE, WORKER_ROLE
from tests.cluster import Cluster

AMOUNT = 21_000
GROUP = 600  # actors
TWO_HOURS = 7_200_000 << 22  # between ids


class Captured(Exception):
    """A statement with its arguments, which was not run."""


class Capturing:
    async def fetch(self, statement: str, *arguments: object) -> Any:
        raise Captured(statement, arguments)


@pytest.fixture(scope="module")
async def owner(idle_cluster: Cluster) -> AsyncIterator[Any]:
    connection = await idle_cluster.owner()
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def alice(idle_cluster: Cluster, owner: Any) -> AsyncIterator[int]:
    """A user with many notifications of many actors, all seen but the newest 20. The newest is of a group of actors.

    1,000 other users have one cause each: so statistics expect few rows of a user. The notifications are two hours old:
    while the tests run, workers delete what users have too much of who were notified lately.
    """
    mint = idle_cluster.stores.ids.mint
    people = [mint() for _ in range(51)]
    others = [mint() for _ in range(1_000)]
    await owner.executemany(
        "INSERT INTO users (id, username, username_key) VALUES ($1, $2, $2)",
        [(person, idle_cluster.unique("crowd")) for person in [*people, *others]],
    )
    person, *actors = people
    ids = [mint() - TWO_HOURS for _ in range(AMOUNT)]
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, actor_ids, actor_count, seen_at)
        SELECT n.id, $2, 'mention', 'user', ($3::bigint[])[1], 'list', ARRAY [($3::bigint[])[1 + n.number % 50]], 1,
               CASE WHEN n.number <= $4::integer THEN now() END
        FROM unnest($1::bigint[]) WITH ORDINALITY AS n (id, number)""",
        ids, person, actors, AMOUNT - 20,
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO notification_causes (user_id, kind, target_type, target_id, actor_id, event_id, notification_id)
        SELECT $1, 'mention', 'user', id, actor_ids[1], 1, id FROM notifications WHERE user_id = $1""",
        person,
    )
    await owner.execute(
        """INSERT INTO notification_causes (user_id, kind, target_type, target_id, actor_id, event_id, notification_id)
        SELECT id, 'mention', 'user', id, $2, 1, id FROM unnest($1::bigint[]) id""",
        others, person,
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO notification_causes (user_id, kind, target_type, target_id, actor_id, event_id, notification_id)
        SELECT $1, 'follow', 'user', $1, actor, 1, $3 FROM unnest($2::bigint[]) actor""",
        person, others[:GROUP], max(ids),
    )  # fmt: skip
    await owner.execute(
        "UPDATE notifications SET kind = 'follow', actor_ids = $2, actor_count = $3 WHERE id = $1",
        max(ids), others[:8], GROUP,
    )  # fmt: skip
    await owner.executemany(
        "INSERT INTO mutes (user_id, muted_id, kind) VALUES ($1, $2, 'all')",
        [(person, each) for each in [*actors[:10], *others[:10]]],
    )
    await owner.execute("ANALYZE notifications, notification_causes, users, mutes")
    yield person
    await owner.execute("DELETE FROM notifications WHERE user_id = $1", person)
    await owner.execute("DELETE FROM notification_causes WHERE user_id = ANY ($1)", [person, *others])


async def blocks_read(idle_cluster: Cluster, viewer: int, before: int) -> int:
    """Return how many blocks of tables and indexes a page below that id reads."""
    with pytest.raises(Captured) as captured:
        await notifications.load_page(Capturing(), "list", before, 20)  # type: ignore[arg-type]
    statement, arguments = captured.value.args
    connection = await asyncpg.connect(idle_cluster.servers.postgres_url(APP_ROLE))  # which has planned nothing yet
    try:
        await connection.execute("SELECT set_config('app.user_id', $1, false)", str(viewer))
        assert len(await connection.fetch(statement, *arguments)) > 10
        [(plan,)] = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    finally:
        await connection.close()
    [top] = json.loads(plan)
    return int(top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"])


async def test_page_1_000_costs_as_much_as_the_first(idle_cluster: Cluster, owner: Any, alice: int):
    [deep] = await owner.fetchrow(
        "SELECT id FROM notifications WHERE user_id = $1 ORDER BY id DESC OFFSET 20000 LIMIT 1", alice
    )
    first, last = await blocks_read(idle_cluster, alice, MAX_ID), await blocks_read(idle_cluster, alice, deep)
    assert last < first * 1.3
    assert first < 1_000


async def as_worker(idle_cluster: Cluster, work: Any) -> int:
    connection = await asyncpg.connect(idle_cluster.servers.postgres_url(WORKER_ROLE))
    try:
        gone: int = await work(connection, 100_000)
    finally:
        await connection.close()
    return gone


async def test_a_user_keeps_the_newest_notifications(idle_cluster: Cluster, owner: Any, alice: int):
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place)
        VALUES ($1, $2, 'mention', 'user', $2, 'list')""",
        idle_cluster.stores.ids.mint(),
        alice,
    )
    await as_worker(idle_cluster, notifications.forget_surplus)
    kept = "SELECT count(*), min(id) FROM notifications WHERE user_id = $1"
    assert (await owner.fetchrow(kept, alice))[0] == notifications.MOST_OF_A_USER
    oldest = (await owner.fetchrow(kept, alice))[1]
    await as_worker(idle_cluster, notifications.forget_surplus)
    assert tuple(await owner.fetchrow(kept, alice)) == (notifications.MOST_OF_A_USER, oldest)


async def test_what_a_policy_keeps_back_is_bounded_too(idle_cluster: Cluster, owner: Any, alice: int):
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place)
        SELECT snowflake_at(now()) + n, $1, 'system', 'user', $1, 'filtered' FROM generate_series(1, $2::integer) n""",
        alice,
        notifications.MOST_OF_A_USER + 10,
    )
    await as_worker(idle_cluster, notifications.forget_surplus)
    taken = "DELETE FROM notifications WHERE user_id = $1 AND place = 'filtered'"
    assert await owner.execute(taken, alice) == f"DELETE {notifications.MOST_OF_A_USER}"


async def test_old_notifications_and_causes_are_deleted(idle_cluster: Cluster, owner: Any, alice: int):
    rows = [("91 days", 1, "list", "0"), ("91 days", 2, "push", "1 day"), ("91 days", 3, "push", "91 days"),
            ("89 days", 4, "list", "0")]  # fmt: skip
    await owner.execute("DELETE FROM notifications WHERE user_id = $1", alice)
    for age, number, place, changed in rows:
        await owner.execute(
            f"""INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, updated_at)
            VALUES (snowflake_at(now() - interval '{age}') + {number}, $1, 'system', 'user', $1, '{place}',
                    now() - interval '{changed}')""",
            alice,
        )
    await owner.execute(
        """UPDATE notification_causes SET created_at = now() - interval '91 days'
        WHERE user_id = $1 AND target_id % 2 = 0""",
        alice,
    )
    left = await owner.fetchval(
        "SELECT count(*) FROM notification_causes WHERE user_id = $1 AND created_at > now() - interval '90 days'", alice
    )
    await as_worker(idle_cluster, notifications.forget_old)
    await as_worker(idle_cluster, notifications.forget_old_causes)
    found = await owner.fetch("SELECT id & 7 AS number FROM notifications WHERE user_id = $1 ORDER BY 1", alice)
    assert [row["number"] for row in found] == [2, 4]
    assert await owner.fetchval("SELECT count(*) FROM notification_causes WHERE user_id = $1", alice) == left


async def test_handled_events_are_forgotten_after_30_days(idle_cluster: Cluster, owner: Any):
    await owner.execute(
        """INSERT INTO handled_events SELECT snowflake_at(now() - age * interval '1 day')
        FROM unnest(ARRAY [29, 31, 32]) AS age"""
    )
    assert await as_worker(idle_cluster, handled_events.forget_old) >= 2
    oldest = await owner.fetchval("SELECT min(event_id) > snowflake_at(now() - interval '30 days') FROM handled_events")
    assert oldest
