"""Notifications of chats, which are on devices alone. All functions are for workers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.media import MediaKind
from storage.database import Transaction
from storage.users import lite_object


class UnreadRow(TypedDict):
    """A member's unread messages in a chat. `senders` is JSON, the newest first; `text` and `kinds` of files are the
    newest message's.
    """

    notification_id: int
    unread: int
    last_seq: int
    sender_count: int
    senders: str
    text: str | None
    kinds: list[MediaKind] | None


class ChatRequest(NamedTuple):
    """A chat that waits as a request of the sender for these users."""

    sender_id: int
    user_ids: list[int]


async def schedule(tx: Transaction, chat_id: int, last_seq: int, due_at: datetime) -> None:
    """Schedule a push for each member who has not read the message and waits for no other push of the chat."""
    await tx.execute("SELECT notify_of_messages($1, $2, $3)", chat_id, last_seq, due_at)


async def schedule_newer(tx: Transaction, chat_ids: Iterable[int], due_at: datetime) -> None:
    """The same for messages that came while earlier ones were sent."""
    await tx.execute(
        "SELECT notify_of_messages(id, last_seq, $2) FROM chats WHERE id = ANY ($1) ORDER BY id",
        sorted({*chat_ids}),
        due_at,
    )


async def load_unread(tx: Transaction, notification_ids: Sequence[int]) -> dict[int, UnreadRow]:
    """By notification."""
    rows = await tx.fetch(
        f"""SELECT n.id AS notification_id, u.unread, u.last_seq, u.sender_count, u.text, u.kinds,
            (SELECT coalesce(jsonb_agg({lite_object("s")} ORDER BY s.ordinality), '[]')
             FROM unnest(u.senders) WITH ORDINALITY AS s) AS senders
        FROM notifications n CROSS JOIN LATERAL unread_messages(n.user_id, n.target_id) u WHERE n.id = ANY ($1)""",
        notification_ids,
    )
    return {row["notification_id"]: cast("UnreadRow", row) for row in rows}


async def record_sent(tx: Transaction, newest: Sequence[tuple[int, int]]) -> None:
    """newest: the id of each notification, and the `seq` of the newest message that was sent to its user's devices."""
    await tx.execute(
        """UPDATE notifications n SET told_seq = greatest(n.told_seq, t.seq)
        FROM unnest($1::bigint[], $2::bigint[]) AS t (id, seq) WHERE n.id = t.id""",
        [notification_id for notification_id, _ in newest],
        [seq for _, seq in newest],
    )


async def dismiss(tx: Transaction, chat_id: int, user_id: int) -> None:
    """Let devices dismiss their notifications of the chat, if the member has read it."""
    await tx.execute("SELECT dismiss_messages($2, $1)", chat_id, user_id)


async def requests_of_group(tx: Transaction, chat_id: int, user_ids: Sequence[int]) -> list[int]:
    """Those users for whom the group waits as a request."""
    rows = await tx.fetch(
        """SELECT m.user_id FROM chat_members m JOIN chats c ON c.id = m.chat_id
        WHERE c.id = $1 AND c.kind = 'group' AND m.user_id = ANY ($2) AND m.state = 'requested'""",
        chat_id,
        user_ids,
    )
    return [row["user_id"] for row in rows]


async def request_by_message(tx: Transaction, chat_id: int, seq: int) -> ChatRequest | None:
    """The request that the message of a direct chat makes, if its user has not accepted it."""
    row = await tx.fetchrow(
        """SELECT s.sender_id, ARRAY (SELECT m.user_id FROM chat_members m
                                      WHERE m.chat_id = c.id AND m.state = 'requested') AS user_ids
        FROM chats c JOIN chat_messages s ON s.chat_id = c.id AND s.seq = $2
        WHERE c.id = $1 AND c.kind = 'direct' AND s.deleted_at IS NULL""",
        chat_id,
        seq,
    )
    return ChatRequest(*row) if row else None
