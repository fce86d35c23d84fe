"""Verification of creators: a user sends documents, a moderator decides. Each view of documents is audited."""

from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.limits import Limit
from protocol.rpc import methods
from protocol.timestamps import to_wire
from protocol.verifications import (
    DecidedVerification,
    DecideVerification,
    ListVerifications,
    RequestVerification,
    Verification,
    VerificationDocuments,
    VerificationRef,
    WaitingVerification,
    WaitingVerificationPage,
)
from storage import present, users, verifications
from storage.database import Transaction


@methods.rpc("account.verification", limit=Limit("verification", "10/day", "account.verification by user"))
async def request_verification(call: Call, request: RequestVerification, tx: Transaction) -> Verification:
    """Request verification as a creator, by documents; without them, return the state. Only one request can wait."""
    if request.documents is not None:
        before = await verifications.own(tx)
        if before is None or before.status == "refused":
            await _request(call, tx, [int(each) for each in request.documents])
    found = await verifications.own(tx)
    if found is None:
        return Verification("none", "", None)
    return Verification(found.status, found.reason, to_wire(found.requested_at))


async def _request(call: Call, tx: Transaction, media_ids: list[int]) -> None:
    verification_id = call.services.ids.mint()
    try:
        used = await verifications.request(tx, verification_id, media_ids)
    except LookupError:
        raise errors.failed_precondition("a request is waiting already") from None
    if used is None:
        raise errors.failed_precondition("the account is verified")
    if used < len(media_ids):
        raise errors.invalid("documents", "are not ready images of yours that are not used yet")
    await audit_call(call, tx, call.viewer.id, "verification.request", f"verification:{verification_id}")


@methods.rpc("verification.list", reads=True, role="moderator")
async def list_verifications(call: Call, request: ListVerifications, tx: Transaction) -> WaitingVerificationPage:
    """Users who wait to be verified, the oldest request first."""
    limit = request.limit or DEFAULT_LIMIT
    above = page_start(call, "", request.cursor, first=0)
    rows = await verifications.queue(tx, above, limit)
    shown = await users.load_lite(tx, [row.user_id for row in rows])
    items = [
        WaitingVerification(str(row.id), present.user_lite(shown[row.user_id], row.user_id), to_wire(row.requested_at))
        for row in rows
        if row.user_id in shown
    ]
    return WaitingVerificationPage(items, cursor_after(call, "", [row.id for row in rows], limit))


@methods.rpc("verification.documents", role="moderator")
async def show_documents(call: Call, request: VerificationRef, tx: Transaction) -> VerificationDocuments:
    """The documents of a request that waits. Each view is in the audit trail."""
    verification_id = int(request.verification_id)
    rows = await verifications.documents(tx, verification_id)
    if not rows:
        raise errors.not_found("verification")
    await audit_call(call, tx, call.viewer.id, "verification.view", f"verification:{verification_id}")
    return VerificationDocuments(call.services.media.shown_to(None)(rows))


@methods.rpc("verification.decide", role="moderator")
async def decide_verification(call: Call, request: DecideVerification, tx: Transaction) -> DecidedVerification:
    """Approve or refuse a request: the user is notified, and the documents are deleted. The first decision counts."""
    verification_id = int(request.verification_id)
    status, is_new = await verifications.decide(tx, verification_id, request.decision, request.reason)
    if status is None:
        raise errors.not_found("verification")
    if is_new:
        resource = f"verification:{verification_id}"
        await audit_call(call, tx, call.viewer.id, f"verification.{status}", resource)
    return DecidedVerification(status)
