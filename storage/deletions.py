"""Accounts that are to be deleted: what their users do, and what workers do afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from storage.database import Transaction


async def request(tx: Transaction, grace: timedelta) -> datetime | None:
    """Hide the viewer's account at once, end its sessions, and have it erased after the grace.

    Returns when, in the viewer's time zone; None for a viewer who is not active.
    """
    row = await tx.fetchrow(
        """SELECT request_deletion($1) AS erase_at,
            coalesce((SELECT timezone FROM accounts WHERE user_id = viewer_id()), 'Africa/Cairo') AS timezone""",
        grace,
    )
    assert row is not None
    erase_at: datetime | None = row["erase_at"]
    return erase_at and erase_at.astimezone(ZoneInfo(row["timezone"]))


async def due(tx: Transaction) -> datetime | None:
    """When the viewer's account will be erased; None if it will not be."""
    erase_at: datetime | None = await tx.fetchval("SELECT deletion_due()")
    return erase_at


async def cancel(tx: Transaction) -> bool:
    """Show the viewer's account again. Returns False if there was nothing to cancel, or if its erasure has begun."""
    return bool(await tx.fetchval("SELECT cancel_deletion()"))


# ---------------------------------------------------------------------------------------------------- for workers


class ClaimedErasure(NamedTuple):
    """An erasure that this worker may do for five minutes; each step renews the claim.

    at_step: where it was interrupted, None at the beginning. since: where that step goes on, None if it is done.
    """

    user_id: int
    at_step: str | None
    since: int | None


async def claim(tx: Transaction) -> ClaimedErasure | None:
    """None if no account is due."""
    row = await tx.fetchrow("SELECT user_id, at_step, since FROM claim_erasure()")
    return ClaimedErasure(*row) if row else None


async def erase_step(tx: Transaction, user_id: int, step: str, since: int, most: int) -> tuple[int, int | None]:
    """Erase about `most` rows. Returns how many they were, and where the step goes on; None once it is done."""
    row = await tx.fetchrow("SELECT erased, following FROM erase_step($1, $2, $3, $4)", user_id, step, most, since)
    assert row is not None
    return row["erased"], row["following"]


async def sole_search_uses(tx: Transaction, user_id: int, above: int, most: int) -> Sequence[int]:
    """Ids of words and hashtags of search that only this user has used, ascending, above an id."""
    rows = await tx.fetch("SELECT id FROM sole_search_uses($1, $2, $3) AS id", user_id, above, most)
    return [row["id"] for row in rows]


async def reserve_username(tx: Transaction, user_id: int, reserved: timedelta) -> None:
    await tx.execute("SELECT reserve_username($1, $2)", user_id, reserved)


async def finish(tx: Transaction, user_id: int) -> bool:
    """Put the erasure on record. Returns False if it was there before."""
    return bool(await tx.fetchval("SELECT finish_erasure($1)", user_id))


async def backlog(tx: Transaction) -> tuple[int, float]:
    """How many accounts are due, and for how many seconds the oldest has been."""
    row = await tx.fetchrow("SELECT accounts, age FROM erasure_backlog()")
    assert row is not None
    return row["accounts"], row["age"]
