"""The graph: follows, blocks, mutes."""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import Literal, NamedTuple, TypedDict, cast

from protocol.fields import MAX_ID
from storage.database import Database, Transaction

FollowStatus = Literal["active", "pending"]


class FollowRow(TypedDict):
    """A follow, and the user at its other end."""

    follow_id: int
    user_id: int


class HiddenUntil(NamedTuple):
    """Until when (s since 1970) all pushes about another user, and those of posts, are hidden from a user."""

    all: float
    posts: float


async def follow(tx: Transaction, *, id: int, follower_id: int, followee_id: int) -> FollowStatus | None:
    """Returns `pending` for a private account (a trigger decides), or None if there is a follow already."""
    status: FollowStatus | None = await tx.fetchval(
        """INSERT INTO follows (id, follower_id, followee_id, status) VALUES ($1, $2, $3, 'pending')
        ON CONFLICT DO NOTHING RETURNING status""",
        id,
        follower_id,
        followee_id,
    )
    return status


async def follow_status(tx: Transaction, follower_id: int, followee_id: int) -> FollowStatus | None:
    status: FollowStatus | None = await tx.fetchval(
        "SELECT status FROM follows WHERE follower_id = $1 AND followee_id = $2", follower_id, followee_id
    )
    return status


async def unfollow(tx: Transaction, follower_id: int, followee_id: int, status: str | None = None) -> bool:
    """End the follow, with `status` only if it has that one. Returns False if there was none."""
    return bool(
        await tx.fetchval(
            """DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2 AND ($3::text IS NULL OR status = $3)
            RETURNING true""",
            follower_id,
            followee_id,
            status,
        )
    )


async def accept(tx: Transaction, follower_id: int, followee_id: int) -> bool:
    return bool(
        await tx.fetchval(
            """UPDATE follows SET status = 'active'
            WHERE follower_id = $1 AND followee_id = $2 AND status = 'pending' RETURNING true""",
            follower_id,
            followee_id,
        )
    )


async def accept_all(tx: Transaction, followee_id: int) -> list[int]:
    """Accept all requests, when a private account becomes public. Returns the new followers."""
    rows = await tx.fetch(
        "UPDATE follows SET status = 'active' WHERE followee_id = $1 AND status = 'pending' RETURNING follower_id",
        followee_id,
    )
    return [row["follower_id"] for row in rows]


async def list_requests(tx: Transaction, followee_id: int, before: int, limit: int) -> list[FollowRow]:
    """Pending requests, newest first."""
    rows = await tx.fetch(
        """SELECT id AS follow_id, follower_id AS user_id FROM follows
        WHERE followee_id = $1 AND status = 'pending' AND id < $2 ORDER BY id DESC LIMIT $3""",
        followee_id,
        before,
        limit,
    )
    return cast("list[FollowRow]", rows)


async def list_followers(tx: Transaction, user_id: int, before: int, limit: int) -> list[FollowRow]:
    """Followers, newest first; empty if the viewer may not see the list."""
    rows = await tx.fetch("SELECT follow_id, user_id FROM follower_ids($1, $2, $3)", user_id, before, limit)
    return cast("list[FollowRow]", rows)


async def list_following(tx: Transaction, user_id: int, before: int, limit: int) -> list[FollowRow]:
    """Followed users, newest first; empty if the viewer may not see the list."""
    rows = await tx.fetch("SELECT follow_id, user_id FROM following_ids($1, $2, $3)", user_id, before, limit)
    return cast("list[FollowRow]", rows)


async def is_open(tx: Transaction, user_id: int) -> bool:
    """Whether the viewer may see the user's posts and lists at all."""
    return bool(await tx.fetchval("SELECT graph_open($1)", user_id))


async def block(tx: Transaction, blocker_id: int, blocked_id: int, reason: str | None) -> bool:
    """A trigger also ends follows and circle memberships. Returns False if blocked before, or there is no such user."""
    return bool(
        await tx.fetchval(
            """INSERT INTO blocks (blocker_id, blocked_id, reason) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING RETURNING true""",
            blocker_id,
            blocked_id,
            reason,
        )
    )


async def unblock(tx: Transaction, blocker_id: int, blocked_id: int) -> bool:
    return bool(
        await tx.fetchval(
            "DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2 RETURNING true",
            blocker_id,
            blocked_id,
        )
    )


async def mute(tx: Transaction, user_id: int, muted_id: int, kind: str, until: datetime.datetime | None) -> None:
    await tx.execute(
        """INSERT INTO mutes (user_id, muted_id, kind, until) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, muted_id, kind) DO UPDATE SET until = excluded.until""",
        user_id,
        muted_id,
        kind,
        until,
    )


async def unmute(tx: Transaction, user_id: int, muted_id: int, kind: str | None) -> None:
    await tx.execute(
        "DELETE FROM mutes WHERE user_id = $1 AND muted_id = $2 AND ($3::text IS NULL OR kind = $3)",
        user_id,
        muted_id,
        kind,
    )


