"""Messages of chats."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

import msgspec

from protocol.moderation import Label
from protocol.standing import ToldStanding
from storage.database import Database, Row, Transaction
from storage.media import ShownMediaRow, shown_rows


class ChatMessageRow(TypedDict):
    chat_id: int
    seq: int
    sender_id: int
    text: str
    reply_to_seq: int | None
    created_at: datetime
    edited_at: datetime | None
    is_deleted: bool
    media: list[ShownMediaRow] | None
    labels: list[Label]


class StoredMessageRow(ChatMessageRow):
    is_withheld: bool  # its sender alone sees it


class ShownMessageRow(ChatMessageRow):
    """A message with the reactions that the viewer sees."""

    reactions: dict[str, int]
    my_reaction: str | None
    told_standing: ToldStanding


class ChatHistoryRow(TypedDict):
    """`messages` is the JSON of a list of `ShownMessageRow`, oldest first."""

    first_seq: int
    last_seq: int
    from_seq: int
    to_seq: int
    messages: str


class ChatEditRow(TypedDict):
    text: str
    written_at: datetime


class ForPush(NamedTuple):
    """`members`: each with the first message that they see."""

    members: dict[int, int]
    messages: list[StoredMessageRow]


_rows = msgspec.json.Decoder(list[StoredMessageRow])
_COLUMNS = """chat_id, seq, sender_id, text, reply_to_seq, created_at, edited_at, deleted_at IS NOT NULL AS is_deleted,
    message_media(chat_id, seq) AS media, labels,
    NOT is_shown(standing) AS is_withheld"""


def _message_row(row: Row) -> StoredMessageRow:
    files = row["media"]
    return cast("StoredMessageRow", {**row, "media": files and shown_rows(files)})


async def load_history(
    tx: Transaction, chat_id: int, *, before: int | None, after: int | None, around: int | None, limit: int
) -> ChatHistoryRow | None:
    """None if the chat is hidden from the viewer."""
    row = await tx.fetchrow("SELECT * FROM chat_history($1, $2, $3, $4, $5)", chat_id, before, after, around, limit)
    return cast("ChatHistoryRow | None", row)


async def load(tx: Transaction, chat_id: int, seq: int) -> StoredMessageRow | None:
    """None if the message is hidden from the viewer."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM chat_messages WHERE chat_id = $1 AND seq = $2", chat_id, seq)
    return None if row is None else _message_row(row)


async def visible(tx: Transaction, messages: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those messages (chat, number) that the viewer may see."""
    rows = await tx.fetch(
        """SELECT m.chat_id, m.seq FROM unnest($1::bigint[], $2::integer[]) AS m (chat_id, seq)
        WHERE sees_chat_message(m.chat_id, m.seq)""",
        [chat_id for chat_id, _ in messages],
        [seq for _, seq in messages],
    )
    return {(row["chat_id"], row["seq"]) for row in rows}


async def edit(tx: Transaction, chat_id: int, seq: int, text: str) -> StoredMessageRow | None:
    """A trigger keeps the earlier text. Returns None if the message is not the viewer's, or deleted."""
    row = await tx.fetchrow(
        f"UPDATE chat_messages SET text = $3 WHERE chat_id = $1 AND seq = $2 RETURNING {_COLUMNS}", chat_id, seq, text
    )
    return None if row is None else _message_row(row)


async def delete(tx: Transaction, chat_id: int, seq: int) -> None:
    """A trigger removes text, earlier texts and reactions."""
    await tx.execute("UPDATE chat_messages SET deleted_at = now() WHERE chat_id = $1 AND seq = $2", chat_id, seq)


async def hide(tx: Transaction, chat_id: int, seq: int) -> None:
    await tx.execute(
        """INSERT INTO chat_hidden (chat_id, user_id, seq) VALUES ($1, viewer_id(), $2) ON CONFLICT DO NOTHING""",
        chat_id,
        seq,
    )


async def earlier_texts(tx: Transaction, chat_id: int, seq: int) -> list[ChatEditRow]:
    """Oldest first, without the present text."""
    rows = await tx.fetch(
        "SELECT text, written_at FROM chat_edits WHERE chat_id = $1 AND seq = $2 ORDER BY number", chat_id, seq
    )
    return cast("list[ChatEditRow]", rows)


async def react(tx: Transaction, chat_id: int, seq: int, emoji: str | None) -> bool:
    """Set the viewer's reaction, or take it back. Returns False if it stands so already."""
    if emoji is None:
        statement = "DELETE FROM chat_reactions WHERE chat_id = $1 AND seq = $2 AND user_id = viewer_id()"
        return not (await tx.execute(statement, chat_id, seq)).endswith(" 0")
    status = await tx.execute(
        """INSERT INTO chat_reactions AS r (chat_id, seq, user_id, emoji) VALUES ($1, $2, viewer_id(), $3)
        ON CONFLICT (chat_id, seq, user_id) DO UPDATE SET emoji = excluded.emoji WHERE r.emoji <> excluded.emoji""",
        chat_id,
        seq,
        emoji,
    )
    return not status.endswith(" 0")


async def for_push(database: Database, chat_id: int, first: int, most: int) -> ForPush:
    """For workers, in one round trip: messages from `first` on, and the active members.

    Both members of a direct chat with a block are left out.
    """
    [row] = await database.fetch(
        f"""SELECT members.user_ids, members.first_seqs, EXISTS (
                SELECT FROM blocks b
                WHERE b.blocker_id IN (c.low_id, c.high_id) AND b.blocked_id IN (c.low_id, c.high_id)) AS is_shut, (
                SELECT coalesce(json_agg(found ORDER BY seq), '[]') FROM (
                    SELECT {_COLUMNS} FROM chat_messages
                    WHERE chat_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3) found) AS messages
        FROM chats c CROSS JOIN LATERAL (
            SELECT array_agg(m.user_id) AS user_ids, array_agg(m.first_seq) AS first_seqs
            FROM chat_members m WHERE m.chat_id = c.id AND m.state = 'active') members
        WHERE c.id = $1""",
        chat_id,
        first,
        most,
    )
    members = {} if row["is_shut"] else dict(zip(row["user_ids"] or (), row["first_seqs"] or (), strict=True))
    return ForPush(members, _rows.decode(row["messages"]))


async def range_for_workers(tx: Transaction, chat_id: int, first: int, last: int) -> list[StoredMessageRow]:
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM chat_messages WHERE chat_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",
        chat_id,
        first,
        last,
    )
    return [_message_row(row) for row in rows]


async def reaction_for_workers(tx: Transaction, chat_id: int, seq: int, user_id: int) -> str | None:
    emoji: str | None = await tx.fetchval(
        "SELECT emoji FROM chat_reactions WHERE chat_id = $1 AND seq = $2 AND user_id = $3", chat_id, seq, user_id
    )
    return emoji
