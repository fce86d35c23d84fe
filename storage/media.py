"""Media: a row for each file. Its objects are in the object store, below `object_key`."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypedDict, cast

import msgspec

from protocol.media import MediaKind, MediaStatus
from protocol.moderation import Label
from protocol.standing import Standing
from storage.database import Row, Transaction

ORIGINAL = "original"  # what the user uploaded, after `object_key`

UPLOAD_KEPT = timedelta(hours=24)  # an unfinished upload, since its URLs were signed last
UNUSED_KEPT = timedelta(hours=24)  # a file that nothing uses, since its upload was completed
FAILED_KEPT = timedelta(hours=24)

Lane = Literal["quick", "bulk"]
TargetKind = Literal["post", "comment", "message", "user", "room"]


class VariantRow(TypedDict):
    """One form of a file. `file` follows `object_key` or `public_key`: together they are the key of its object."""

    name: str
    file: str
    content_type: str
    width: int | None
    height: int | None
    size_bytes: int


class ShownMediaRow(TypedDict):
    """Columns of a file that `present_media` reads."""

    id: int
    owner_id: int
    kind: MediaKind
    status: MediaStatus
    alt: str
    is_sensitive: bool
    labels: list[Label]
    width: int | None
    height: int | None
    duration_ms: int | None
    blurhash: str | None
    waveform: list[int] | None
    variants: list[VariantRow]
    object_key: str
    public_key: str | None
    error_code: str | None
    error_text: str | None


class MediaRow(ShownMediaRow):
    content_type: str
    filename: str
    size_bytes: int
    sha256: bytes | None
    created_at: datetime
    expires_at: datetime | None
    target_type: TargetKind | None
    target_id: int | None
    target_seq: int | None
    position: int | None
    standing: Standing
    upload_id: str | None
    perceptual_hash: bytes | None
    lane: Lane | None
    attempts: int
    started_at: datetime | None
    due_at: datetime | None


class Quota(NamedTuple):
    """Bounds of all files of a user together."""

    bytes: int
    video_ms: int


class NewMedia(NamedTuple):
    """A file that is to be uploaded. `upload_id` is that of the store's multipart upload."""

    id: int
    kind: MediaKind
    content_type: str
    filename: str
    size_bytes: int
    sha256: bytes | None
    duration_ms: int | None
    alt: str
    is_sensitive: bool
    object_key: str
    upload_id: str


class StoredFile(NamedTuple):
    """key: the beginning of the keys of all objects. variants: JSON. They and `lane` determine which objects exist."""

    key: str
    variants: str
    lane: Lane | None


Verdict = Literal["created", "bytes", "video"]

COLUMNS = ", ".join(MediaRow.__annotations__)


# Of the JSON that `shown_media` returns for one target.
_shown_row = msgspec.json.Decoder(ShownMediaRow).decode
shown_rows = msgspec.json.Decoder(list[ShownMediaRow]).decode


def media_row(row: Row) -> MediaRow:
    """A row of the table, with its variants decoded."""
    found: dict[str, Any] = {**row, "variants": json.loads(row["variants"])}
    return cast("MediaRow", found)


async def create(tx: Transaction, new: NewMedia, quota: Quota) -> Verdict | None:
    """Create the viewer's upload. Returns "created", the quota that is exhausted, or None for an inactive account.

    Raises FAILED_PRECONDITION if the user has 100 unfinished uploads.
    """
    holders = ", ".join(f"${number}" for number in range(1, len(new) + 4))
    verdict: Verdict | None = await tx.fetchval(f"SELECT create_media({holders})", *new, UPLOAD_KEPT, *quota)
    return verdict


async def load(tx: Transaction, media_id: int) -> MediaRow | None:
    """The file, if the viewer may see it. Workers see all."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM media WHERE id = $1", media_id)
    return None if row is None else media_row(row)


async def visible(tx: Transaction, media_ids: Sequence[int]) -> set[int]:
    """Those that the viewer may see."""
    rows = await tx.fetch("SELECT id FROM media WHERE id = ANY ($1)", media_ids)
    return {row["id"] for row in rows}


async def load_own(tx: Transaction, media_id: int, owner_id: int) -> MediaRow | None:
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM media WHERE id = $1 AND owner_id = $2", media_id, owner_id)
    return None if row is None else media_row(row)


async def describe(tx: Transaction, media_id: int, alt: str | None, is_sensitive: bool | None) -> MediaRow | None:
    """None leaves a column as it is. Returns the viewer's file as it is then."""
    row = await tx.fetchrow(
        f"""UPDATE media SET alt = coalesce($2, alt), is_sensitive = coalesce($3, is_sensitive)
        WHERE id = $1 AND owner_id = viewer_id() RETURNING {COLUMNS}""",
        media_id,
        alt,
        is_sensitive,
    )
    return None if row is None else media_row(row)


async def load_to_open(tx: Transaction, media_id: int, viewer_id: int | None) -> ShownMediaRow | None:
    """The file, if it is ready, and the viewer is active and may see it. Without a viewer: if it is an avatar."""
    statement = (
        "SELECT avatar_file($1)"
        if viewer_id is None
        else """SELECT media_object(m) FROM media m WHERE m.id = $1 AND m.status = 'ready' AND EXISTS (
            SELECT FROM users u WHERE u.id = viewer_id() AND u.status = 'active')"""
    )
    found: str | None = await tx.fetchval(statement, media_id)
    return None if found is None else _shown_row(found)


