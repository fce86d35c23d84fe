"""Audit rows of calls: they have the caller's address and client."""

from handlers.call import Call
from storage import audit
from storage.database import Transaction


async def audit_call(
    call: Call, tx: Transaction, actor_id: int | None, action: str, resource: str, **changes: object
) -> None:
    """Add an audit row to the call's transaction. resource: `noun:id`. changes: without secrets.

    Rows stay after an erasure, so they must not name a person otherwise, not even by a hash.
    """
    await audit.add(
        tx,
        id=call.services.ids.mint(),
        actor_id=actor_id,
        action=action,
        resource=resource,
        ip=call.address,
        user_agent=call.user_agent,
        **changes,
    )
