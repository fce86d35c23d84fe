"""Cases: the queue of the moderators, claims, notes and history. Each view of private content is audited."""

import orjson

from domain.moderation_channel import QUEUE
from handlers.appeals import present_appeal
from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.cases import (
    ActOfDeciding,
    Case,
    CaseActPage,
    CasePage,
    CaseRef,
    CaseSummary,
    DecideCase,
    DecidedCase,
    ListCaseActs,
    ListCases,
    NoteCase,
)
from protocol.errors import CallError
from protocol.fields import MAX_ID
from protocol.rpc import NoArguments, Nothing, methods
from storage import appeals, cases, decisions, present_cases
from storage.cases import ShownCase
from storage.database import Transaction
from storage.present import optional_time
from storage.present_cases import FileUrl

MOST_REPORTS = 20
MOST_EARLIER = 5
MOST_APPEALS = 5
BEFORE_ALL = (-(2**31) + 1, 0)  # a rank and an id


@methods.rpc("case.list", reads=True, role="moderator")
async def list_cases(call: Call, request: ListCases, tx: Transaction) -> CasePage:
    """Open cases, the gravest and most reported first; or all cases about one user, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    if request.owner_id is not None:
        scope = f"owner {request.owner_id}"
        ids = await cases.ids_of_owner(tx, int(request.owner_id), page_start(call, scope, request.cursor), limit)
        cursor = cursor_after(call, scope, ids, limit)
    else:
        choices = (request.target_types, request.reasons, request.sources, request.severity, request.claimed)
        scope = f"{call.method}:{choices}"
        found = await cases.queue(
            tx,
            target_types=request.target_types and sorted({*request.target_types}),
            reasons=request.reasons and sorted({*request.reasons}),
            sources=request.sources and sorted({*request.sources}),
            least_severity=request.severity,
            claimed=request.claimed,
            after=_place(call.services.cursors.open(call.viewer.id, scope, request.cursor)),
            limit=limit,
        )
        ids = [case_id for _, case_id in found]
        place = "{} {}".format(*found[-1]) if len(found) == limit else None
        cursor = call.services.cursors.seal(call.viewer.id, scope, place) if place is not None else None
    rows = await cases.load(tx, ids)
    return CasePage(items=list(map(present_cases.summary, rows)), next_cursor=cursor)


@methods.rpc("case.get", limit=None, shed="read", role="moderator")
async def get_case(call: Call, request: CaseRef, tx: Transaction) -> Case:
    """A case with the copy of its target, its reports, and earlier cases about the same user."""
    row = await _load(tx, request.case_id)
    case = row["found"]
    reports = await cases.load_reports(tx, case["id"], MOST_REPORTS)
    await _note_view(call, tx, row, with_evidence=any(report["evidence"] != "[]" for report in reports))
    ids = await cases.ids_of_owner(tx, case["owner_id"], MAX_ID, MOST_EARLIER + 1)
    earlier = await cases.load(tx, [each for each in ids if each != case["id"]][:MOST_EARLIER])
    made = await appeals.of_case(tx, case["id"], MOST_APPEALS)
    url_of = await _file_urls(call, tx, case["id"])
    return Case(
        summary=present_cases.summary(row),
        appeals=list(map(present_appeal, made)),
        snapshot=present_cases.snapshot(orjson.loads(case["snapshot"]), url_of),
        reports=[present_cases.report(report, url_of) for report in reports],
        earlier=list(map(present_cases.summary, earlier)),
    )


@methods.rpc("case.history", limit=None, shed="read", role="moderator")
async def list_acts(call: Call, request: ListCaseActs, tx: Transaction) -> CaseActPage:
    """The acts of a case, newest first."""
    row = await _load(tx, request.case_id)
    limit = request.limit or DEFAULT_LIMIT
    start = page_start(call, request.case_id, request.cursor)
    acts = await cases.load_history(tx, row["found"]["id"], start, limit)
    await _note_view(call, tx, row)
    url_of = await _file_urls(call, tx, row["found"]["id"])
    return CaseActPage(
        items=[present_cases.act(act, url_of) for act in acts],
        next_cursor=cursor_after(call, request.case_id, [act["id"] for act in acts], limit),
    )


@methods.rpc("case.claim", role="moderator")
async def claim_case(call: Call, request: CaseRef, tx: Transaction) -> CaseSummary:
    """Claim a case for 10 minutes, or renew the claim. Colleagues see the claim."""
    _check(await cases.claim(tx, int(request.case_id)))
    return present_cases.summary(await _load(tx, request.case_id))


@methods.rpc("case.release", role="moderator")
async def release_case(call: Call, request: CaseRef, tx: Transaction) -> Nothing:
    """Release a claim. Repeating it changes nothing."""
    if not await cases.release(tx, int(request.case_id)):
        raise errors.not_found("case")
    return Nothing()


@methods.rpc("case.decide", role="moderator")
async def decide_case(call: Call, request: DecideCase, tx: Transaction) -> DecidedCase:
    """Decide a case, and notify its user and reporters. If two moderators decide at once, one gets ABORTED."""
    case = (await _load(tx, request.case_id))["found"]
    if case["status"] == "decided":
        _check("decided")
    draft = decisions.DecisionDraft(
        target_type=case["target_type"],
        target_id=case["target_id"],
        target_seq=case["target_seq"],
        action=request.action,
        reason=request.reason or case["reason"],
        labels=request.labels or (),
        until=request.until,
        note=request.note or "",
        case_id=case["id"],
    )
    # First the decision, then the case: `close_case` says why.
    decision = await decisions.decide(tx, draft, ip=call.address, user_agent=call.user_agent)
    details = ActOfDeciding(
        decision_id=str(decision["id"]),
        action=decision["action"],
        reason=decision["reason"],
        labels=decision["labels"],
        until=optional_time(decision["until"]),
    )
    _check(await cases.close(tx, case["id"], request.action, request.note or "", details))
    return DecidedCase(present_cases.summary(await _load(tx, request.case_id)), details.decision_id)


@methods.rpc("case.note", role="moderator")
async def note_case(call: Call, request: NoteCase, tx: Transaction) -> Nothing:
    """Add a note for colleagues to the history."""
    if not await cases.note(tx, int(request.case_id), request.text):
        raise errors.not_found("case")
    return Nothing()


@methods.rpc("case.watch", limit=None, shed="read", role="moderator")
async def watch_cases(call: Call, request: NoArguments, tx: Transaction) -> Nothing:
    """Get pushes about cases that are opened, claimed, released and decided, until `case.unwatch`."""
    recorded = await call.socket.watch({QUEUE: 0})
    try:
        await recorded
    except BaseException:
        await call.socket.unwatch(QUEUE)
        raise
    return Nothing()


@methods.rpc("case.unwatch", limit=None, shed="read")
async def unwatch_cases(call: Call, request: NoArguments) -> Nothing:
    """Stop watching. Repeating it changes nothing."""
    await call.socket.unwatch(QUEUE)
    return Nothing()


async def _load(tx: Transaction, case_id: str) -> ShownCase:
    rows = await cases.load(tx, [int(case_id)])
    if not rows:
        raise errors.not_found("case")
    return rows[0]


async def _file_urls(call: Call, tx: Transaction, case_id: int) -> FileUrl:
    return present_cases.file_urls(await cases.load_objects(tx, case_id), call.services.object_urls.read_url)


def _check(verdict: str) -> None:
    """Raises for the verdicts of functions that refuse to change a case."""
    match verdict:
        case "missing":
            raise errors.not_found("case")
        case "decided":
            raise CallError("ABORTED", "a colleague has decided it: load it again")
        case "taken":
            raise errors.failed_precondition("a colleague has claimed it")
        case "barred":
            raise errors.permission_denied("the case is about you or your decision: another moderator must decide it")
        case "admins":
            raise errors.permission_denied("only admins can decide about moderators")
        case "full":
            raise errors.failed_precondition("a moderator can claim at most 20 cases at once")


async def _note_view(call: Call, tx: Transaction, row: ShownCase, *, with_evidence: bool = False) -> None:
    """Evidence may be private whatever the target is."""
    case = row["found"]
    if case["is_private"] or with_evidence:
        of_case = {"method": call.method, "owner_id": str(case["owner_id"])}
        await audit_call(call, tx, call.viewer.id, "case.view", f"case:{case['id']}", **of_case)


def _place(opened: str | None) -> tuple[int, int]:
    if opened is None:
        return BEFORE_ALL
    rank, case_id = opened.split()
    return int(rank), int(case_id)
