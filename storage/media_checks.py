"""Compares the rows of media with the objects in the store."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from storage.database import Row, Transaction
from storage.media import ORIGINAL

_variants = msgspec.json.Decoder(list[dict[str, object]])

PUBLIC, PRIVATE = "public/", "private/"


class CheckedFile(NamedTuple):
    """A file whose objects must be there. keys: of the objects that its row names."""

    id: int
    object_key: str
    keys: frozenset[str]


async def count(tx: Transaction) -> int:
    """How many files must have objects."""
    return int(await tx.fetchval("SELECT count(*) FROM media WHERE status IN ('processing', 'ready')"))


async def files_after(tx: Transaction, after: int, limit: int) -> list[CheckedFile]:
    """Those files with ids above `after`, by id. A ready one needs its variants, another one what was uploaded."""
    rows = await tx.fetch(
        """SELECT id, object_key, status, variants FROM media
        WHERE status IN ('processing', 'ready') AND id > $1 ORDER BY id LIMIT $2""",
        after,
        limit,
    )
    return [
        CheckedFile(row["id"], row["object_key"], frozenset(row["object_key"] + name for name in _names(row)))
        for row in rows
    ]


async def unknown_keys(tx: Transaction, keys: Sequence[str]) -> list[str]:
    """Those keys of objects that belong to no file. A key is `private/<id>/<random>/…` or `public/<random>/…`.

    Nor does what an attempt has left beside the results of a finished file, or of one that failed.
    """
    roots = {key: _root(key) for key in keys}
    rows = await tx.fetch(
        """SELECT object_key AS root, variants,
            status = 'failed' OR status = 'ready' AND lane IS NULL AS is_finished
        FROM media WHERE object_key = ANY ($1)
        UNION ALL SELECT public_key, '[]', false FROM media WHERE public_key = ANY ($1)
        UNION ALL SELECT object_key, '[]', false FROM case_files WHERE object_key = ANY ($1)
        UNION ALL SELECT object_key, '[]', false FROM room_recordings
            WHERE object_key = ANY ($1) AND state IN ('recording', 'stopping')""",
        [*{*roots.values()}],
    )
    known = {row["root"]: _stems(row["variants"]) if row["is_finished"] else None for row in rows}

    def is_known(key: str) -> bool:
        root = roots[key]
        stems = known.get(root, frozenset())
        return stems is None or _stem(key.removeprefix(root)) in stems

    return [key for key in keys if not is_known(key)]


async def unknown_uploads(tx: Transaction, upload_ids: Sequence[str]) -> set[str]:
    """Those multipart uploads of the store that are of no unfinished file."""
    rows = await tx.fetch("SELECT upload_id FROM media WHERE status = 'uploading' AND upload_id = ANY ($1)", upload_ids)
    return {*upload_ids} - {row["upload_id"] for row in rows}


async def fail_lost(tx: Transaction, file: CheckedFile) -> None:
    """End a file whose objects are gone, unless they have been moved since. For workers."""
    await tx.execute(
        """UPDATE media SET status = 'failed', error_code = 'lost', error_text = 'the file has been lost', lane = NULL,
            due_at = NULL, variants = '[]' WHERE id = $1 AND object_key = $2 AND status IN ('processing', 'ready')""",
        file.id,
        file.object_key,
    )


def _root(key: str) -> str:
    """Return the beginning of the keys of all objects of the file."""
    return "/".join(key.split("/")[: 3 if key.startswith(PRIVATE) else 2]) + "/"


def _stem(file: str) -> str:
    """Return the beginning of the names of all results of one attempt."""
    return file.partition("_")[0]


def _stems(variants: str) -> frozenset[str]:
    return frozenset(_stem(str(each["file"])) for each in _variants.decode(variants))


def _names(row: Row) -> list[str]:
    if row["status"] != "ready":
        return [ORIGINAL]
    return [str(each["file"]) for each in _variants.decode(row["variants"])]
