"""Inputs of rules besides a text: its author, and how often it was written before. Also texts to try rules on."""

from collections.abc import Sequence
from typing import TypedDict, cast

from protocol.moderation import Reason
from protocol.rules import TriedSurface
from storage.database import Transaction


class AuthorRow(TypedDict):
    age_s: float
    is_verified: bool
    followers: int
    posts: int
    posts_1h: int
    comments_1h: int
    messages_1h: int
    follows_1h: int
    repeats: int
    own_repeats: int


class TrialRow(AuthorRow):
    id: int  # of the post, comment, group or room; of a profile, of its change
    surface: TriedSurface
    text: str  # null if it is gone; such a text is not tried
    user_id: int
    username: str
    is_open: bool  # everybody may see it
    mentions: int
    hashtags: int
    media: int


async def weigh(tx: Transaction, written_id: int, surface: str, print: int | None) -> AuthorRow | None:
    """Note what the viewer writes, and return what rules look at. None for a viewer without an account."""
    row = await tx.fetchrow("SELECT * FROM weigh_text($1, $2, $3)", written_id, surface, print)
    return cast("AuthorRow | None", row)


async def removed_like(tx: Transaction, media_ids: Sequence[int]) -> list[Reason]:
    """Reasons for which files were removed that look like one of these files of the viewer."""
    return list(await tx.fetchval("SELECT removed_like($1)", media_ids))


async def trial_removed_like(tx: Transaction, surface: str, ids: Sequence[int]) -> dict[int, list[Reason]]:
    """Post or comment id → reasons for which files were removed that look like its files. For admins.

    Targets without a reason are left out.
    """
    rows = await tx.fetch("SELECT target_id, reasons FROM trial_removed_like($1, $2)", surface, ids)
    return {row["target_id"]: row["reasons"] for row in rows}


async def trial_size(tx: Transaction, surfaces: Sequence[str]) -> int:
    """How many texts of the last 24 hours there are, without messages. For admins; 0 for others."""
    return int(await tx.fetchval("SELECT trial_size($1)", surfaces) or 0)


async def load_trial(tx: Transaction, surfaces: Sequence[str], above: int, step: int, most: int) -> list[TrialRow]:
    """Texts of the last 24 hours above an id, without messages, one of `step`, by id. For admins; none for others."""
    rows = await tx.fetch("SELECT * FROM trial_texts($1, $2, $3, $4)", surfaces, above, step, most)
    return cast("list[TrialRow]", rows)


async def forget(tx: Transaction) -> bool:
    """Delete what rules need no longer. Returns whether there is more. For workers."""
    return bool(await tx.fetchval("SELECT forget_texts()"))
