"""Members of chats and their marks."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.chats import ChatRole, ChatState
from storage.database import Database, Transaction
from storage.users import LiteRow, lite_columns


class ChatMemberRow(LiteRow):
    """A member with user-lite columns. Marks are None where the viewer may not know them."""

    user_id: int
    role: ChatRole
    state: ChatState
    received_seq: int | None
    read_seq: int | None


class ChatMarksRow(TypedDict):
    received_seq: int
    read_seq: int
    unread: int


class OwnMemberRow(TypedDict):
    """A member's own state, as workers push it to the member."""

    user_id: int
    role: ChatRole
    state: ChatState
    muted_until: datetime | None
    received_seq: int
    read_seq: int


class ChatReaderRow(TypedDict):
    user_id: int
    read_at: datetime | None


class PlacedMemberRow(TypedDict):
    user_id: int
    state: ChatState
    is_new: bool


class LeftChat(NamedTuple):
    is_done: bool
    heir_id: int | None


async def add(tx: Transaction, chat_id: int, user_ids: Sequence[int]) -> list[PlacedMemberRow]:
    """Add the users who admit the viewer's messages. Returns those among the users who are in the chat then."""
    rows = await tx.fetch("SELECT user_id, state, is_new FROM add_to_chat($1, $2)", chat_id, user_ids)
    return cast("list[PlacedMemberRow]", rows)


async def remove(tx: Transaction, chat_id: int, user_id: int) -> bool:
    """Returns whether the viewer removed the user."""
    return bool(await tx.fetchval("SELECT remove_from_chat($1, $2)", chat_id, user_id))


async def leave(tx: Transaction, chat_id: int) -> LeftChat:
    """Returns whether the viewer left, and the new owner if the viewer was the owner."""
    row = await tx.fetchrow("SELECT is_done, heir FROM leave_chat($1)", chat_id)
    assert row is not None
    return LeftChat(row["is_done"], row["heir"])


async def set_role(tx: Transaction, chat_id: int, user_id: int, role: ChatRole) -> bool:
    """Returns whether the role changed."""
    return bool(await tx.fetchval("SELECT set_chat_role($1, $2, $3)", chat_id, user_id, role))


async def load_page(tx: Transaction, chat_id: int, after: int, limit: int, receipts_up_to: int) -> list[ChatMemberRow]:
    """Members whom the viewer may see, in the order of their ids."""
    rows = await tx.fetch(
        f"""SELECT m.user_id, m.role, m.state, m.received_seq, m.read_seq, {lite_columns("(m.member)")}
        FROM chat_members_for($1, $2, $3, $4) m""",
        chat_id,
        after,
        limit,
        receipts_up_to,
    )
    return cast("list[ChatMemberRow]", rows)


async def load_one(tx: Transaction, chat_id: int, user_id: int) -> ChatMemberRow | None:
    """A member whom the viewer may see."""
    rows = await load_page(tx, chat_id, user_id - 1, 1, 0)
    return rows[0] if rows and rows[0]["user_id"] == user_id else None


async def mark(tx: Transaction, chat_id: int, received_seq: int, read_seq: int) -> bool:
    """Advance the viewer's marks; a trigger keeps their rules. Returns False if they stand there already."""
    status = await tx.execute(
        """UPDATE chat_members m SET received_seq = $2, read_seq = $3
        FROM chats c
        WHERE m.chat_id = $1 AND m.user_id = viewer_id() AND c.id = m.chat_id
          AND (m.received_seq < least($2, c.last_seq) OR m.read_seq < least($3, c.last_seq))""",
        chat_id,
        received_seq,
        read_seq,
    )
    return not status.endswith(" 0")


async def marks(tx: Transaction, chat_id: int) -> ChatMarksRow | None:
    """The viewer's marks and unread messages; None if the chat is hidden from the viewer."""
    row = await tx.fetchrow(
        """SELECT received_seq, read_seq, unread_in_chat(user_id, chat_id) AS unread FROM chat_members
        WHERE chat_id = $1 AND user_id = viewer_id() AND sees_chat(chat_id)""",
        chat_id,
    )
    return cast("ChatMarksRow | None", row)


async def read_by(tx: Transaction, chat_id: int, seq: int, receipts_up_to: int) -> list[ChatReaderRow]:
    rows = await tx.fetch("SELECT user_id, read_at FROM chat_read_by($1, $2, $3)", chat_id, seq, receipts_up_to)
    return cast("list[ChatReaderRow]", rows)


async def typing_audience(database: Database, user_id: int, chat_id: int, up_to: int) -> list[int] | None:
    """The members whom the user's typing is shown to; None if the user may not write in the chat."""
    async with database.transaction(user_id) as tx:
        found: list[int] | None = await tx.fetchval("SELECT chat_typing_audience($1, $2)", chat_id, up_to)
    return found


async def own_for_workers(tx: Transaction, chat_id: int, user_ids: Sequence[int]) -> list[OwnMemberRow]:
    """These members, also those who have left."""
    rows = await tx.fetch(
        """SELECT user_id, role, state, muted_until, received_seq, read_seq FROM chat_members
        WHERE chat_id = $1 AND user_id = ANY ($2)""",
        chat_id,
        user_ids,
    )
    return cast("list[OwnMemberRow]", rows)


async def active_for_workers(tx: Transaction, chat_id: int) -> dict[int, int]:
    """Active members, each with the first message that they see; without both of a direct chat with a block."""
    rows = await tx.fetch(
        """SELECT m.user_id, m.first_seq FROM chat_members m JOIN chats c ON c.id = m.chat_id
        WHERE m.chat_id = $1 AND m.state = 'active'
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = c.low_id AND b.blocked_id = c.high_id)
          AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = c.high_id AND b.blocked_id = c.low_id)""",
        chat_id,
    )
    return {row["user_id"]: row["first_seq"] for row in rows}
