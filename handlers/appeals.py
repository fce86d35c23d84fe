"""Decisions that limit the caller, and appeals against them. Suspended users may call these methods, too."""

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.decisions import (
    Appeal,
    AppealPage,
    CreateAppeal,
    DecideAppeal,
    ListAppeals,
    ListLimits,
    Restriction,
    RestrictionPage,
)
from protocol.limits import Limit
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import appeals
from storage.appeals import AppealRow, LimitRow
from storage.database import Transaction, require_primary
from storage.present import optional_time

APPEAL = Limit("appeal", "20/day", "appeal.create by user")


@methods.rpc("account.limits", reads=True, by_session=True, shed="vital", restricted=True)
async def list_limits(call: Call, request: ListLimits, tx: Transaction) -> RestrictionPage:
    """Decisions that limit the caller or the caller's content, with reason and end; warnings of the last half year."""
    require_primary(tx)  # a user who is notified of a decision must find it
    limit = request.limit or DEFAULT_LIMIT
    rows = await appeals.limits(tx, page_start(call, "", request.cursor), limit)
    return RestrictionPage(
        [_restriction(row) for row in rows], cursor_after(call, "", [row["id"] for row in rows], limit)
    )


@methods.rpc("appeal.create", limit=APPEAL, by_session=True, restricted=True)
async def create_appeal(call: Call, request: CreateAppeal, tx: Transaction) -> Appeal:
    """Appeal against a decision, once and within 6 months. Another moderator decides within 72 hours."""
    verdict, appeal_id = await appeals.make(tx, int(request.decision_id), request.text)
    match verdict:
        case "missing":
            raise errors.not_found("decision")
        case "ended":
            raise errors.failed_precondition("the decision has ended")
        case "late":
            raise errors.failed_precondition("the decision is older than 6 months")
        case "gone":
            raise errors.failed_precondition("the target of the decision was deleted")
    row = await appeals.load(tx, appeal_id) if appeal_id is not None else None
    assert row is not None
    if verdict == "found" and row["text"] != request.text:
        raise errors.already_exists("decision_id", "has an appeal already")
    return present_appeal(row)


@methods.rpc("appeal.list", reads=True, by_session=True, restricted=True)
async def list_appeals(call: Call, request: ListAppeals, tx: Transaction) -> AppealPage:
    """The caller's appeals, the newest first."""
    require_primary(tx)
    limit = request.limit or DEFAULT_LIMIT
    rows = await appeals.page(tx, call.viewer.id, page_start(call, "", request.cursor), limit)
    return AppealPage([present_appeal(row) for row in rows], cursor_after(call, "", [row["id"] for row in rows], limit))


@methods.rpc("appeal.decide", role="moderator")
async def decide_appeal(call: Call, request: DecideAppeal, tx: Transaction) -> Appeal:
    """Uphold the decision, or overturn and end it. PERMISSION_DENIED for the moderator who made the decision.

    The case is decided with the last of its appeals.
    """
    appeal_id = int(request.appeal_id)
    match await appeals.decide(tx, appeal_id, overturn=request.outcome == "overturned"):
        case "missing":
            raise errors.not_found("appeal")
        case "taken":
            raise errors.failed_precondition("a colleague has claimed its case")
        case "admins":
            raise errors.permission_denied("only admins can decide about moderators")
        case "barred":
            raise errors.permission_denied(
                "an appeal is not decided by whoever decided first, nor by the user concerned"
            )
    row = await appeals.load(tx, appeal_id)
    assert row is not None
    if row["status"] != request.outcome:
        raise errors.failed_precondition(f"the request is already {row['status']}")
    return present_appeal(row)


def _restriction(row: LimitRow) -> Restriction:
    return Restriction(
        decision_id=str(row["id"]),
        target_type=row["target_type"],
        target_id=str(row["target_id"]),
        seq=row["target_seq"],
        action=row["action"],
        reason=row["reason"],
        labels=row["labels"],
        text=row["facts"],
        language=row["language"],
        ground=row["decision_ground"],
        category=row["category"],
        is_automatic=row["is_automatic"],
        created_at=to_wire(row["created_at"]),
        until=optional_time(row["until"]),
        can_appeal=row["is_appealable"],
        appeal=row["appeal"],
    )


def present_appeal(row: AppealRow) -> Appeal:
    return Appeal(
        id=str(row["id"]),
        decision_id=str(row["decision_id"]),
        text=row["text"],
        status=row["status"],
        created_at=to_wire(row["created_at"]),
        due_at=to_wire(row["due_at"]),
        decided_at=optional_time(row["decided_at"]),
    )
