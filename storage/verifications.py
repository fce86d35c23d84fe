"""Verification of creators."""

import datetime
from collections.abc import Sequence
from typing import Literal, NamedTuple

import asyncpg

from storage.database import Transaction
from storage.media import ShownMediaRow, shown_rows

VerificationStatus = Literal["waiting", "approved", "refused"]


class VerificationRow(NamedTuple):
    id: int
    user_id: int
    status: VerificationStatus
    reason: str
    requested_at: datetime.datetime
    decided_at: datetime.datetime | None


_COLUMNS = ", ".join(VerificationRow._fields)


async def request(tx: Transaction, verification_id: int, media_ids: Sequence[int]) -> int | None:
    """Returns how many of the files can be used; None for a viewer who is verified. Raises LookupError if one waits."""
    try:
        used: int | None = await tx.fetchval("SELECT request_verification($1, $2)", verification_id, media_ids)
    except asyncpg.UniqueViolationError:
        raise LookupError("the viewer has asked already") from None
    return used


async def own(tx: Transaction) -> VerificationRow | None:
    """The viewer's newest one."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM own_verification()")
    return VerificationRow(*row) if row else None


async def queue(tx: Transaction, above: int, limit: int) -> list[VerificationRow]:
    """Those that wait, the oldest first. For moderators, as are the next two functions."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM verification_queue($1, $2)", above, limit)
    return [VerificationRow(*row) for row in rows]


async def documents(tx: Transaction, verification_id: int) -> Sequence[ShownMediaRow]:
    """Empty for one that does not wait."""
    found: str | None = await tx.fetchval("SELECT verification_documents($1)", verification_id)
    return shown_rows(found) if found else ()


async def decide(
    tx: Transaction, verification_id: int, decision: Literal["approved", "refused"], reason: str
) -> tuple[VerificationStatus | None, bool]:
    """Returns the status that stands now, and whether this decision made it: the first one stands.

    The status is None if the viewer may not decide it, or it does not exist.
    """
    row = await tx.fetchrow(
        "SELECT stands, is_new FROM decide_verification($1, $2, $3)", verification_id, decision, reason
    )
    assert row is not None
    return row["stands"], row["is_new"]