async def of_targets(
    tx: Transaction, target_type: TargetKind, target_ids: Sequence[int], seqs: Sequence[int] | None = None
) -> dict[tuple[int, int | None], list[MediaRow]]:
    """The files of those targets that the viewer sees, in order, by (target_id, target_seq). seqs: of messages."""
    found: dict[tuple[int, int | None], list[MediaRow]] = {}
    for row in await tx.fetch(f"SELECT {COLUMNS} FROM media_of($1, $2, $3)", target_type, target_ids, seqs):
        found.setdefault((row["target_id"], row["target_seq"]), []).append(media_row(row))
    return found


async def renew(tx: Transaction, media_id: int, upload_id: str, replacement: str | None = None) -> bool:
    """Keep the viewer's unfinished upload for longer. replacement: a multipart upload in the place of a lost one.

    Returns False if the upload is finished, or its multipart upload is another one by now.
    """
    statement = "SELECT renew_media($1, $2, $3, $4)"
    return bool(await tx.fetchval(statement, media_id, upload_id, replacement or upload_id, UPLOAD_KEPT))


async def complete(tx: Transaction, media_id: int, content_type: str) -> bool:
    """Hand the viewer's upload to the workers. Returns False if it is not unfinished."""
    return bool(await tx.fetchval("SELECT complete_media($1, $2, $3)", media_id, content_type, UNUSED_KEPT))


async def drop(tx: Transaction, media_id: int, code: str, reason: str) -> bool:
    """Let the viewer's unused file end as failed; its objects are deleted by an event. Returns whether it was done."""
    return bool(await tx.fetchval("SELECT drop_media($1, $2, $3, $4)", media_id, code, reason, FAILED_KEPT))


async def use(
    tx: Transaction, media_ids: Sequence[int], target_type: TargetKind, target_id: int, target_seq: int | None = None
) -> list[int]:
    """Use these files of the viewer in what the viewer wrote, in their order.

    Comments take images alone, users one ready image in the place of the one before. Returns the places in `media_ids`
    of those that cannot be used: none of the viewer's, used already, unfinished, failed, of the wrong kind, or named
    twice. Raises ValueError if the viewer did not write the target.
    """
    places: list[int] | None = await tx.fetchval(
        "SELECT use_media($1, $2, $3, $4)", media_ids, target_type, target_id, target_seq
    )
    if places is None:
        raise ValueError(f"the viewer did not write the {target_type} {target_id}")
    return places


async def reserve_video(tx: Transaction, media_id: int, duration_ms: int, most_video_ms: int) -> bool:
    """Record the duration that was found. Returns False if the owner's quota has no room for it. For workers."""
    return bool(await tx.fetchval("SELECT reserve_video($1, $2, $3)", media_id, duration_ms, most_video_ms))


async def may_publish(tx: Transaction, media_id: int) -> bool:
    """Whether everybody may see the file, and it has no copies for everybody yet. For workers."""
    return bool(await tx.fetchval("SELECT publish_media($1, NULL)", media_id))


async def publish(tx: Transaction, media_id: int, public_key: str) -> bool:
    """Record the public copies, unless the file is no longer public. For workers."""
    return bool(await tx.fetchval("SELECT publish_media($1, $2)", media_id, public_key))


async def stored(tx: Transaction, media_id: int) -> StoredFile | None:
    """Where the file's objects are, if it has any that stay; also if only a case holds them. For workers."""
    row = await tx.fetchrow(
        """SELECT object_key, variants, lane FROM media WHERE id = $1 AND status IN ('processing', 'ready')
        UNION ALL SELECT object_key, variants, NULL FROM case_files WHERE media_id = $1 AND object_key IS NOT NULL
        LIMIT 1""",
        media_id,
    )
    return None if row is None else StoredFile(*row)


async def move(tx: Transaction, media_id: int, copied: StoredFile, to: str) -> bool:
    """Record that all objects of the file are copied to keys that begin with `to`. An event deletes those of before.

    Returns False if the file is not as it was when copying began. For workers.
    """
    return bool(await tx.fetchval("SELECT move_media($1, $2, $3, $4, $5)", media_id, *copied, to))


async def finish_again(tx: Transaction, owner_id: int, before: int, limit: int) -> int | None:
    """Write the event of finished files again for the owner's newest files below `before` without copies for everybody.

    Returns where the next ones begin, or None at the end. For workers.
    """
    last: int | None = await tx.fetchval("SELECT finish_again($1, $2, $3)", owner_id, before, limit)
    return last


async def close_files(tx: Transaction, owner_id: int, before: int, limit: int) -> int | None:
    """Write an event for each of the suspended owner's newest files below `before` that others may have seen.

    Returns where the next ones begin, or None at the end. For workers.
    """
    last: int | None = await tx.fetchval("SELECT close_files($1, $2, $3)", owner_id, before, limit)
    return last


async def sweep(tx: Transaction, limit: int) -> int:
    """Delete files that have expired; their objects are deleted by events. Returns how many. For workers."""
    # Again in the DELETE: a file may have been used since, and then does not expire.
    status = await tx.execute(
        """DELETE FROM media WHERE expires_at < now() AND id = ANY (ARRAY (
            SELECT id FROM media WHERE expires_at < now() ORDER BY expires_at LIMIT $1))""",
        limit,
    )
    return int(status.split()[-1])
