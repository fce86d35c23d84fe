"""The birth date of the caller, on which the protection of minors depends."""

from domain import ages
from handlers.auditing import audit_call
from handlers.call import Call
from protocol import errors
from protocol.birth_dates import BirthDate, CorrectBirthDate
from protocol.events import AccessNarrowedEvent
from protocol.rpc import methods
from storage import accounts, users
from storage.database import Transaction


@methods.rpc("account.correct_birth_date")
async def correct_birth_date(call: Call, request: CorrectBirthDate, tx: Transaction) -> BirthDate:
    """Set the caller's birth date, or correct it, once. The account of a user below 18 becomes private."""
    viewer_id = call.viewer.id
    ages.check_may_register(ages.age_on(call.services.now().date(), request.birth_date))
    await users.hold_privacy(tx, viewer_id)
    before = await users.load_one(tx, viewer_id)
    if not await accounts.correct_birth_date(tx, request.birth_date):
        raise errors.failed_precondition("the birth date was already corrected: contact the support")
    after = await users.load_one(tx, viewer_id)
    if before is None or after is None:
        raise errors.not_found("account")
    is_minor = await accounts.is_minor(tx, viewer_id)
    call.after_commit(lambda: call.services.broadcaster.correct_age(viewer_id, is_minor=is_minor))
    await audit_call(call, tx, viewer_id, "account.birth_date", f"user:{viewer_id}")
    if after["is_private"] and not before["is_private"]:
        await call.services.outbox.add(tx, AccessNarrowedEvent(owner_id=viewer_id, user_ids=()))
        call.after_commit(lambda: call.services.broadcaster.close(viewer_id, "all"))
    return BirthDate(request.birth_date, after["is_private"])
