"""Messages of live rooms, of which the newest are kept."""

from collections.abc import Sequence
from typing import TypedDict, cast

from storage.database import Transaction
from storage.users import LiteRow, lite_columns

MOST_MESSAGES = 1_000  # that are kept for a room


class MessageRow(LiteRow):
    """A message with user-lite columns of its sender."""

    id: int
    room_id: int
    text: str
    sender_id: int


class SenderRow(TypedDict):
    """is_shown: the viewer may see the sender."""

    sender_id: int
    is_deleted: bool
    is_shown: bool


async def insert(tx: Transaction, *, id: int, room_id: int, sender_id: int, text: str) -> None:
    await tx.execute(
        "INSERT INTO room_messages (id, room_id, sender_id, text) VALUES ($1, $2, $3, $4)", id, room_id, sender_id, text
    )


async def load_page(tx: Transaction, room_id: int, before: int, limit: int) -> list[MessageRow]:
    """Messages that the viewer may see, newest first."""
    rows = await tx.fetch(
        f"""SELECT m.id, m.room_id, m.text, m.sender_id, {lite_columns("(m.sender)")}
        FROM room_messages_for($1, $2, $3) m""",
        room_id,
        before,
        limit,
    )
    return cast("list[MessageRow]", rows)


async def load(tx: Transaction, room_id: int, message_id: int) -> SenderRow | None:
    """None if there is no such message in the room."""
    row = await tx.fetchrow(
        """SELECT sender_id, deleted_at IS NOT NULL AS is_deleted,
            EXISTS (SELECT FROM room_users($1, ARRAY [sender_id])) AS is_shown
        FROM room_messages WHERE id = $2 AND room_id = $1""",
        room_id,
        message_id,
    )
    return cast("SenderRow | None", row)


async def delete(tx: Transaction, message_id: int) -> None:
    await tx.execute("UPDATE room_messages SET deleted_at = now() WHERE id = $1", message_id)


async def remaining(tx: Transaction, room_id: int, message_ids: Sequence[int]) -> set[int]:
    """Those messages of the room that have not been deleted."""
    rows = await tx.fetch(
        "SELECT id FROM room_messages WHERE room_id = $1 AND id = ANY ($2) AND deleted_at IS NULL", room_id, message_ids
    )
    return {row["id"] for row in rows}


async def load_for_workers(tx: Transaction, message_ids: Sequence[int]) -> dict[int, MessageRow]:
    """By id, without those that are deleted or whose sender's account is not active."""
    rows = await tx.fetch(
        f"""SELECT m.id, m.room_id, m.text, m.sender_id, {lite_columns("u")}
        FROM room_messages m JOIN users u ON u.id = m.sender_id AND u.status = 'active'
        WHERE m.id = ANY ($1) AND m.deleted_at IS NULL""",
        message_ids,
    )
    return {row["id"]: cast("MessageRow", row) for row in rows}


async def load_all_for_workers(tx: Transaction, room_id: int) -> list[MessageRow]:
    """All messages that are kept, oldest first."""
    rows = await tx.fetch(
        f"""SELECT m.id, m.room_id, m.text, m.sender_id, {lite_columns("u")}
        FROM room_messages m JOIN users u ON u.id = m.sender_id AND u.status = 'active'
        WHERE m.room_id = $1 AND m.deleted_at IS NULL ORDER BY m.id""",
        room_id,
    )
    return cast("list[MessageRow]", rows)


async def trim(tx: Transaction, room_ids: Sequence[int]) -> None:
    """Delete all but the newest of each room."""
    await tx.execute(
        f"""DELETE FROM room_messages m
        USING unnest($1::bigint[]) AS room (id) CROSS JOIN LATERAL (
            SELECT id FROM room_messages WHERE room_id = room.id ORDER BY id DESC OFFSET {MOST_MESSAGES} LIMIT 1
        ) AS newest_of_old
        WHERE m.room_id = room.id AND m.id <= newest_of_old.id""",
        room_ids,
    )
