"""Exports of accounts: users' requests, and the archives that workers make."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

from storage.database import Transaction

PAGE = 500


class Export(NamedTuple):
    """size_bytes and expires_at: of a ready one."""

    id: int
    state: str
    object_key: str
    created_at: datetime
    size_bytes: int | None
    expires_at: datetime | None
    is_new: bool


class ClaimedExport(NamedTuple):
    id: int
    user_id: int
    object_key: str
    locale: str
    username: str
    created_at: datetime


async def request(tx: Transaction, export_id: int, object_key: str) -> Export | None:
    """The viewer's export of the last day, or a new one with that id. None for a viewer who is leaving."""
    row = await tx.fetchrow(f"SELECT {', '.join(Export._fields)} FROM request_export($1, $2)", export_id, object_key)
    return Export(*row) if row else None


# ---------------------------------------------------------------------------------------------------- for workers


async def claim(tx: Transaction) -> ClaimedExport | None:
    """The export that has waited longest, for ten minutes; None if none waits."""
    row = await tx.fetchrow(f"SELECT {', '.join(ClaimedExport._fields)} FROM claim_export()")
    return ClaimedExport(*row) if row else None


async def renew(tx: Transaction, export_id: int) -> bool:
    """Keep the claim for ten more minutes.

    Returns False if nobody wants the export any more: another worker has finished it, or its user is erased.
    """
    return bool(await tx.fetchval("SELECT renew_export($1)", export_id))


async def rows(tx: Transaction, user_id: int, table: str) -> AsyncIterator[list[str]]:
    """Pages of the exported rows of that table, each row as JSON. None of them is held longer than its page."""
    page: list[str] = []
    async for row in tx.cursor("SELECT export_rows($1, $2)::text", user_id, table, prefetch=PAGE):
        page.append(row[0])
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


async def files(tx: Transaction, user_id: int, above: int) -> list[tuple[int, str]]:
    """The next ready files of the user with ids above that one: id, and what the keys of their objects begin with."""
    found = await tx.fetch(
        "SELECT id, object_key FROM media WHERE owner_id = $1 AND id > $2 AND status = 'ready' ORDER BY id LIMIT $3",
        user_id,
        above,
        PAGE,
    )
    return [(row["id"], row["object_key"]) for row in found]


async def finish(tx: Transaction, export_id: int, size_bytes: int, kept: timedelta, message: str) -> datetime | None:
    """Publish the archive, and store the message as a notification. Returns when it expires.

    None if nobody wants the export any more: its user is erased. Of two workers that finish one export, the first one
    notifies the user, and both get the time.
    """
    expires_at: datetime | None = await tx.fetchval(
        "SELECT finish_export($1, $2, $3, $4)", export_id, size_bytes, kept, message
    )
    return expires_at


async def expire(tx: Transaction, most: int) -> int:
    """Delete expired archives. Returns how many."""
    return int(await tx.fetchval("SELECT expire_exports($1)", most))


async def backlog(tx: Transaction) -> float:
    """For how many seconds the oldest export has waited."""
    age: float = await tx.fetchval("SELECT export_backlog()")
    return age
