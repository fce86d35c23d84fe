"""Users: profiles as the viewer sees them, in one query however many are asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, cast

import asyncpg
from msgspec import UNSET, UnsetType

from protocol.users import Governorate
from storage.database import Transaction

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


class LiteRow(TypedDict):
    """The columns that `lite_columns` selects and `present.user_lite` reads."""

    username: str
    display_name: str
    avatar_url: str | None
    is_verified: bool


class ProfileRow(LiteRow):
    """A user with the viewer's relation, as `present.user` reads it."""

    id: int
    bio: str
    is_private: bool
    follower_count: int
    following_count: int
    post_count: int
    created_at: datetime
    presence_status: str
    presence_text: str
    presence_version: int
    follows: bool
    followed_by: bool
    requested: bool
    blocks: bool
    mutes: bool
    blocked_by: bool


def lite_columns(users: str) -> str:
    """SQL for the user-lite columns of that row of `users`: an alias, or a column `(alias.column)` of that type."""
    return ", ".join(f"{users}.{column}" for column in LiteRow.__annotations__)


def lite_object(users: str) -> str:
    """SQL for the JSON of a `UserLite` from the table with that alias."""
    columns = ", ".join(f"'{column}', {users}.{column}" for column in LiteRow.__annotations__)
    return f"jsonb_build_object('id', {users}.id::text, {columns})"


def own_columns(table: str, row: type[LiteRow], *, until: str = "") -> str:
    """SQL for the columns that a row has beside the user-lite ones: all, or those before the column `until`.

    Statements name their columns, never `*`: a column that a migration adds would change the result of statements that
    are prepared, and PostgreSQL would refuse them.
    """
    columns = [column for column in row.__annotations__ if column not in LiteRow.__annotations__]
    return ", ".join(f"{table}.{column}" for column in columns[: columns.index(until) if until else None])


_PROFILE = f"""
    SELECT %s{own_columns("u", ProfileRow, until="follows")}, {lite_columns("u")},
           coalesce(r.follows, false) AS follows, coalesce(r.followed_by, false) AS followed_by,
           coalesce(r.requested, false) AS requested, coalesce(r.blocks, false) AS blocks,
           coalesce(r.mutes, false) AS mutes, coalesce(r.blocked_by, false) AS blocked_by
    FROM users u LEFT JOIN relations($1) r ON r.other_id = u.id
    WHERE (u.status = 'active' OR u.id = viewer_id()) AND
"""


async def load(tx: Transaction, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
    """Profiles by id with the viewer's relation, without users whom the viewer may not see."""
    rows = cast("list[ProfileRow]", await tx.fetch(f"{_PROFILE % ''} u.id = ANY ($1)", user_ids))
    return {row["id"]: row for row in rows if not row["blocked_by"]}


async def load_one(tx: Transaction, user_id: int) -> ProfileRow | None:
    return (await load(tx, [user_id])).get(user_id)


async def load_own(tx: Transaction, user_id: int) -> tuple[ProfileRow, Governorate | None] | None:
    """The viewer's own profile, and the governorate, which nobody else may see."""
    governorate = "(SELECT governorate FROM accounts WHERE user_id = u.id) AS governorate, "
    row = await tx.fetchrow(f"{_PROFILE % governorate} u.id = ANY ($1)", [user_id])
    return (cast("ProfileRow", row), row["governorate"]) if row else None


async def require_id(connection: Connection, username: str) -> int:
    """The user of that name, whatever the status. For the owner of the tables. Raises LookupError."""
    found: int | None = await connection.fetchval("SELECT id FROM users WHERE username_key = $1", username.lower())
    if found is None:
        raise LookupError(f"there is no user {username}")
    return found


async def id_of(tx: Transaction, username: str) -> int | None:
    found: int | None = await tx.fetchval("SELECT id FROM users WHERE username_key = $1", username.lower())
    return found


async def mentionable(tx: Transaction, usernames: Sequence[str]) -> list[int]:
    """Ids of those users whom the viewer may mention."""
    rows = await tx.fetch(
        "SELECT id FROM users WHERE username_key = ANY ($1) AND admits_mention(id)",
        [username.lower() for username in usernames],
    )
    return [row["id"] for row in rows]


async def load_lite(tx: Transaction, user_ids: Sequence[int]) -> dict[int, LiteRow]:
    """User-lite columns by id, without users whom the viewer may not see."""
    rows = await tx.fetch(
        f"SELECT u.id, {lite_columns('u')} FROM users u WHERE u.id = ANY ($1) AND u.status = 'active'", user_ids
    )
    return {row["id"]: cast("LiteRow", row) for row in rows}


async def update(
    tx: Transaction,
    user_id: int,
    *,
    display_name: str | None,
    bio: str | None,
    is_private: bool | None,
    avatar_url: str | None | UnsetType,
    presence_audience: str | None,
) -> None:
    """None, or UNSET for the avatar, leaves a column as it is. An empty display name becomes the username."""
    await tx.execute(
        """UPDATE users SET display_name = coalesce(nullif($2, ''), CASE WHEN $2 = '' THEN username END, display_name),
            bio = coalesce($3, bio), is_private = coalesce($4, is_private),
            avatar_url = CASE WHEN $5 THEN $7 ELSE avatar_url END,
            presence_audience = coalesce($6, presence_audience)
        WHERE id = $1""",
        user_id,
        display_name,
        bio,
        is_private,
        avatar_url is not UNSET,
        presence_audience,
        None if avatar_url is UNSET else avatar_url,
    )


async def hold_privacy(tx: Transaction, user_id: int) -> None:
    """Lock the privacy of the account: wait for follows that have begun, and block new ones until the transaction ends.

    Call it before locking the account's row: a follow takes this lock first, and then that row to count itself.
    """
    await tx.execute("SELECT hold('privacy', $1)", user_id)


async def choose_presence(tx: Transaction, user_id: int, status: str, text: str) -> int:
    """Returns the version of the choice, which counts up."""
    version: int = await tx.fetchval(
        """UPDATE users SET presence_status = $2, presence_text = $3, presence_version = presence_version + 1
        WHERE id = $1 RETURNING presence_version""",
        user_id,
        status,
        text,
    )
    return version


async def may_watch(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those pairs (user, watcher) where the watcher may see the user's presence."""
    rows = await tx.fetch(
        "SELECT may_watch($1, $2) AS number", [who for who, _ in pairs], [other for _, other in pairs]
    )
    return [pairs[row["number"] - 1] for row in rows]


async def is_large(tx: Transaction, user_id: int) -> bool:
    """Whether the author's posts are merged into feeds at read instead of fanned out."""
    return bool(await tx.fetchval("SELECT is_large FROM users WHERE id = $1", user_id))


async def size_change(tx: Transaction, user_id: int, up_at: int, down_below: int) -> bool | None:
    """Return the value that `is_large` must get, by the number of followers; None if it is right. For workers."""
    change: bool | None = await tx.fetchval(
        """SELECT NOT is_large FROM users
        WHERE id = $1 AND (NOT is_large AND follower_count >= $2 OR is_large AND follower_count < $3)""",
        user_id,
        up_at,
        down_below,
    )
    return change


async def set_large(tx: Transaction, user_id: int, is_large: bool) -> None:
    await tx.execute("UPDATE users SET is_large = $2 WHERE id = $1", user_id, is_large)
