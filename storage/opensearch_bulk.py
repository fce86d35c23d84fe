"""Writes of many documents at once. A bulk fails by the item: each is retried or refused for itself.

Items have versions from outside, the time at which their rows were read. So a late or repeated write changes nothing,
and a retry after a lost answer is safe. A removal is a write too, of a document without terms, which no search finds:
its version outlives the document. The next reindex leaves it out.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from storage.metrics import SEARCH_ITEMS
from storage.opensearch_link import OpenSearchLink
from storage.search_engine import Document, DocumentKind, SearchUnavailable

MOST_ITEMS = 500
MOST_BYTES = 4_000_000  # of a request; a single document is far below
DEADLINE_S = 10.0
ATTEMPTS = 4
FIRST_WAIT_S = 0.05

_CONFLICT = 409
_encode = msgspec.json.Encoder().encode


class DocumentsRefused(Exception):
    """The engine never takes these documents. All others have been written."""


class BulkItem(NamedTuple):
    """A write: its document's name, and two lines of a bulk."""

    name: str
    lines: bytes


def written(document: Document, version: int) -> BulkItem:
    """version: microseconds since 1970."""
    return _item(document.kind, document.id, version, {
        "terms": document.terms,
        "title": document.title,
        "weight": document.weight,
        "created_at": int(document.created_at.timestamp() * 1_000),
    })  # fmt: skip


def removed(kind: DocumentKind, document_id: int, version: int) -> BulkItem:
    return _item(kind, document_id, version, {"removed": True})


def copied(name: str, version: int, source: object) -> BulkItem:
    """A document of another index as it is there."""
    action = {"index": {"_id": name, "version": version, "version_type": "external"}}
    return BulkItem(name, _encode(action) + b"\n" + _encode(source))


def _item(kind: DocumentKind, document_id: int, version: int, fields: dict[str, object]) -> BulkItem:
    return copied(f"{kind}:{document_id}", version, {"kind": kind, "id": document_id, **fields})


async def send(link: OpenSearchLink, alias: str, items: Sequence[BulkItem]) -> None:
    """Write all items to disk. Raises SearchUnavailable; DocumentsRefused once all others are written."""
    refused: list[str] = []
    for part in _parts(items):
        refused += await _send_part(link, alias, part)
    if refused:
        raise DocumentsRefused("; ".join(refused[:5]))


async def _send_part(link: OpenSearchLink, alias: str, items: Sequence[BulkItem]) -> list[str]:
    """Returns what was refused for good, and why."""
    # Without this option, a bulk to an alias that is missing would make an index of that name, and guess its mapping.
    path = f"{alias}/_bulk?require_alias=true"
    refused, waiting = [], list(items)
    for attempt in range(ATTEMPTS):
        if attempt:
            SEARCH_ITEMS.labels("retried").inc(len(waiting))
            await asyncio.sleep(FIRST_WAIT_S * 3**attempt * random.uniform(0.5, 1.5))
        lines = [item.lines for item in waiting]
        answer = await link.request("bulk", "POST", path, lines=lines, deadline_s=DEADLINE_S)
        results = [next(iter(each.values())) for each in answer["items"]]
        again: list[BulkItem] = []
        cause = ""
        for item, result in zip(waiting, results, strict=True):
            status, error = result["status"], result.get("error")
            if error is None or status == _CONFLICT:
                SEARCH_ITEMS.labels("written" if error is None else "old").inc()
            elif _is_poison(status):
                SEARCH_ITEMS.labels("refused").inc()
                refused.append(f"{item.name}: {error['type']}: {error['reason']}"[:300])
            else:
                again.append(item)
                cause = f"{error['type']}: {error['reason']}"[:300]
        if not again:
            return refused
        waiting = again
    raise SearchUnavailable(f"{len(waiting)} documents were not written: {cause}")


def _is_poison(status: int) -> bool:
    """Whether the same item would fail again: it does not fit the mapping. An index may be missing or closed for now,
    a disk full, a shard busy."""
    return status in (400, 413)


def _parts(items: Sequence[BulkItem]) -> Iterator[list[BulkItem]]:
    part: list[BulkItem] = []
    size = 0
    for item in items:
        if part and (len(part) == MOST_ITEMS or size + len(item.lines) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item.lines)
    if part:
        yield part
