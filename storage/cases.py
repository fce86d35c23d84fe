"""Cases: what moderators decide. One open case for each target, however many report it."""

import datetime
from collections.abc import Sequence

from protocol.moderation import CaseSource, ModeratedType, Reason
from storage.database import Transaction


async def open_case(
    tx: Transaction,
    target_type: ModeratedType,
    target_id: int,
    *,
    seq: int = 0,
    source: CaseSource,
    reason: Reason,
    severity: int | None = None,
    barred_ids: Sequence[int] = (),
    due_at: datetime.datetime | None = None,
) -> int | None:
    """Open a case about the target, or join the one that is open; returns its id, or None if the target is gone.

    What was decided stays decided until its contents change: then that case is returned, except for an appeal, which
    always opens one. seq: of a chat message in the chat `target_id`. severity: 0 to 4, or None for that of the reason.
    barred_ids: moderators who may not decide it. due_at: when it shall be decided.

    The transaction must be without a viewer, of a moderator, or of the target's owner; otherwise the result is None.
    """
    found: int | None = await tx.fetchval(
        "SELECT open_case($1, $2, $3, $4, $5, $6, $7, $8)",
        target_type,
        target_id,
        seq,
        source,
        reason,
        severity,
        barred_ids,
        due_at,
    )
    return found
