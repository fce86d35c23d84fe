"""Oversight for moderators and admins. SQL functions answer only viewers with the role."""

from typing import NamedTuple

from storage.database import Row, Transaction

MOST_SEEN = 20_000  # rows of the audit trail, by a page
MOST_COUNTED = 10_000


class AuditRows(NamedTuple):
    """rows: without those that match no more. more_before: the id before which the next page looks; None at the end."""

    rows: list[Row]
    more_before: int | None


async def load_account(tx: Transaction, user_id: int | None, username: str | None) -> Row | None:
    return await tx.fetchrow(
        "SELECT * FROM reviewed_account($1, $2)", user_id, username.lower() if username is not None else None
    )


async def search_audit(
    tx: Transaction, actor_id: int | None, action: str | None, resource: str | None, before: int, limit: int
) -> AuditRows:
    rows = await tx.fetch(
        "SELECT * FROM audit_page($1, $2, $3, $4, $5, $6)", actor_id, action, resource, before, limit, MOST_SEEN
    )
    found = [row for row in rows if row["id"] is not None]
    if len(found) == limit:
        return AuditRows(found, found[-1]["id"])
    return AuditRows(found, rows[0]["oldest_seen"] if rows[0]["seen"] == MOST_SEEN else None)


async def count_queue(tx: Transaction) -> Row:
    row = await tx.fetchrow("SELECT * FROM queue_numbers($1)", MOST_COUNTED)
    assert row is not None  # the role is checked before
    return row
