"""Recordings of live rooms. A row is written before LiveKit is asked, so that no recording is lost in a crash."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, cast

from protocol.room_recordings import RecordingState
from storage.database import Transaction
from storage.media import ORIGINAL

CONTENT_TYPE = "audio/ogg"
EXTENSION = ".ogg"  # LiveKit appends it to the name of the file


class RecordingRow(TypedDict):
    id: int
    room_id: int
    state: RecordingState
    object_key: str
    created_at: datetime
    ended_at: datetime | None
    error_code: str | None
    error_text: str | None


_COLUMNS = ", ".join(RecordingRow.__annotations__)


def original_key(row: RecordingRow) -> str:
    """The key of the file as the media worker looks for it."""
    return row["object_key"] + ORIGINAL


async def begin(tx: Transaction, recording_id: int, room_id: int, started_by: int, object_key: str) -> None:
    """Claim the recording of a live room that the viewer moderates; the caller has locked the room.

    Raises FAILED_PRECONDITION if the room has 50 recordings.
    """
    await tx.execute(
        "INSERT INTO room_recordings (id, room_id, started_by, object_key) VALUES ($1, $2, $3, $4)",
        recording_id,
        room_id,
        started_by,
        object_key,
    )


async def is_running(tx: Transaction, room_id: int) -> bool:
    """Whether a recording has begun, and nobody has stopped it."""
    return bool(
        await tx.fetchval("SELECT true FROM room_recordings WHERE room_id = $1 AND state = 'recording'", room_id)
    )


async def stop(tx: Transaction, room_id: int) -> None:
    """Stop the recording of the room, if there is one: a worker stops it at LiveKit. The caller has locked the room."""
    await tx.execute(
        "UPDATE room_recordings SET state = 'stopping', ended_at = now() WHERE room_id = $1 AND state = 'recording'",
        room_id,
    )


async def fail(tx: Transaction, recording_id: int, code: str, reason: str) -> bool:
    """End a recording without a file, unless it has ended; what was stored of it is deleted by an event."""
    status = await tx.execute(
        """UPDATE room_recordings SET state = 'failed', ended_at = coalesce(ended_at, now()), error_code = $2,
            error_text = $3 WHERE id = $1 AND state IN ('recording', 'stopping')""",
        recording_id,
        code,
        reason,
    )
    return not status.endswith(" 0")


async def of_room(tx: Transaction, room_id: int) -> list[RecordingRow]:
    """Newest first, if the viewer may see recordings of the room."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM room_recordings WHERE room_id = $1 ORDER BY id DESC", room_id)
    return cast("list[RecordingRow]", rows)


# ---------------------------------------------------------------------------------------------- for workers


async def claim_due(tx: Transaction, unchecked_for_s: float, limit: int) -> list[RecordingRow]:
    """Open recordings that no worker has looked at for so long; no other worker gets them for that time."""
    rows = await tx.fetch(
        f"""UPDATE room_recordings SET checked_at = now() WHERE id IN (
            SELECT id FROM room_recordings WHERE state IN ('recording', 'stopping')
                AND checked_at <= now() - make_interval(secs => $1)
            ORDER BY checked_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}""",
        unchecked_for_s,
        limit,
    )
    return cast("list[RecordingRow]", rows)


async def open_ones(tx: Transaction, room_id: int) -> list[RecordingRow]:
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM room_recordings WHERE room_id = $1 AND state IN ('recording', 'stopping')", room_id
    )
    return cast("list[RecordingRow]", rows)


async def open_among(tx: Transaction, recording_ids: Sequence[int]) -> set[int]:
    """Those that have not ended."""
    rows = await tx.fetch(
        "SELECT id FROM room_recordings WHERE id = ANY ($1) AND state IN ('recording', 'stopping')", recording_ids
    )
    return {row["id"] for row in rows}


async def save(tx: Transaction, row: RecordingRow, size_bytes: int) -> bool:
    """Make a media of the file, which belongs to the room's host. The caller has locked the room.

    Returns False if the recording has ended already, or the host's account is gone.
    """
    added = await tx.fetchval(
        """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, target_type, target_id,
                              position, object_key, lane, due_at)
        SELECT o.id, r.host_id, 'audio', 'processing', $2, 'recording' || $3, $4, 'room', r.id,
            (SELECT count(*) FROM room_recordings b WHERE b.room_id = r.id AND b.id < o.id),
            o.object_key, 'quick', now()
        FROM room_recordings o JOIN rooms r ON r.id = o.room_id JOIN users h ON h.id = r.host_id
        WHERE o.id = $1 AND o.state IN ('recording', 'stopping') AND h.status <> 'deleted' RETURNING id""",
        row["id"],
        CONTENT_TYPE,
        EXTENSION,
        size_bytes,
    )
    if added is not None:
        await tx.execute(
            "UPDATE room_recordings SET state = 'saved', ended_at = coalesce(ended_at, now()) WHERE id = $1", added
        )
    return added is not None
