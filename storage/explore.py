"""Explore: trends, trending posts, and people whom the viewer may know."""

from datetime import datetime
from typing import NamedTuple

from protocol.users import Governorate
from storage.database import Transaction

COUNTRY = "egypt"
TRENDS = 20  # of a place


class TrendRow(NamedTuple):
    """people: at least 20, rounded down to tens; 1,000 stands for more. hours: of the last 24, oldest first."""

    tag: str
    spelling: str
    people: int
    hours: list[int]


class PersonSuggestion(NamedTuple):
    """common: of those whom the viewer follows, how many follow the user."""

    user_id: int
    common: int
    follows_viewer: bool


async def trends(tx: Transaction, governorate: Governorate | None) -> list[TrendRow]:
    """Return the trends of a governorate, or of the whole country. All viewers get the same."""
    rows = await tx.fetch("SELECT tag, spelling, people, hours FROM trends_in($1)", governorate or COUNTRY)
    return [TrendRow(*row) for row in rows]


async def trending_post_ids(tx: Transaction, limit: int, *, only_videos: bool = False) -> list[int]:
    """They are the same for all viewers, who may hide or be hidden from some of the authors."""
    return [row[0] for row in await tx.fetch("SELECT trending_post_ids($1, $2)", limit, only_videos)]


async def suggested_people(tx: Transaction, limit: int) -> list[PersonSuggestion]:
    """Most common follows first."""
    rows = await tx.fetch("SELECT user_id, common, follows_viewer FROM suggested_people($1)", limit)
    return [PersonSuggestion(*row) for row in rows]


async def dismiss_person(tx: Transaction, user_id: int, dismissed_id: int) -> None:
    await tx.execute(
        "INSERT INTO dismissed_people (user_id, dismissed_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        user_id,
        dismissed_id,
    )


# ---------------------------------------------------------------------------------------------- for workers


async def note_engagement(tx: Transaction, post_id: int, user_id: int, at: datetime) -> None:
    """Count the user as one who cares for the post. Safe to repeat."""
    await tx.execute("SELECT note_engagement($1, $2, $3)", post_id, user_id, at)


async def refresh_trends(tx: Transaction) -> int:
    """Returns how many trends there are."""
    found: int = await tx.fetchval("SELECT refresh_trends($1)", TRENDS)
    return found


async def forget_heat(tx: Transaction, limit: int) -> bool:
    """Delete what is too old to count, up to `limit` rows of each table. Returns whether there may be more."""
    most: int = await tx.fetchval("SELECT forget_heat($1)", limit)
    return most >= limit


async def take_turn(tx: Transaction) -> bool:
    """Take the lock of the keeper until the transaction ends. Returns False while another transaction has it."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('daira_trends'))"))
