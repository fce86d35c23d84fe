"""Events that the worker groups `notifications` and `moderation` have handled. All functions are for workers.

Follows, mutes and rights at the time when an event is handled decide whom it notifies. If a repeated event asked for
them again, it would notify users who were left out then. A score must not shadow again what a moderator has undone.
"""

from collections.abc import Sequence

from storage.database import Database, Transaction

KEEP = "30 days"
_OLDEST = f"snowflake_at(now() - interval '{KEEP}')"


async def known(database: Database, event_ids: Sequence[int]) -> set[int]:
    """Those of the events that were handled, or are so old that this is no longer known."""
    rows = await database.fetch(
        f"""SELECT id FROM unnest($1::bigint[]) AS id
        WHERE id < {_OLDEST} OR EXISTS (SELECT FROM handled_events h WHERE h.event_id = id)""",
        event_ids,
    )
    return {row["id"] for row in rows}


async def add(tx: Transaction, event_ids: Sequence[int]) -> None:
    await tx.execute(
        "INSERT INTO handled_events SELECT id FROM unnest($1::bigint[]) AS id ORDER BY 1 ON CONFLICT DO NOTHING",
        event_ids,
    )


async def forget_old(tx: Transaction, limit: int) -> int:
    """Returns how many rows were deleted."""
    status = await tx.execute(
        f"""DELETE FROM handled_events WHERE event_id IN (
            SELECT event_id FROM handled_events WHERE event_id < {_OLDEST} ORDER BY event_id LIMIT $1)""",
        limit,
    )
    return int(status.split()[-1])
