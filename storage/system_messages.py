"""Messages of the operator to one user or to all active users, sent by an event for each page of users."""

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from protocol.events import SystemMessageSentEvent
from storage.database import Transaction
from storage.outbox import CHANNEL, encode

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

LATELY = "1 day"  # the same message cannot begin again within this time


class Begun(NamedTuple):
    """A message that is being sent. `left`: the number of users without an event."""

    id: int
    left: int


async def user_id(connection: Connection, username: str) -> int:
    """Raises LookupError if no active user has that name. For the owner of the tables, like the next two functions."""
    found: int | None = await connection.fetchval(
        "SELECT id FROM users WHERE username_key = $1 AND status = 'active'", username.lower()
    )
    if found is None:
        raise LookupError(f"there is no active user {username}")
    return found


async def begin(connection: Connection, text: str, user_id: int | None, *, again: bool) -> Begun | None:
    """Store the message, or find one that was begun and not finished lately.

    Returns None if it was sent to the same users in the last day; `again` sends it nevertheless.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('daira_system_messages'))")
        found = await connection.fetchrow(
            f"""SELECT id, told_id, finished_at FROM system_messages
            WHERE text = $1 AND user_id IS NOT DISTINCT FROM $2 AND created_at > now() - interval '{LATELY}'
            ORDER BY created_at DESC LIMIT 1""",
            text,
            user_id,
        )
        if found is not None and found["finished_at"] is not None:
            if not again:
                return None
            found = None
        message_id, told_id = (
            (found["id"], found["told_id"]) if found else (await _insert(connection, text, user_id), 0)
        )
        if user_id is not None:
            return Begun(message_id, 1)
        left = "SELECT count(*) FROM users WHERE status = 'active' AND id > $1"
        return Begun(message_id, await connection.fetchval(left, told_id))


async def notify_page(connection: Connection, message_id: int, limit: int) -> int:
    """Add the event for the next users. Returns how many users there are: fewer than `limit` at the end."""
    async with connection.transaction():
        message = await connection.fetchrow(
            "SELECT user_id, told_id FROM system_messages WHERE id = $1 AND finished_at IS NULL FOR UPDATE", message_id
        )
        if message is None:  # another run of the command has finished it
            return 0
        page = await connection.fetchrow(
            """SELECT count(*) AS amount, min(id) AS first_id, max(id) AS last_id FROM (
                SELECT id FROM users WHERE id > $1 AND ($2::bigint IS NULL OR id = $2) AND status = 'active'
                ORDER BY id LIMIT $3) page""",
            message["told_id"],
            message["user_id"],
            limit,
        )
        assert page is not None
        if page["amount"]:
            event = SystemMessageSentEvent(message_id, page["first_id"], page["last_id"])
            await connection.execute(
                "INSERT INTO outbox (id, topic, key, payload) VALUES (mint_id(), $1, $2, $3)",
                event.topic,
                event.key,
                encode(event),
            )
        await connection.execute(
            """UPDATE system_messages SET told_id = coalesce($2, told_id), finished_at = CASE WHEN $3 THEN now() END
            WHERE id = $1""",
            message_id,
            page["last_id"],
            page["amount"] < limit,
        )
    await connection.execute(f"NOTIFY {CHANNEL}")  # in a transaction, it would make other commits wait
    return int(page["amount"])


async def recipients(tx: Transaction, first_id: int, last_id: int) -> list[int]:
    """Active users with these ids and between them. For workers."""
    rows = await tx.fetch(
        "SELECT id FROM users WHERE id BETWEEN $1 AND $2 AND status = 'active' ORDER BY id", first_id, last_id
    )
    return [row["id"] for row in rows]


async def _insert(connection: Connection, text: str, user_id: int | None) -> int:
    message_id: int = await connection.fetchval(
        "INSERT INTO system_messages (id, text, user_id) VALUES (mint_id(), $1, $2) RETURNING id", text, user_id
    )
    await connection.execute(
        """INSERT INTO audit (id, action, resource, changes)
        VALUES (mint_id(), 'system.notify', $1, jsonb_build_object('text', $2::text, 'user_id', $3::bigint))""",
        f"system_message:{message_id}",
        text,
        user_id,
    )
    return message_id
