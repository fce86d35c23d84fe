"""Preferences of the viewer: which notifications reach the viewer, where and when."""

from collections.abc import Sequence
from datetime import time
from typing import TypedDict, cast

from protocol.notifications import GroupedKind, Policy
from storage.database import Transaction


class PreferencesRow(TypedDict):
    """`channels` is JSON: kind → channel → choice, as far as the viewer chose."""

    channels: str
    ungrouped: list[GroupedKind]
    quiet_from: time | None
    quiet_until: time | None
    strangers: Policy
    new_accounts: Policy


_COLUMNS = ", ".join(PreferencesRow.__annotations__)
DEFAULTS = PreferencesRow(
    channels="{}", ungrouped=[], quiet_from=None, quiet_until=None, strangers="accept", new_accounts="accept"
)


async def lock(tx: Transaction, user_id: int) -> PreferencesRow:
    """The preferences, which nobody else can change until the transaction ends."""
    await tx.execute("SELECT hold('notification_preferences', $1)", user_id)
    return await load(tx, user_id)


async def load(tx: Transaction, user_id: int) -> PreferencesRow:
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM notification_preferences WHERE user_id = $1", user_id)
    return cast("PreferencesRow", row) if row else DEFAULTS


async def save(
    tx: Transaction,
    user_id: int,
    *,
    channels: str,
    ungrouped: Sequence[str],
    quiet_from: time | None,
    quiet_until: time | None,
    strangers: str,
    new_accounts: str,
) -> None:
    await tx.execute(
        """INSERT INTO notification_preferences
            (user_id, channels, ungrouped, quiet_from, quiet_until, strangers, new_accounts)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id) DO UPDATE SET channels = excluded.channels, ungrouped = excluded.ungrouped,
            quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
            strangers = excluded.strangers, new_accounts = excluded.new_accounts""",
        user_id,
        channels,
        ungrouped,
        quiet_from,
        quiet_until,
        strangers,
        new_accounts,
    )
