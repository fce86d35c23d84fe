"""Reads acts on public posts for a log that `daira eval feed` replays, without texts and names."""

from typing import NamedTuple, TypeAlias

from storage.seeding import Connection
from storage.snowflakes import EPOCH_MS

# A user, a post, and when, in ms since 1970.
Act: TypeAlias = tuple[int, int, int]


class Recorded(NamedTuple):
    """Rows, with ids of the database. Times are in ms since 1970; `day` of a view is its end, if it is over."""

    users: list[tuple[int, int]]  # id, joined
    follows: list[tuple[int, int, int]]  # follower, followee, time
    posts: list[tuple[int, int, int, str | None]]  # id, author, time, first hashtag; in the order of time
    reactions: list[Act]
    comments: list[Act]
    saves: list[Act]
    shares: list[Act]
    hides: list[Act]
    views: list[Act]
    exposures: list[tuple[int, int, int, int, str, float | None]]  # user, post, time, place, source, propensity


_PUBLIC = """
    WITH people AS MATERIALIZED (SELECT id FROM users WHERE status = 'active' AND NOT is_private),
    seen AS MATERIALIZED (
        SELECT id FROM posts
        WHERE id >= $1 AND status = 'published' AND visibility = 'public' AND shared_post_id IS NULL
          AND author_id IN (SELECT id FROM people))
"""
_AT = f"(%s >> 22) + {EPOCH_MS}"
_USERS = f"SELECT id, {_AT % 'id'} FROM users WHERE status = 'active' ORDER BY id"
_FOLLOWS = f"SELECT follower_id, followee_id, {_AT % 'id'} FROM follows WHERE status = 'active' ORDER BY id"
# In the order of the fields.
_OF_POSTS = (
    f"SELECT id, author_id, {_AT % 'id'}, hashtags[1] FROM posts WHERE id IN (SELECT id FROM seen) ORDER BY id",
    f"""SELECT user_id, target_id, {_AT % "id"} FROM reactions
        WHERE target_type = 'post' AND target_id IN (SELECT id FROM seen)""",
    f"""SELECT author_id, post_id, {_AT % "id"} FROM comments
        WHERE status = 'published' AND post_id IN (SELECT id FROM seen)""",
    f"SELECT user_id, post_id, {_AT % 'id'} FROM saves WHERE post_id IN (SELECT id FROM seen)",
    f"""SELECT author_id, shared_post_id, {_AT % "id"} FROM posts
        WHERE status = 'published' AND visibility = 'public' AND shared_post_id IN (SELECT id FROM seen)""",
    """SELECT user_id, post_id, (extract(epoch FROM created_at) * 1000)::bigint FROM feed_hides
        WHERE post_id IN (SELECT id FROM seen)""",
    """SELECT user_id, post_id,
            (extract(epoch FROM least((day + 1)::timestamp AT TIME ZONE 'UTC', now())) * 1000)::bigint
        FROM views WHERE post_id IN (SELECT id FROM seen)""",
    f"""SELECT user_id, post_id, {_AT % "id"}, place, source, propensity FROM feed_exposures
        WHERE post_id IN (SELECT id FROM seen) ORDER BY id""",
)


async def read(connection: Connection, since_ms: int) -> Recorded:
    """What was done with the public posts since that time, as the owner of the tables."""
    since = max(since_ms - EPOCH_MS, 0) << 22
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return Recorded(
            [tuple(row) for row in await connection.fetch(_USERS)],
            [tuple(row) for row in await connection.fetch(_FOLLOWS)],
            *[[tuple(row) for row in await connection.fetch(_PUBLIC + each, since)] for each in _OF_POSTS],
        )
