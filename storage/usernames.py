"""Changes of the viewer's username."""

from typing import Literal

from storage.database import Transaction

UsernameChange = Literal["changed", "same", "taken", "too soon"]


async def change(tx: Transaction, username: str) -> UsernameChange | None:
    """Take the name, and reserve the former one for 30 days. None for a viewer who is not active."""
    outcome: UsernameChange | None = await tx.fetchval("SELECT change_username($1, $2)", username, username.lower())
    return outcome
