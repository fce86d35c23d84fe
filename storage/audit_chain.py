"""The chain of hashes over the audit trail: sealing new rows, and finding the first row that was changed."""

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage.database import Transaction

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

PAGE = 5_000
# Rows that committed later than this have been sealed, if a sealer runs.
SEALED_AFTER = "10 minutes"

_COLUMNS = ("id", "actor_id", "action", "resource", "changes", "recorded_us")
_ROWS = """
    SELECT c.place, c.audit_id, c.hash, a.id, a.actor_id::text, a.action, a.resource, a.changes::text,
           (extract(epoch FROM a.recorded_at) * 1000000)::bigint::text AS recorded_us
    FROM audit_chain c LEFT JOIN audit a ON a.id = c.audit_id WHERE c.place > $1 ORDER BY c.place LIMIT $2
"""


class ChainHead(NamedTuple):
    """The last row of the chain: whoever keeps it elsewhere notices later if the chain's end was cut or rewritten."""

    place: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.place}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "ChainHead":
        """Raises ValueError."""
        place, _, digest = text.partition(":")
        return cls(int(place), bytes.fromhex(digest))


class Verified(NamedTuple):
    """`broken` says what is wrong with the first row that is not as it was sealed; None if all are."""

    head: ChainHead
    broken: str | None


async def seal(tx: Transaction, limit: int) -> int:
    """Add the oldest new rows to the chain. Returns how many. For workers."""
    sealed: int = await tx.fetchval("SELECT seal_audit($1)", limit)
    return sealed


async def backlog(tx: Transaction) -> float:
    """For how many seconds the oldest row has waited to be sealed."""
    age: float = await tx.fetchval("SELECT audit_backlog()")
    return age


async def verify(connection: Connection, earlier: ChainHead | None = None) -> Verified:
    """Compare the audit trail with its chain. For the owner of the tables.

    earlier: a head that the chain had once, and must still have.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head, broken = await _walk(connection, earlier)
        if broken is None and earlier is not None and head.place < earlier.place:
            broken = f"the chain ends at place {head.place}, but it had {earlier.place}"
        return Verified(head, broken or await _unsealed(connection))


async def _walk(connection: Connection, earlier: ChainHead | None) -> tuple[ChainHead, str | None]:
    head = ChainHead(0, b"")
    while True:
        rows = await connection.fetch(_ROWS, head.place, PAGE)
        for row in rows:
            if row["place"] != head.place + 1:
                return head, f"place {head.place + 1} of the chain is gone"
            if row["id"] is None:
                return head, f"audit row {row['audit_id']} (place {row['place']}) was deleted"
            if _hash(head.hash, [row[column] for column in _COLUMNS]) != row["hash"]:
                return head, f"audit row {row['audit_id']} (place {row['place']}) was changed"
            head = ChainHead(row["place"], row["hash"])
            if earlier is not None and head.place == earlier.place and head != earlier:
                return head, f"the chain up to place {head.place} was written anew"
        if len(rows) < PAGE:
            return head, None


def _hash(previous: bytes, fields: "list[str | int | None]") -> bytes:
    """The hash of a row, as the database's function `audit_hash` computes it."""
    texts = [None if field is None else str(field) for field in fields]
    sealed = ",".join("-" if text is None else f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(previous + sealed.encode()).digest()


async def _unsealed(connection: Connection) -> str | None:
    """Describe the faults of rows outside the chain."""
    lost = await connection.fetchval(
        """SELECT min(u.audit_id) FROM audit_unsealed u
        WHERE NOT EXISTS (SELECT FROM audit a WHERE a.id = u.audit_id)"""
    )
    if lost is not None:
        return f"audit row {lost} was deleted before it was sealed"
    added = await connection.fetchval(
        """SELECT min(a.id) FROM audit a WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = a.id)
        AND NOT EXISTS (SELECT FROM audit_unsealed u WHERE u.audit_id = a.id)"""
    )
    if added is not None:
        return f"audit row {added} was added without the application"
    old = await connection.fetchval(
        f"SELECT min(audit_id) FROM audit_unsealed WHERE audit_id < snowflake_at(now() - interval '{SEALED_AFTER}')"
    )
    return None if old is None else f"audit row {old} is not sealed: run `daira work sealer`"
