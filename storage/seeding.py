"""Bulk inserts of users, follows and posts by the owner of the tables, for demo data and load tests."""

import itertools
import random
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from storage.snowflakes import EPOCH_MS

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

SESSION_LIFETIME = timedelta(days=30)
POSTED_WITHIN = timedelta(days=20)


def past_ids(amount: int, within: timedelta) -> list[int]:
    """Snowflakes of past times, in ascending order."""
    now_ms = time.time_ns() // 1_000_000 - EPOCH_MS
    span_ms = int(within.total_seconds() * 1_000)
    moments = sorted(now_ms - random.randrange(1, span_ms) for _ in range(amount))
    sequence = itertools.count(random.randrange(1 << 22))
    return sorted({moment << 22 | next(sequence) & 0x3FFFFF for moment in moments})


async def write_lazily(connection: Connection, database: str) -> None:
    """Let commits in sessions from now on not wait for the disk. A crash may lose the last ones."""
    await connection.execute(f'ALTER DATABASE "{database}" SET synchronous_commit = off')


async def count_users(connection: Connection) -> int:
    found: int = await connection.fetchval("SELECT count(*) FROM users")
    return found


async def insert_users(connection: Connection, names: Sequence[tuple[str, str]], *, indexed: bool = True) -> list[int]:
    """names: username, display name. Returns ids. The users have no passwords and sign in by minted tokens.

    indexed: whether events make workers index the users for search.
    """
    ids = past_ids(len(names), timedelta(days=300))
    users = [
        (user_id, username, username.lower(), display_name)
        for user_id, (username, display_name) in zip(ids, names, strict=True)
    ]
    if not indexed:
        await connection.execute("ALTER TABLE users DISABLE TRIGGER search_due_by_insert")
    await connection.copy_records_to_table(
        "users", records=users, columns=("id", "username", "username_key", "display_name")
    )
    if not indexed:
        await connection.execute("ALTER TABLE users ENABLE TRIGGER search_due_by_insert")
    await connection.copy_records_to_table(
        "accounts",
        records=[(user_id, f"{key}@demo.invalid", f"{key}@demo.invalid") for user_id, _, key, _ in users],
        columns=("user_id", "email", "email_key"),
    )
    return ids


async def insert_follows(connection: Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """pairs: follower, followee, without duplicates. Call `recount` afterwards."""
    await connection.execute("ALTER TABLE follows DISABLE TRIGGER USER")
    ids = past_ids(len(pairs), timedelta(days=200))
    await connection.copy_records_to_table(
        "follows",
        records=[(follow_id, *pair, "active") for follow_id, pair in zip(ids, pairs, strict=False)],
        columns=("id", "follower_id", "followee_id", "status"),
    )
    await connection.execute("ALTER TABLE follows ENABLE TRIGGER USER")


async def insert_posts(connection: Connection, posts: Sequence[tuple[int, int, str, list[str]]]) -> None:
    """posts: id, author, text, hashtags. Call `recount` afterwards."""
    await connection.execute("ALTER TABLE posts DISABLE TRIGGER USER")
    await connection.copy_records_to_table(
        "posts",
        records=[(post_id, author_id, text, "public", "everyone", tags) for post_id, author_id, text, tags in posts],
        columns=("id", "author_id", "text", "visibility", "reply_policy", "hashtags"),
    )
    await connection.execute("ALTER TABLE posts ENABLE TRIGGER USER")


async def insert_rooms(connection: Connection, rooms: Sequence[tuple[int, str]]) -> None:
    """Insert scheduled public rooms. rooms: owner, topic; nobody may have more than 20."""
    await connection.copy_records_to_table(
        "rooms",
        records=[
            (room_id, owner_id, owner_id, topic, "public", 100)
            for room_id, (owner_id, topic) in zip(past_ids(len(rooms), timedelta(days=2)), rooms, strict=True)
        ],
        columns=("id", "owner_id", "host_id", "topic", "visibility", "capacity"),
    )


async def recount(connection: Connection, large_from: int) -> None:
    await connection.execute(
        """UPDATE users u SET
            follower_count = (SELECT count(*) FROM follows WHERE followee_id = u.id AND status = 'active'),
            following_count = (SELECT count(*) FROM follows WHERE follower_id = u.id AND status = 'active'),
            post_count = (SELECT count(*) FROM posts WHERE author_id = u.id AND status = 'published')"""
    )
    await connection.execute(
        """UPDATE users SET is_large = follower_count >= $1,
            created_at = least(created_at, timestamptz '2024-01-01 00:00Z' + (id >> 22) * interval '1 ms')""",
        large_from,
    )
    # Workers enter the posts under their hashtags.
    await connection.execute("UPDATE post_tags_backfill SET below = 9223372036854775807")
    await connection.execute("ANALYZE users, follows, posts")


async def user_ids(
    connection: Connection, usernames: Sequence[str], *, without_password: bool = False
) -> dict[str, int]:
    rows = await connection.fetch(
        """SELECT username_key, id FROM users JOIN accounts ON user_id = id
        WHERE username_key = ANY ($1) AND (password_hash IS NULL OR NOT $2)""",
        [name.lower() for name in usernames],
        without_password,
    )
    return {row["username_key"]: row["id"] for row in rows}


async def list_users(connection: Connection, amount: int) -> list[tuple[str, str]]:
    """Username and display name of users without passwords, most followed first."""
    rows = await connection.fetch(
        """SELECT username, display_name FROM users JOIN accounts ON user_id = id
        WHERE password_hash IS NULL AND status = 'active'
        ORDER BY follower_count DESC, id LIMIT $1""",
        amount,
    )
    return [(row["username"], row["display_name"]) for row in rows]


async def most_followed_and_a_follower(connection: Connection) -> tuple[str, str] | None:
    """The usernames of the most followed user and of one follower; None without follows."""
    row = await connection.fetchrow(
        """SELECT u.username, f.username AS follower FROM users u
        JOIN follows ON follows.followee_id = u.id AND follows.status = 'active'
        JOIN users f ON f.id = follows.follower_id
        ORDER BY u.follower_count DESC, u.id, f.id LIMIT 1"""
    )
    return (row["username"], row["follower"]) if row else None


async def open_sessions(connection: Connection, owners: Sequence[int], device: str) -> list[int]:
    """Open a session for each user, with an unknown refresh token. Returns the ids of the sessions."""
    ids = past_ids(len(owners), timedelta(seconds=1 + len(owners) / 100))
    expires_at = datetime.now(UTC) + SESSION_LIFETIME
    await connection.copy_records_to_table(
        "sessions",
        records=[
            (session_id, owner, secrets.token_bytes(32), secrets.token_bytes(32), device, expires_at)
            for session_id, owner in zip(ids, owners, strict=True)
        ],
        columns=("id", "user_id", "family_hash", "refresh_hash", "device_name", "expires_at"),
    )
    return ids
