"""The history of the viewer's account, and the state of its credentials."""

import datetime
from typing import TypedDict, cast

from storage.database import Transaction


class HistoryRow(TypedDict):
    id: int
    action: str
    ip: str | None
    at: datetime.datetime
    device_name: str | None
    session_id: int | None


class CredentialsRow(TypedDict):
    email: str
    email_verified: bool
    second_factor: bool
    recovery_codes_left: int
    username_changes_at: datetime.datetime | None


async def page(tx: Transaction, before: int, limit: int) -> list[HistoryRow]:
    """Newest first, of the last 90 days."""
    return cast("list[HistoryRow]", await tx.fetch("SELECT * FROM own_history($1, $2)", before, limit))


async def credentials(tx: Transaction) -> CredentialsRow | None:
    """None for a viewer without an account."""
    row = await tx.fetchrow(
        """SELECT email, email_verified_at IS NOT NULL AS email_verified, has_second_factor() AS second_factor,
            recovery_codes_left(), username_changed_at + interval '14 days' AS username_changes_at
        FROM accounts WHERE user_id = viewer_id()"""
    )
    return cast("CredentialsRow | None", row)
