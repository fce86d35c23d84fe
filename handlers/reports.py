"""Reports: what a user finds wrong with something that the user sees."""

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.limits import Limit
from protocol.reports import CreateReport, ListReports, OwnReport, ReportPage, ReportRef
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import reports
from storage.database import Transaction
from storage.reports import ReportRow

REPORT = Limit("report", "60/hour", "report.create by user")


@methods.rpc("report.create", limit=REPORT)
async def create_report(call: Call, request: CreateReport, tx: Transaction) -> OwnReport:
    """Report something to the moderators. A second report of the same returns the first, unless it was retracted."""
    if (request.target_type == "message") != (request.seq > 0):
        raise errors.invalid("seq", "is required for messages, and only allowed for them")
    for place, each in enumerate(request.evidence or ()):
        if (each.target_type == "message") != (each.seq > 0):
            raise errors.invalid(f"evidence[{place}].seq", "is required for messages, and only allowed for them")
    found = await reports.file(
        tx,
        id=call.services.ids.mint(),
        target_type=request.target_type,
        target_id=int(request.target_id),
        seq=request.seq,
        reason=request.reason,
        text=request.text or "",
        evidence=request.evidence or (),
    )
    match found.verdict:
        case "missing":
            raise errors.not_found(request.target_type)
        case "own":
            raise errors.failed_precondition("users cannot report their own content")
        case "proof":
            raise errors.invalid(f"evidence[{found.faulty}]", "does not exist, or you may not see it")
    assert found.filed is not None
    return await _load(tx, found.filed)


@methods.rpc("report.list", reads=True)
async def list_reports(call: Call, request: ListReports, tx: Transaction) -> ReportPage:
    """The caller's reports and what became of them, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await reports.load_own(tx, page_start(call, "", request.cursor), limit)
    cursor = cursor_after(call, "", [row["id"] for row in rows], limit)
    return ReportPage(items=list(map(_present, rows)), next_cursor=cursor)


@methods.rpc("report.retract")
async def retract_report(call: Call, request: ReportRef, tx: Transaction) -> OwnReport:
    """Withdraw the caller's report: it counts nothing. A decided one stays. Repeating it changes nothing."""
    report_id = int(request.report_id)
    if not await reports.retract(tx, report_id):
        raise errors.not_found("report")
    return await _load(tx, report_id)


async def _load(tx: Transaction, report_id: int) -> OwnReport:
    [row] = await reports.load_own(tx, report_id + 1, 1)
    return _present(row)


def _present(row: ReportRow) -> OwnReport:
    return OwnReport(
        id=str(row["id"]),
        target_type=row["target_type"],
        target_id=str(row["target_id"]),
        seq=row["target_seq"],
        reason=row["reason"],
        text=row["text"],
        status=row["status"],
        created_at=to_wire(row["created_at"]),
    )