_LISTENS = """
    f.status = 'active'
    AND NOT EXISTS (SELECT FROM mutes m WHERE m.user_id = f.follower_id AND m.muted_id = f.followee_id
                    AND m.kind IN ('all', 'posts') AND (m.until IS NULL OR m.until > now()))
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = f.follower_id AND b.blocked_id = f.followee_id)
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = f.followee_id AND b.blocked_id = f.follower_id)
"""


async def listening_followers(tx: Transaction, author_ids: Sequence[int], limit: int) -> dict[int, list[int]]:
    """By author, active followers who have not muted the author's posts, at most `limit` of each. For workers."""
    rows = await tx.fetch(
        f"""SELECT a.id, l.ids FROM unnest($1::bigint[]) a (id) CROSS JOIN LATERAL (
            SELECT array_agg(follower_id) AS ids FROM (
                SELECT f.follower_id FROM follows f WHERE f.followee_id = a.id AND {_LISTENS}
                ORDER BY f.id DESC LIMIT $2) newest) l""",
        author_ids,
        limit,
    )
    return {row["id"]: row["ids"] or [] for row in rows}


async def listens(tx: Transaction, follower_id: int, author_id: int) -> bool:
    """Whether the user follows the author and has not muted the author's posts. For workers."""
    return bool(
        await tx.fetchval(
            f"SELECT true FROM follows f WHERE f.follower_id = $1 AND f.followee_id = $2 AND {_LISTENS}",
            follower_id,
            author_id,
        )
    )


async def follower_pages(
    database: Database, author_id: int, size: int, *, before: int = MAX_ID
) -> AsyncIterator[list[int]]:
    """Followers who have not muted the author's posts, each page in its own transaction. For workers.

    before: leaves out users who followed, or asked to, after this id was minted.
    """
    while True:
        async with database.transaction() as tx:
            rows = await tx.fetch(
                f"""SELECT f.id, f.follower_id FROM follows f WHERE f.followee_id = $1 AND f.id < $2 AND {_LISTENS}
                ORDER BY f.id DESC LIMIT $3""",
                author_id,
                before,
                size,
            )
        if not rows:
            return
        before = rows[-1]["id"]
        yield [row["follower_id"] for row in rows]


async def who_hide(tx: Transaction, actor_id: int, user_ids: Sequence[int]) -> set[int]:
    """Those among `user_ids` who block the actor, are blocked by them, or have muted them. For workers."""
    return await _who_hide(tx, actor_id, user_ids, ["all"])


async def who_hide_posts(tx: Transaction, author_id: int, user_ids: Sequence[int]) -> set[int]:
    """The same, and those who have muted the author's posts alone. For workers."""
    return await _who_hide(tx, author_id, user_ids, ["all", "posts"])


async def lock_pair(tx: Transaction, one_id: int, other_id: int) -> None:
    """Lock the pair until the transaction ends: no other job settles it, and neither user can block the other."""
    await tx.execute("SELECT take_turn($1, $2)", one_id, other_id)


async def hidden_until(tx: Transaction, user_id: int, other_id: int) -> HiddenUntil:
    """Return until when the user's blocks and mutes hide the other. For workers."""
    row = await tx.fetchrow(
        """SELECT coalesce(max(until) FILTER (WHERE scope = 'all'), 0) AS until,
                  coalesce(max(until) FILTER (WHERE scope = 'posts'), 0) AS posts_until FROM (
            SELECT 'all' AS scope, 'infinity'::float8 AS until FROM blocks
            WHERE (blocker_id, blocked_id) IN (($1, $2), ($2, $1))
            UNION ALL SELECT kind, coalesce(extract(epoch FROM until)::float8, 'infinity')
            FROM mutes WHERE user_id = $1 AND muted_id = $2) found""",
        user_id,
        other_id,
    )
    assert row is not None
    return HiddenUntil(row["until"], row["posts_until"])


async def blocked_either_way(tx: Transaction, user_id: int) -> list[int]:
    """Users whom the user blocks, and users who block the user. For workers."""
    rows = await tx.fetch(
        """SELECT blocked_id AS id FROM blocks WHERE blocker_id = $1
        UNION SELECT blocker_id FROM blocks WHERE blocked_id = $1""",
        user_id,
    )
    return [row["id"] for row in rows]


async def who_block_somebody(tx: Transaction, user_ids: Sequence[int]) -> set[int]:
    """Those among `user_ids` who block anybody. For workers."""
    rows = await tx.fetch("SELECT DISTINCT blocker_id FROM blocks WHERE blocker_id = ANY ($1)", user_ids)
    return {row["blocker_id"] for row in rows}


async def _who_hide(tx: Transaction, actor_id: int, user_ids: Sequence[int], mute_kinds: Sequence[str]) -> set[int]:
    rows = await tx.fetch(
        """SELECT blocked_id AS id FROM blocks WHERE blocker_id = $1 AND blocked_id = ANY ($2)
        UNION SELECT blocker_id FROM blocks WHERE blocked_id = $1 AND blocker_id = ANY ($2)
        UNION SELECT user_id FROM mutes WHERE muted_id = $1 AND user_id = ANY ($2)
            AND kind = ANY ($3) AND (until IS NULL OR until > now())""",
        actor_id,
        user_ids,
        mute_kinds,
    )
    return {row["id"] for row in rows}
