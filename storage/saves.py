"""Saved posts. Each user sees their own alone."""

from typing import Literal, NamedTuple, TypedDict, cast

import asyncpg

from protocol import errors
from storage import posts
from storage.database import Database, Row, Transaction
from storage.posts import PostRow

Added = Literal["new", "moved", "unchanged"]


class SaveRow(TypedDict):
    collection_id: int | None


class SavedRow(PostRow):
    """A saved post, as `present.saved_post` reads it."""

    save_id: int
    collection_id: int | None


class SavedPart(NamedTuple):
    """Part of the list: its visible posts, how many saves were considered, and the oldest id of these."""

    rows: list[SavedRow]
    candidates: int
    oldest: int


async def add(tx: Transaction, *, id: int, user_id: int, post_id: int, collection_id: int | None) -> Added | None:
    """Save the post in that collection. None: there is no such post or collection for the viewer.

    Raises NOT_FOUND for a collection that is deleted at the same time.
    """
    try:
        row = await _insert(tx, id, user_id, post_id, collection_id)
    except asyncpg.ForeignKeyViolationError:
        raise errors.not_found("collection") from None
    if not row["is_saved"]:
        return None
    if not row["was_saved"]:
        return "new"
    return "unchanged" if row["was_in"] == collection_id else "moved"


async def _insert(tx: Transaction, id: int, user_id: int, post_id: int, collection_id: int | None) -> Row:
    row = await tx.fetchrow(
        """WITH standing AS (
            SELECT collection_id FROM saves WHERE user_id = $2 AND post_id = $3
        ), added AS (
            INSERT INTO saves AS s (id, user_id, post_id, collection_id)
            SELECT $1, $2, $3, $4
            WHERE sees_post($3) AND ($4::bigint IS NULL OR EXISTS (SELECT FROM collections c WHERE c.id = $4))
            ON CONFLICT (user_id, post_id) DO UPDATE SET collection_id = excluded.collection_id RETURNING true
        )
        SELECT EXISTS (SELECT FROM added) AS is_saved, EXISTS (SELECT FROM standing) AS was_saved,
               (SELECT collection_id FROM standing) AS was_in""",
        id,
        user_id,
        post_id,
        collection_id,
    )
    assert row is not None
    return row


async def remove(tx: Transaction, user_id: int, post_id: int) -> bool:
    """Returns False if it was not saved."""
    return bool(
        await tx.fetchval("DELETE FROM saves WHERE user_id = $1 AND post_id = $2 RETURNING true", user_id, post_id)
    )


async def find(database: Database, user_id: int, post_id: int) -> SaveRow | None:
    """For workers."""
    rows = await database.fetch("SELECT collection_id FROM saves WHERE user_id = $1 AND post_id = $2", user_id, post_id)
    return cast("SaveRow", rows[0]) if rows else None


async def load_part(tx: Transaction, user_id: int, collection_id: int | None, before: int, limit: int) -> SavedPart:
    """The newest `limit` saves with ids below `before`, of all collections or of one."""
    fetched = await tx.fetch(
        f"""WITH candidates AS MATERIALIZED (
            SELECT id, post_id, collection_id FROM saves
            WHERE user_id = $1 AND ($2::bigint IS NULL OR collection_id = $2) AND id < $3
            ORDER BY id DESC LIMIT $4),
        wanted AS MATERIALIZED (
            SELECT p.*, c.id AS save_id, c.collection_id FROM candidates c JOIN (
                SELECT * FROM posts WHERE id = ANY (ARRAY (SELECT post_id FROM candidates)) AND status = 'published'
                OFFSET 0) p ON p.id = c.post_id)
        SELECT looked_at.*, page.*, w.save_id, w.collection_id
        FROM (SELECT count(*) AS candidates, coalesce(min(id), 0) AS oldest FROM candidates) looked_at
        LEFT JOIN (({posts.LOAD}) page JOIN wanted w ON w.id = page.id) ON true ORDER BY w.save_id DESC""",
        user_id,
        collection_id,
        before,
        limit,
    )
    rows = [cast("SavedRow", row) for row in fetched if row["id"] is not None]
    return SavedPart(rows, fetched[0]["candidates"], fetched[0]["oldest"])
