"""The viewer's consents."""

import datetime
from typing import NamedTuple

from protocol.consents import ConsentPurpose
from storage.database import Transaction

MOST_LISTED = 100


class ConsentRow(NamedTuple):
    purpose: ConsentPurpose
    version: str
    given_at: datetime.datetime
    withdrawn_at: datetime.datetime | None


async def give(tx: Transaction, consent_id: int, purpose: ConsentPurpose, version: str) -> None:
    """Repeating it changes nothing; a newer version replaces the older one."""
    await tx.execute("SELECT give_consent($1, $2, $3)", consent_id, purpose, version)


async def withdraw(tx: Transaction, refusal_id: int, purpose: ConsentPurpose) -> bool:
    """Returns False if there was none that stood. refusal_id: of the row that keeps the refusal then."""
    return bool(await tx.fetchval("SELECT withdraw_consent($1, $2)", refusal_id, purpose))


async def load(tx: Transaction, user_id: int) -> list[ConsentRow]:
    """The newest first."""
    rows = await tx.fetch(
        f"SELECT {', '.join(ConsentRow._fields)} FROM consents WHERE user_id = $1 ORDER BY id DESC LIMIT {MOST_LISTED}",
        user_id,
    )
    return [ConsentRow(*row) for row in rows]
