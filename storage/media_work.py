"""The work on media: who processes which file. All functions are for workers.

A file is leased: a worker that dies lets its lease expire, and another one begins again. `started_at` is the lease's
name: a worker that has lost its lease publishes nothing.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from protocol.media import MediaKind
from storage.database import Transaction
from storage.media import COLUMNS, Lane, MediaRow, VariantRow, media_row

LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 5  # workers mostly die of other causes than the file

WorkStatus = Literal["processing", "ready"]  # a ready file waits for the second step


class MediaWork(NamedTuple):
    """A leased file. attempts: with this one."""

    id: int
    owner_id: int
    kind: MediaKind
    status: WorkStatus
    size_bytes: int
    sha256: bytes | None
    object_key: str
    variants: list[VariantRow]
    attempts: int
    started_at: datetime


class Learnt(NamedTuple):
    """Facts about a file that the first step has found."""

    width: int | None
    height: int | None
    duration_ms: int | None
    blurhash: str | None
    waveform: list[int] | None
    perceptual_hash: bytes | None


async def take(tx: Transaction, lane: Lane, status: WorkStatus, kind: MediaKind) -> MediaWork | None:
    """Lease the file that has waited longest, or whose lease has expired."""
    row = await tx.fetchrow(
        """UPDATE media SET attempts = attempts + 1, started_at = clock_timestamp(),
            due_at = clock_timestamp() + $4::interval
        WHERE id = (
            SELECT id FROM media WHERE lane = $1 AND status = $2 AND kind = $3 AND due_at <= now()
            ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, owner_id, kind, status, size_bytes, sha256, object_key, variants, attempts, started_at""",
        lane,
        status,
        kind,
        LEASE,
    )
    return None if row is None else MediaWork(**{**row, "variants": json.loads(row["variants"])})


async def renew(tx: Transaction, work: MediaWork) -> bool:
    """Keep the lease. Returns False if it is lost, or the file is gone."""
    statement = "UPDATE media SET due_at = now() + $3::interval WHERE id = $1 AND started_at = $2 AND lane IS NOT NULL"
    return await tx.execute(statement, work.id, work.started_at, LEASE) == "UPDATE 1"


async def give_back(tx: Transaction, work: MediaWork, after: timedelta, *, counts: bool) -> None:
    """Let another attempt begin later. counts: this one counts as an attempt; it does not if a service was missing."""
    await tx.execute(
        """UPDATE media SET due_at = now() + $3::interval, started_at = NULL,
            attempts = CASE WHEN $4 THEN attempts ELSE attempts - 1 END
        WHERE id = $1 AND started_at = $2 AND lane IS NOT NULL""",
        work.id,
        work.started_at,
        after,
        counts,
    )


async def hold(tx: Transaction, work: MediaWork) -> bool:
    """Lock the file until the end of the transaction. Returns False if the lease is lost, or the file is gone."""
    statement = "SELECT FROM media WHERE id = $1 AND started_at = $2 AND lane IS NOT NULL FOR UPDATE"
    return await tx.fetchrow(statement, work.id, work.started_at) is not None


async def publish(
    tx: Transaction, work: MediaWork, learnt: Learnt, variants: Sequence[VariantRow], *, has_second_step: bool
) -> MediaRow:
    """Let a file that is held become ready."""
    row = await tx.fetchrow(
        f"""UPDATE media SET status = 'ready', width = $2, height = $3, duration_ms = coalesce($4, duration_ms),
            blurhash = $5, waveform = $6, perceptual_hash = $7, variants = $8,
            lane = CASE WHEN $9 THEN 'bulk' END, due_at = CASE WHEN $9 THEN now() END, attempts = 0, started_at = NULL
        WHERE id = $1 RETURNING {COLUMNS}""",
        work.id,
        *learnt,
        json.dumps(variants),
        has_second_step,
    )
    assert row is not None  # it is held
    return media_row(row)


async def publish_more(
    tx: Transaction, work: MediaWork, variants: Sequence[VariantRow], duration_ms: int | None
) -> MediaRow:
    """Add the variants of the second step to a file that is held: none, if it failed. Nothing is left to do then."""
    row = await tx.fetchrow(
        f"""UPDATE media SET variants = variants || $2::jsonb, duration_ms = coalesce($3, duration_ms),
            lane = NULL, due_at = NULL, started_at = NULL WHERE id = $1 RETURNING {COLUMNS}""",
        work.id,
        json.dumps(variants),
        duration_ms,
    )
    assert row is not None  # it is held
    return media_row(row)


async def fail(tx: Transaction, work: MediaWork, code: str, text: str) -> MediaRow:
    """End a file that is held for that reason. The database writes the event that deletes its objects."""
    row = await tx.fetchrow(
        f"""UPDATE media SET status = 'failed', error_code = $2, error_text = $3, variants = '[]',
            lane = NULL, due_at = NULL, started_at = NULL WHERE id = $1 RETURNING {COLUMNS}""",
        work.id,
        code,
        text,
    )
    assert row is not None  # it is held
    return media_row(row)


async def backlog(tx: Transaction) -> dict[str, tuple[int, float]]:
    """For each lane: the files that wait or are processed (counted up to 100,000), and for how long the oldest has been
    due, in seconds.
    """
    rows = await tx.fetch("SELECT lane, files, age FROM media_backlog()")
    return {row["lane"]: (row["files"], row["age"]) for row in rows}
