"""Circles: named lists of users, seen by their owner alone, which posts and rooms can be limited to."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, cast

from storage.database import Transaction


class CircleRow(TypedDict):
    id: int
    name: str
    created_at: datetime
    member_ids: list[int]


async def insert(tx: Transaction, *, id: int, owner_id: int, name: str) -> None:
    await tx.execute("INSERT INTO circles (id, owner_id, name) VALUES ($1, $2, $3)", id, owner_id, name)


async def rename(tx: Transaction, circle_id: int, name: str) -> bool:
    return bool(await tx.fetchval("UPDATE circles SET name = $2 WHERE id = $1 RETURNING true", circle_id, name))


async def delete(tx: Transaction, circle_id: int) -> bool:
    return bool(await tx.fetchval("DELETE FROM circles WHERE id = $1 RETURNING true", circle_id))


async def add(tx: Transaction, circle_id: int, owner_id: int, user_ids: Sequence[int]) -> None:
    await tx.execute(
        """INSERT INTO circle_members (circle_id, owner_id, user_id)
        SELECT $1, $2, unnest($3::bigint[]) ON CONFLICT DO NOTHING""",
        circle_id,
        owner_id,
        sorted(user_ids),  # a trigger locks each in turn: without one order, two callers could deadlock
    )


async def remove(tx: Transaction, circle_id: int, user_ids: Sequence[int]) -> None:
    await tx.execute("DELETE FROM circle_members WHERE circle_id = $1 AND user_id = ANY ($2)", circle_id, user_ids)


_LOAD = """
    SELECT c.id, c.name, c.created_at,
        (SELECT coalesce(array_agg(m.user_id ORDER BY m.added_at, m.user_id), '{}')
         FROM circle_members m WHERE m.circle_id = c.id) AS member_ids
    FROM circles c
"""


async def load(tx: Transaction, circle_id: int) -> list[CircleRow]:
    """One of the viewer's circles, or nothing."""
    return cast("list[CircleRow]", await tx.fetch(f"{_LOAD} WHERE c.id = $1", circle_id))


async def load_page(tx: Transaction, before: int, limit: int) -> list[CircleRow]:
    """The viewer's circles, newest first."""
    rows = await tx.fetch(f"{_LOAD} WHERE c.id < $1 ORDER BY c.id DESC LIMIT $2", before, limit)
    return cast("list[CircleRow]", rows)


async def lock(tx: Transaction, circle_id: int) -> bool:
    """Lock one of the viewer's circles. Returns False if there is no such circle."""
    return bool(await tx.fetchval("SELECT true FROM circles WHERE id = $1 FOR UPDATE", circle_id))


async def listening_members(tx: Transaction, circle_id: int, author_id: int) -> list[int]:
    """Members who follow the author and have not muted the author's posts. For workers."""
    rows = await tx.fetch(
        """SELECT m.user_id FROM circle_members m
        JOIN follows f ON f.follower_id = m.user_id AND f.followee_id = $2 AND f.status = 'active'
        WHERE m.circle_id = $1 AND m.owner_id = $2 AND NOT EXISTS (
            SELECT FROM mutes x WHERE x.user_id = m.user_id AND x.muted_id = $2
            AND x.kind IN ('all', 'posts') AND (x.until IS NULL OR x.until > now()))""",
        circle_id,
        author_id,
    )
    return [row["user_id"] for row in rows]
