"""Accounts that are to be deleted."""

from datetime import datetime, timedelta

from storage.database import Transaction


async def request(tx: Transaction, grace: timedelta) -> datetime | None:
    """Hide the viewer's account at once, end its sessions, and have it erased after the grace. Returns when.

    None for a viewer who is not active.
    """
    erase_at: datetime | None = await tx.fetchval("SELECT request_deletion($1)", grace)
    return erase_at


async def due(tx: Transaction) -> datetime | None:
    """When the viewer's account will be erased; None if it will not be."""
    erase_at: datetime | None = await tx.fetchval("SELECT deletion_due()")
    return erase_at


async def cancel(tx: Transaction) -> bool:
    """Show the viewer's account again. Returns False if there was nothing to cancel, or if its erasure has begun."""
    return bool(await tx.fetchval("SELECT cancel_deletion()"))
