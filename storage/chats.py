"""Chats: opening them, the viewer's standing in one, and the list of the viewer's chats."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypedDict, cast

from protocol.chats import ChatKind, ChatRole, ChatState
from storage.database import Row, Transaction

Outcome = Literal["found", "accepted", "created", "requested", "refused", "blocked", "missing"]


class ChatRow(TypedDict):
    """A chat; `users` is the JSON of user-lites."""

    id: int
    kind: ChatKind
    title: str
    member_count: int
    last_seq: int
    created_at: datetime
    users: str


class ChatEntryRow(ChatRow):
    """A chat as the viewer is in it; `last_message` is JSON or None."""

    last_at: datetime
    role: ChatRole
    state: ChatState
    received_seq: int
    read_seq: int
    muted_until: datetime | None
    unread: int
    last_message: str | None


class ChatStandingRow(TypedDict):
    kind: ChatKind
    member_count: int
    role: ChatRole
    state: ChatState


class EntryPage(NamedTuple):
    rows: list[ChatEntryRow]
    version: str


async def open_direct(tx: Transaction, new_id: int, other_id: int) -> tuple[int, Outcome]:
    """Find the direct chat with that user, or create it under the new id. Returns its id and what happened."""
    row = await tx.fetchrow("SELECT chat, outcome FROM open_direct_chat($1, $2)", new_id, other_id)
    assert row is not None
    return row["chat"], row["outcome"]


async def create_group(tx: Transaction, new_id: int, title: str) -> None:
    await tx.execute("SELECT create_group_chat($1, $2)", new_id, title)


async def standing(tx: Transaction, chat_id: int) -> ChatStandingRow | None:
    """The chat's kind and size, and the viewer's role and state in it; None if it is hidden from the viewer."""
    row = await tx.fetchrow(
        """SELECT c.kind, c.member_count, m.role, m.state
        FROM chats c JOIN chat_members m ON m.chat_id = c.id AND m.user_id = viewer_id() WHERE c.id = $1""",
        chat_id,
    )
    return cast("ChatStandingRow | None", row)


async def own_state(tx: Transaction, chat_id: int) -> ChatState | None:
    """The viewer's state in the chat, also after leaving it; None for a user who was never in it."""
    state: ChatState | None = await tx.fetchval(
        "SELECT state FROM chat_members WHERE chat_id = $1 AND user_id = viewer_id()", chat_id
    )
    return state


async def load_entry(tx: Transaction, chat_id: int) -> ChatEntryRow | None:
    """The chat as the viewer's list shows it; None if it is hidden from the viewer."""
    row = await tx.fetchrow("SELECT * FROM chat_entries(ARRAY [$1::bigint])", chat_id)
    return cast("ChatEntryRow | None", row if row is not None and row["state"] != "left" else None)


async def load_page(
    tx: Transaction, *, since: str | None, state: ChatState, before: tuple[datetime, int] | None, limit: int
) -> EntryPage:
    """The viewer's chats by their newest message, and the version from which on to ask for changes.

    since: a version, `transaction.time` in seconds; then all chats that changed since, whatever their state.
    """
    before_at, before_id = before or (None, None)
    rows: list[Any] = await tx.fetch(
        """SELECT v.version, e.* FROM (SELECT
            pg_snapshot_xmin(pg_current_snapshot()) || '.' || extract(epoch FROM now())::bigint AS version) v
        LEFT JOIN chat_entries(ARRAY(SELECT chat_page(
            split_part($1, '.', 1)::xid8, to_timestamp(split_part($1, '.', 2)::bigint), $2, $3, $4, $5))) e ON true""",
        since,
        state,
        before_at,
        before_id,
        limit,
    )
    return EntryPage([row for row in rows if row["id"] is not None], rows[0]["version"])


async def rename(tx: Transaction, chat_id: int, title: str) -> bool:
    """Returns whether the title changed."""
    return _did(await tx.execute("UPDATE chats SET title = $2 WHERE id = $1 AND title <> $2", chat_id, title))


async def mute(tx: Transaction, chat_id: int, until: datetime | None) -> None:
    await tx.execute(
        "UPDATE chat_members SET muted_until = $2 WHERE chat_id = $1 AND user_id = viewer_id()", chat_id, until
    )


async def accept(tx: Transaction, chat_id: int) -> bool:
    """Returns False if no request waits."""
    return bool(await tx.fetchval("SELECT accept_chat($1)", chat_id))


async def reject(tx: Transaction, chat_id: int) -> bool:
    """Returns False if no request waits."""
    return bool(await tx.fetchval("SELECT reject_chat($1)", chat_id))


async def who_see(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those pairs (chat, user) where the user sees the chat."""
    rows = await tx.fetch(
        "SELECT who_see_chats($1, $2) AS number", [chat for chat, _ in pairs], [user for _, user in pairs]
    )
    return [pairs[row["number"] - 1] for row in rows]


async def load_for_workers(tx: Transaction, chat_id: int) -> ChatRow | None:
    row: Row | None = await tx.fetchrow(
        """SELECT c.id, c.kind, c.title, c.member_count, c.last_seq, c.created_at,
            chat_users(c.low_id, c.high_id) AS users FROM chats c WHERE c.id = $1""",
        chat_id,
    )
    return cast("ChatRow | None", row)


def _did(status: str) -> bool:
    return not status.endswith(" 0")
