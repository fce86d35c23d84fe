"""Deleting the caller's account, and cancelling it during the grace period."""

from handlers.auditing import audit_call
from handlers.auth import GUESSES, sign_in_by_password
from handlers.call import Call
from handlers.own_password import check_still_confirmed, confirm_password
from handlers.sessions import announce_end, revoke_sockets
from protocol import errors
from protocol.account_deletion import AccountLeaving, CancelDeletion, DeleteAccount
from protocol.auth import Login, SecondFactorNeeded, SignedIn
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import account_notices, accounts, deletions


@methods.rpc("account.delete", limit=None, counts=GUESSES[:1], by_session=True, shed="vital", restricted=True)
async def delete_account(call: Call, request: DeleteAccount) -> AccountLeaving:
    """Hide the caller's account at once, end all its sessions, and erase it after the grace period.

    Until then, `account.cancel_delete` restores it. A mail to its address says so.
    """
    viewer = call.viewer
    known_hash = await confirm_password(call, request.password)
    async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
        await check_still_confirmed(call, tx, known_hash)
        # Before the status changes, which would end them without telling which they were.
        ended = await accounts.revoke_other_sessions(tx, viewer.id, 0, "revoked")
        erase_at = await deletions.request(tx, call.services.deletion_grace)
        if erase_at is None:
            raise errors.unauthenticated()
        await account_notices.add(tx, "account_leaving", erase_at.date().isoformat())
        await audit_call(call, tx, viewer.id, "account.delete", f"user:{viewer.id}", ended_sessions=len(ended))
        await announce_end(call, tx, viewer.id, ended, "revoked")
    call.disconnect()
    call.after_reply(lambda: revoke_sockets(call, ended, "revoked"))
    return AccountLeaving(to_wire(erase_at))


@methods.rpc("account.cancel_delete", anonymous=True, counts=GUESSES, shed="vital")
async def cancel_deletion(call: Call, request: CancelDeletion) -> SignedIn | SecondFactorNeeded:
    """Restore an account during the grace period, and sign this socket in. If there is none, it only signs in."""
    login = Login(email=request.email, password=request.password, device=request.device)
    return await sign_in_by_password(call, login, restores=True)
