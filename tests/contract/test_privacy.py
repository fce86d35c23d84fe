"""Row policies, the second lock: with the application's role, B reads no private data of A."""

import asyncpg
import pytest

from tests.cluster import Cluster

PRIVATE_TABLES = (
    "accounts", "sessions", "follows", "blocks", "mutes", "circles", "circle_members", "post_mentions", "idempotency"
)  # fmt: skip


@pytest.fixture
async def secrets_of_alice(cluster: Cluster, person):
    """Create Alice with private rows in every table, and a friend who shares them."""
    alice, friend, foe = await person("alice"), await person("friend"), await person("foe")
    await friend.call("graph.follow", user_id=alice.id)
    await alice.call("graph.follow", user_id=friend.id)
    await alice.call("graph.block", user_id=foe.id)
    await alice.call("graph.mute", user_id=friend.id, kind="stories")
    circle = await alice.call("circle.create", name="c", user_ids=[friend.id], idempotency_key="k")
    for visibility, extra in (("circle", {"circle_id": circle["id"]}), ("followers", {}), ("private", {})):
        await alice.call("post.create", text=f"@{friend.name}", visibility=visibility, **extra)
    return alice, friend, foe


async def test_a_stranger_reads_no_row(cluster: Cluster, secrets_of_alice, person):
    alice, friend, foe = secrets_of_alice
    stranger = await person("stranger")
    connection = await cluster.as_app(stranger.id)
    for table in PRIVATE_TABLES:
        rows = await connection.fetch(f"SELECT * FROM {table}")
        assert [row for row in rows if int(stranger.id) not in row.values()] == [], table
    assert await connection.fetch("SELECT * FROM posts WHERE author_id = $1", int(alice.id)) == []
    assert await connection.fetchval("SELECT count(*) FROM users WHERE id = $1", int(alice.id)) == 1
    await connection.close()

    connection = await cluster.as_app(foe.id)
    assert await connection.fetch("SELECT * FROM users WHERE id = $1", int(alice.id)) == []
    assert await connection.fetch("SELECT * FROM blocks") == []
    await connection.close()

    connection = await cluster.as_app(friend.id)
    visible = await connection.fetch("SELECT visibility FROM posts WHERE author_id = $1 ORDER BY id", int(alice.id))
    assert [row["visibility"] for row in visible] == ["circle", "followers"]
    for table in ("circles", "circle_members", "mutes", "idempotency"):
        assert await connection.fetch(f"SELECT * FROM {table}") == [], table
    await connection.close()


async def test_without_a_viewer_no_row_is_read(cluster: Cluster, secrets_of_alice):
    connection = await cluster.as_app("")
    for table in (*PRIVATE_TABLES, "users", "posts"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await connection.close()


async def test_a_stranger_writes_no_row(cluster: Cluster, secrets_of_alice, person):
    alice, _, _ = secrets_of_alice
    stranger = await person("stranger")
    connection = await cluster.as_app(stranger.id)
    for statement in (
        "UPDATE posts SET text = 'x' WHERE author_id = $1",
        "UPDATE users SET bio = 'x' WHERE id = $1",
        "UPDATE sessions SET revoked_at = now() WHERE user_id = $1",
        "DELETE FROM circles WHERE owner_id = $1",
        "DELETE FROM follows WHERE followee_id = $1",
    ):
        assert (await connection.execute(statement, int(alice.id))).endswith(" 0"), statement
    for statement in (
        "INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, 1)",
        "INSERT INTO circles (id, owner_id, name) VALUES (1, $1, 'x')",
        "INSERT INTO mutes (user_id, muted_id, kind) VALUES ($1, 2, 'all')",
        "UPDATE users SET role = 'admin' WHERE id = $1",
        "SELECT * FROM outbox WHERE id = $1",
        "SELECT * FROM audit WHERE id = $1",
        "SELECT * FROM posts_default WHERE id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, int(alice.id))
    await connection.close()


async def test_the_application_owns_nothing_and_bypasses_nothing(cluster: Cluster, person):
    connection = await cluster.as_app(1)
    role = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb")
    assert [power for power in powers if role[power]] == []
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1", role["oid"]) == 0
    unprotected = await connection.fetch(
        """SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = 'public' AND relkind IN ('r', 'p') AND NOT relrowsecurity
          AND has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')
          AND relname NOT IN ('alembic_version', 'schema_versions')"""
    )
    assert unprotected == []
    await connection.close()
