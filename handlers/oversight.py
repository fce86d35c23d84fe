"""Oversight for moderators and admins: one account, the audit trail, and the state of the queue."""

import orjson

from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from protocol import errors
from protocol.oversight import (
    AccountReview,
    AuditItem,
    AuditPage,
    QueueNumbers,
    ReviewAccount,
    SearchAudit,
)
from protocol.rpc import NoArguments, methods
from protocol.timestamps import to_wire
from storage import oversight
from storage.database import Row, Transaction


@methods.rpc("account.review", role="moderator")
async def review_account(call: Call, request: ReviewAccount, tx: Transaction) -> AccountReview:
    """An account as moderators see it, also a private or suspended one. Each view is in the audit trail."""
    if (request.user_id is None) == (request.username is None):
        raise errors.invalid("user_id", "give either user_id or username")
    user_id = int(request.user_id) if request.user_id is not None else None
    row = await oversight.load_account(tx, user_id, request.username)
    if row is None:
        raise errors.not_found("user")
    await audit_call(call, tx, call.viewer.id, "account.review", f"user:{row['id']}")
    return AccountReview(
        user_id=str(row["id"]),
        username=row["username"],
        display_name=row["display_name"],
        bio=row["bio"],
        role=row["role"],
        status=row["status"],
        is_verified=row["is_verified"],
        is_private=row["is_private"],
        is_minor=row["is_minor"],
        created_at=to_wire(row["created_at"]),
        follower_count=row["follower_count"],
        post_count=row["post_count"],
        reports_upheld=row["upheld"],
        reports_rejected=row["rejected"],
    )


@methods.rpc("audit.search", reads=True, role="admin")
async def search_audit(call: Call, request: SearchAudit, tx: Transaction) -> AuditPage:
    """Rows of the audit trail, newest first."""
    scope = f"{request.actor_id}:{request.action}:{request.resource}"
    before, limit = page_start(call, scope, request.cursor), request.limit or DEFAULT_LIMIT
    actor_id = int(request.actor_id) if request.actor_id is not None else None
    found = await oversight.search_audit(tx, actor_id, request.action, request.resource, before, limit)
    return AuditPage(
        items=[_audit_item(row) for row in found.rows], next_cursor=next_cursor(call, scope, found.more_before)
    )


@methods.rpc("case.numbers", reads=True, role="moderator")
async def count_queue(call: Call, request: NoArguments, tx: Transaction) -> QueueNumbers:
    """The state of the queue, and of the last 24 hours."""
    row = await oversight.count_queue(tx)
    return QueueNumbers(
        open=list(row["open"]),
        claimed=row["claimed"],
        overdue=row["overdue"],
        oldest_open_at=to_wire(row["oldest_open_at"]) if row["oldest_open_at"] else None,
        opened=row["opened"],
        decided=row["decided"],
        handling_s=row["handling_s"],
    )


def _audit_item(row: Row) -> AuditItem:
    return AuditItem(
        id=str(row["id"]),
        actor_id=str(row["actor_id"]) if row["actor_id"] is not None else None,
        action=row["action"],
        resource=row["resource"],
        changes=orjson.loads(row["changes"]),
        ip=row["ip"],
        recorded_at=to_wire(row["recorded_at"]),
    )
