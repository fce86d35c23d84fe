"""Keys of services: PostgreSQL keeps their hashes. A key has a session, whose end ends the key."""

import datetime
from collections.abc import Sequence
from typing import TypedDict, cast

from storage.database import Database, Transaction


class ApiKeyRow(TypedDict):
    id: int
    name: str
    prefix: str
    methods: list[str]
    username: str  # of the admin who made it
    created_at: datetime.datetime
    expires_at: datetime.datetime
    last_used_at: datetime.datetime | None
    revoked_at: datetime.datetime | None


class AdmittedKey(TypedDict):
    user_id: int
    session_id: int
    expires_at: datetime.datetime
    methods: list[str]


async def create(
    tx: Transaction,
    *,
    key_id: int,
    session_id: int,
    name: str,
    prefix: str,
    key_hash: bytes,
    methods: Sequence[str],
    days: int,
) -> datetime.datetime | None:
    """Returns when it expires; None if the viewer is no admin."""
    expires_at: datetime.datetime | None = await tx.fetchval(
        "SELECT create_key($1, $2, $3, $4, $5, $6, $7)", key_id, session_id, name, prefix, key_hash, methods, days
    )
    return expires_at


async def page(tx: Transaction, before: int, limit: int) -> list[ApiKeyRow]:
    """All keys, newest first; none for a viewer who is no admin."""
    return cast("list[ApiKeyRow]", await tx.fetch("SELECT * FROM key_page($1, $2)", before, limit))


async def revoke(tx: Transaction, key_id: int) -> tuple[int, bool] | None:
    """Returns its session, and whether it was alive. None if there is no such key, or the viewer is no admin."""
    row = await tx.fetchrow("SELECT session_id, is_new FROM revoke_key($1)", key_id)
    return (row["session_id"], row["is_new"]) if row else None


async def admit(database: Database, key_hash: bytes, address: str) -> AdmittedKey | None:
    """None for a key that is unknown, revoked or expired. Raises DatabaseUnavailable."""
    rows = await database.fetch("SELECT * FROM admit_key($1, $2)", key_hash, address)
    return cast("AdmittedKey", rows[0]) if rows else None
