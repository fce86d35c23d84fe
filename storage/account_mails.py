"""E-mails about accounts: codes, and notices that nobody can switch off. All functions are for workers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict, cast

from protocol.account_mails import MailKind
from storage.database import Transaction

LEASE = timedelta(seconds=45)  # longer than a mail server may take


class MailRow(TypedDict):
    id: int
    kind: MailKind
    address: str | None
    locale: str
    detail: str | None
    attempts: int  # with this one
    expires_at: datetime


_COLUMNS = ", ".join(f"m.{column}" for column in MailRow.__annotations__)


async def take_due(tx: Transaction, now: datetime, limit: int) -> Sequence[MailRow]:
    """Lease mails that are due, oldest first."""
    rows = await tx.fetch(
        f"""WITH due AS (
            SELECT id FROM account_mails
            WHERE outcome IS NULL AND due_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
            ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
        UPDATE account_mails m SET leased_until = $2, attempts = m.attempts + 1 FROM due WHERE m.id = due.id
        RETURNING {_COLUMNS}""",
        now,
        now + LEASE,
        limit,
    )
    return cast("Sequence[MailRow]", rows)


async def settle(tx: Transaction, mail_id: int, outcome: str | None, due_at: datetime | None = None) -> None:
    """Finish the mail with that outcome; None: it is due again at `due_at`."""
    await tx.execute(
        """UPDATE account_mails SET outcome = $2, due_at = coalesce($3, due_at), leased_until = NULL
        WHERE id = $1""",
        mail_id,
        outcome,
        due_at,
    )
