"""A scratch database that holds what a feed's users did until some moment, with a clock that stands at it.

`daira eval feed` asks the product's own queries there. The clock: functions that call `now()` are laid again with
the moment in its place.
"""

import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit, urlunsplit

from storage import schema
from storage.database import Transaction
from storage.migrating import migrate
from storage.seeding import Connection
from storage.snowflakes import EPOCH_MS

Rows: TypeAlias = Iterable[Sequence[object]]
FOLDED_AT_ONCE = 10_000
TERMS = ("affinity", "quality", "freshness", "diversity", "negatives")


def id_at(at_ms: int, sequence: int) -> int:
    """A snowflake of that moment (ms since 1970). sequence: keeps ids of one millisecond apart."""
    return (at_ms - EPOCH_MS) << 22 | sequence & 0x3FFFFF


def number_of(post_id: int) -> int:
    """The sequence that `id_at` was given."""
    return post_id & 0x3FFFFF


@asynccontextmanager
async def scratch_database(owner_url: str, app_url: str, worker_url: str) -> AsyncIterator[tuple[str, str, str]]:
    """Create a migrated database beside that of the URLs, and drop it afterwards. Returns the three URLs of it."""
    name = f"daira_eval_{secrets.token_hex(6)}"
    owner = await schema.connect(owner_url)
    try:
        await owner.execute(f"CREATE DATABASE {name}")
        try:
            urls = tuple(
                urlunsplit(urlsplit(url)._replace(path=f"/{name}")) for url in (owner_url, app_url, worker_url)
            )
            await migrate(*urls)
            yield urls[0], urls[1], urls[2]
        finally:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


async def stop_clock(connection: Connection, moment: datetime) -> None:
    """Let `now()` in functions be that moment."""
    definitions = await connection.fetch(
        r"""SELECT definition FROM pg_proc JOIN pg_language l ON l.oid = prolang,
            LATERAL (SELECT pg_get_functiondef(pg_proc.oid) AS definition) d
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND lanname IN ('sql', 'plpgsql')
            AND definition ~ '\mnow\(\)'"""
    )
    for row in definitions:
        await connection.execute(row["definition"].replace("now()", f"'{moment.isoformat()}'::timestamptz"))


async def insert_past(connection: Connection, rows: dict[str, Rows], *, large_from: int) -> None:
    """rows: by table, with the columns that `COLUMNS` names. Counters of users are counted here."""
    for table in rows:
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table, columns in COLUMNS.items():
        await connection.copy_records_to_table(table, records=rows[table], columns=columns)
    for table in rows:
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    await connection.execute(
        """UPDATE users u SET is_large = followers >= $1, follower_count = followers
        FROM (SELECT followee_id, count(*) AS followers FROM follows GROUP BY 1) f WHERE f.followee_id = u.id""",
        large_from,
    )
    await connection.execute("ANALYZE")


async def learn(connection: Connection, moment: datetime, progress: Callable[[float], None]) -> None:
    """Do what workers do with the acts that were inserted. Call `stop_clock` before."""
    await connection.execute(
        """SELECT note_engagement(target_id, user_id, created_at) FROM affinity_changes
        WHERE kind IN ('reaction', 'comment', 'save', 'share')
            AND target_id >= snowflake_at($1::timestamptz - interval '48 hours')
        ORDER BY created_at""",
        moment,
    )
    waiting = await connection.fetchval("SELECT count(*) FROM affinity_changes")
    folded = 0
    while taken := await connection.fetchval("SELECT fold_affinities($1)", FOLDED_AT_ONCE):
        folded += taken
        progress(folded / waiting)
    await connection.execute("SELECT setseed(0)")
    await connection.execute("SELECT choose_posts_to_explore()")
    await connection.execute("ANALYZE")


async def leave_out(connection: Connection, term: str | None) -> None:
    """Let feeds be ranked without that term of the score; None: with all of them."""
    arguments = ", ".join("0" if each == term else each for each in TERMS)
    signature = ", ".join(f"{each} double precision" for each in TERMS)
    if not await connection.fetchval("SELECT to_regproc('whole_ranking_score') IS NOT NULL"):
        await connection.execute("ALTER FUNCTION ranking_score RENAME TO whole_ranking_score")
    await connection.execute(
        f"""CREATE OR REPLACE FUNCTION ranking_score({signature}) RETURNS double precision
            LANGUAGE sql IMMUTABLE RETURN whole_ranking_score({arguments})"""
    )


async def draw_as(tx: Transaction, seed: int) -> None:
    """Let what this transaction draws depend on the seed alone."""
    await tx.execute("SELECT setseed($1)", random.Random(seed).uniform(-1, 1))


# In the order in which they refer to each other.
COLUMNS = {
    "users": ("id", "username", "username_key", "created_at"),
    "follows": ("id", "follower_id", "followee_id", "status", "created_at"),
    "posts": (
        "id", "author_id", "text", "visibility", "reply_policy", "hashtags", "topics", "reactions", "comment_count",
        "share_count", "save_count", "view_count",
    ),
    "reactions": ("target_type", "target_id", "user_id", "kind", "id"),
    "comments": ("id", "post_id", "path", "depth", "author_id", "text"),
    "saves": ("id", "user_id", "post_id"),
    "views": ("post_id", "user_id", "day"),
    "affinity_changes": ("user_id", "target_type", "target_id", "kind", "amount", "is_first", "created_at"),
    "feed_hides": ("user_id", "post_id", "author_id", "reason", "topics", "created_at"),
}  # fmt: skip
