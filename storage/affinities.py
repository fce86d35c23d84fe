"""Affinities and the quality of posts: folding the acts of users, which triggers and reports of views have recorded."""

from storage.database import Database, Transaction


async def has_work(database: Database) -> bool:
    """Whether there are acts to fold. For workers."""
    [row] = await database.fetch("SELECT affinities_wait()")
    return bool(row[0])


async def fold(tx: Transaction, limit: int) -> int:
    """Fold up to `limit` acts, oldest first, and return how many. Call it after `counts.take_turn`. For workers."""
    folded: int = await tx.fetchval("SELECT fold_affinities($1)", limit)
    return folded
