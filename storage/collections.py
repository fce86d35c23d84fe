"""Collections: named lists of saved posts, seen by their owner alone."""

from datetime import datetime
from typing import TypedDict, cast

from storage.database import Transaction


class CollectionRow(TypedDict):
    id: int
    name: str
    created_at: datetime


async def insert(tx: Transaction, *, id: int, owner_id: int, name: str) -> CollectionRow:
    row = await tx.fetchrow(
        "INSERT INTO collections (id, owner_id, name) VALUES ($1, $2, $3) RETURNING id, name, created_at",
        id,
        owner_id,
        name,
    )
    return cast("CollectionRow", row)


async def rename(tx: Transaction, collection_id: int, name: str) -> CollectionRow | None:
    row = await tx.fetchrow(
        "UPDATE collections SET name = $2 WHERE id = $1 RETURNING id, name, created_at", collection_id, name
    )
    return cast("CollectionRow | None", row)


async def delete(tx: Transaction, collection_id: int) -> bool:
    """Its posts stay saved."""
    return bool(await tx.fetchval("DELETE FROM collections WHERE id = $1 RETURNING true", collection_id))


async def exists(tx: Transaction, collection_id: int) -> bool:
    return bool(await tx.fetchval("SELECT true FROM collections WHERE id = $1", collection_id))


async def load_page(tx: Transaction, before: int, limit: int) -> list[CollectionRow]:
    """The viewer's collections, newest first."""
    rows = await tx.fetch(
        "SELECT id, name, created_at FROM collections WHERE id < $1 ORDER BY id DESC LIMIT $2", before, limit
    )
    return cast("list[CollectionRow]", rows)
