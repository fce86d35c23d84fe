"""The audit trail: a row for each action on accounts, security and moderation. The application can only insert."""

from typing import Any

import orjson

from storage.database import Transaction


async def add(
    tx: Transaction,
    *,
    id: int,
    actor_id: int | None,
    action: str,
    resource: str,
    ip: str | None,
    user_agent: str | None,
    **changes: Any,
) -> None:
    """resource: `noun:id`. changes: what an auditor must know of the action, but no secrets."""
    await tx.execute(
        """INSERT INTO audit (id, actor_id, action, resource, changes, ip, user_agent)
        VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        id,
        actor_id,
        action,
        resource,
        orjson.dumps(changes).decode(),
        ip,
        user_agent,
    )
