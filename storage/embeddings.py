"""Vectors of users and posts, learnt from who engaged with which posts. For workers and commands."""

from collections.abc import Sequence
from datetime import timedelta

from storage.database import Database, Row, Transaction

DIMENSIONS = 128


async def engagements(
    database: Database, since: int, before: int, most: int
) -> "list[tuple[int, int, float]] | list[Row]":
    """(user id, post id, weight) of ids in [since, before), at most that many."""
    return await database.fetch("SELECT * FROM engagements($1, $2, $3)", since, before, most)


async def learnt(database: Database, user_ids: Sequence[int]) -> dict[int, list[float]]:
    """The vectors of those users, as they were learnt last."""
    rows = await database.fetch("SELECT user_id, vector FROM user_vectors WHERE user_id = ANY ($1)", user_ids)
    return {row["user_id"]: row["vector"] for row in rows}


async def age(database: Database) -> timedelta | None:
    """The time since vectors were learnt last; None if there are none."""
    [row] = await database.fetch("SELECT now() - max(learnt_at) AS age FROM user_vectors")
    found: timedelta | None = row["age"]
    return found


async def keep_users(tx: Transaction, ids: Sequence[int], numbers: Sequence[float]) -> None:
    """numbers: `DIMENSIONS` for each user, one after the other."""
    await tx.execute("SELECT keep_user_vectors($1, $2)", ids, numbers)


async def keep_posts(tx: Transaction, ids: Sequence[int], numbers: Sequence[float]) -> None:
    """numbers: `DIMENSIONS` for each post. Posts that cannot be recommended are left out."""
    await tx.execute("SELECT keep_post_vectors($1, $2)", ids, numbers)


async def freshen_posts(tx: Transaction, since: int, amount: int) -> int:
    """Give vectors to posts that were written or engaged with since that id. Returns how many it looked at."""
    found: int = await tx.fetchval("SELECT freshen_post_vectors($1, $2)", since, amount)
    return found


async def forget(tx: Transaction, amount: int) -> int:
    """Delete that many vectors of each kind that are too old. Returns how many there were."""
    found: int = await tx.fetchval("SELECT forget_vectors($1)", amount)
    return found


async def why_not_searched(tx: Transaction) -> str | None:
    """Why posts cannot be found by closeness; None if they can. For the application's role."""
    found: str | None = await tx.fetchval("SELECT why_no_vectors()")
    return found
