"""Texts that were flagged for moderation, as they are now."""

from typing import Literal, TypedDict, cast

from storage.database import Transaction

FlaggedType = Literal["post", "comment"]


class FlaggedRow(TypedDict):
    owner_id: int
    text: str | None
    age_s: float
    is_verified: bool


async def flag(tx: Transaction, target_type: FlaggedType, target_id: int, score: float) -> None:
    """Have workers judge what the viewer has just written. Wake the relay after the commit, as after every event."""
    await tx.execute("SELECT flag_content($1, $2, $3)", target_type, target_id, score)


async def load(tx: Transaction, target_type: FlaggedType, target_id: int) -> FlaggedRow | None:
    """None if it is gone. For workers."""
    row = await tx.fetchrow("SELECT * FROM flagged_content($1, $2)", target_type, target_id)
    return cast("FlaggedRow | None", row)
