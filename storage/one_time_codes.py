"""One-time codes that prove who reads an e-mail address. They derive from their ids: see `domain.one_time_codes`."""

import hashlib
from typing import NamedTuple

from protocol.account_mails import CodeKind
from storage.accounts import email_key
from storage.database import Transaction


class Tried(NamedTuple):
    """A code that was tried. `user_id` is None if no account has the address; no mail was sent then."""

    code_id: int
    user_id: int | None
    is_used: bool


def subject_of(email: str) -> str:
    """Return the name that codes and limits use for an address of unknown owner."""
    return hashlib.sha256(email_key(email).encode()).hexdigest()[:32]


async def begin_reset(tx: Transaction, code_id: int, email: str) -> None:
    """Replace the address's code, and schedule its mail. The same is done for an address without an account.

    The transaction must have no viewer.
    """
    await tx.execute(
        "SELECT begin_code($1, 'reset_password', $2, $3, NULL)", code_id, subject_of(email), email_key(email)
    )


async def begin_verification(tx: Transaction, code_id: int) -> None:
    """Replace the viewer's code for the account's address, and schedule its mail. Does nothing if it is verified."""
    await tx.execute("SELECT begin_code($1, 'verify_email', '', NULL, NULL)", code_id)


async def begin_change(tx: Transaction, code_id: int, new_email: str) -> None:
    """Replace the viewer's code for the new address. No mail is sent to an address that another account has."""
    await tx.execute("SELECT begin_code($1, 'change_email', '', $2, $3)", code_id, email_key(new_email), new_email)


async def attempt(tx: Transaction, purpose: CodeKind, subject: str = "") -> Tried | None:
    """Count an attempt at the viewer's code; for a reset without a viewer, at that of the subject.

    Returns None without a code that may be tried still. Commit this before the code is compared.
    """
    row = await tx.fetchrow("SELECT code_id, user_id, is_used FROM attempt_code($1, $2)", purpose, subject)
    return Tried(**row) if row else None


async def use(tx: Transaction, code_id: int) -> bool:
    """Use the viewer's code, and do what it was for. A reset only proves the address.

    Returns False if the code was used or replaced since, or another account has taken its address.
    """
    return bool(await tx.fetchval("SELECT use_code($1)", code_id))


async def forget_old(tx: Transaction, limit: int) -> int:
    """Delete codes and mails of yesterday: they name addresses. For workers. Returns how many rows were deleted."""
    gone: int = await tx.fetchval("SELECT forget_codes($1)", limit)
    return gone
