"""Bulk inserts of comments, reactions and chats by the owner of the tables, for demo data."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from storage.seeding import Connection, past_ids
from storage.snowflakes import EPOCH_MS

MESSAGE_EVERY = timedelta(minutes=7)


class NewComment(NamedTuple):
    post_id: int
    parent_id: int | None
    author_id: int
    text: str


class NewChat(NamedTuple):
    """messages: sender and text, oldest first. Both users send. The last message is not read yet."""

    messages: list[tuple[int, str]]


async def recent_posts(connection: Connection, before: timedelta, amount: int) -> list[int]:
    """Ids of the newest posts that are older than that."""
    latest = int((time.time() - before.total_seconds()) * 1_000) - EPOCH_MS << 22
    rows = await connection.fetch(
        "SELECT id FROM posts WHERE id < $1 AND status = 'published' ORDER BY id DESC LIMIT $2", latest, amount
    )
    return [row["id"] for row in rows]


async def insert_comments(
    connection: Connection, comments: Sequence[NewComment], within: timedelta
) -> list[tuple[int, int]]:
    """Add comments whose parents exist. Returns their ids and posts. Workers fold them into the counts."""
    ids = past_ids(len(comments), within)
    await connection.copy_records_to_table(
        "comments",
        records=[(comment_id, *comment) for comment_id, comment in zip(ids, comments, strict=False)],
        columns=("id", "post_id", "parent_id", "author_id", "text"),
    )
    return [(comment_id, comment.post_id) for comment_id, comment in zip(ids, comments, strict=False)]


async def insert_reactions(
    connection: Connection, reactions: Sequence[tuple[str, int, int, str]], within: timedelta
) -> None:
    """reactions: type and id of the target, user, kind; one for each target and user."""
    ids = past_ids(len(reactions), within)
    await connection.copy_records_to_table(
        "reactions",
        records=[(*reaction, reaction_id) for reaction_id, reaction in zip(ids, reactions, strict=False)],
        columns=("target_type", "target_id", "user_id", "kind", "id"),
    )


async def insert_direct_chats(connection: Connection, chats: Sequence[NewChat]) -> None:
    """Add chats between pairs of users who have none yet."""
    now = datetime.now(UTC)
    rows, members, messages = [], [], []
    for chat_id, chat in zip(past_ids(len(chats), timedelta(days=1)), chats, strict=False):
        last_seq = len(chat.messages)
        (opener, _), (writer, _) = chat.messages[0], chat.messages[-1]
        low, high = sorted({sender for sender, _ in chat.messages})
        rows.append((chat_id, "direct", opener, low, high, last_seq, now))
        for user_id in (low, high):
            read_seq = last_seq if user_id == writer else last_seq - 1
            members.append((chat_id, user_id, "active", read_seq, read_seq))
        for seq, (sender, text) in enumerate(chat.messages, 1):
            messages.append((chat_id, seq, sender, text, now - (last_seq - seq) * MESSAGE_EVERY))
    chat_columns = ("id", "kind", "creator_id", "low_id", "high_id", "last_seq", "last_at")
    await connection.copy_records_to_table("chats", records=rows, columns=chat_columns)
    member_columns = ("chat_id", "user_id", "state", "received_seq", "read_seq")
    await connection.copy_records_to_table("chat_members", records=members, columns=member_columns)
    message_columns = ("chat_id", "seq", "sender_id", "text", "created_at")
    await connection.copy_records_to_table("chat_messages", records=messages, columns=message_columns)
