"""Reset a forgotten password by a code that is sent to the account's address.

Both calls do the same work for an address without an account. A reset opens no session: the user signs in with the new
password, and with the second factor if the account has one.
"""

from domain import passwords
from handlers import code_limits
from handlers.auditing import audit_call
from handlers.call import Call
from handlers.sessions import announce_end, revoke_sockets
from protocol import errors
from protocol.email_codes import RequestPasswordReset, ResetPassword
from protocol.rpc import Nothing, methods
from storage import account_notices, accounts, one_time_codes
from storage.one_time_codes import Tried, subject_of

NO_SESSION = 0


@methods.rpc("auth.request_password_reset", anonymous=True, counts=code_limits.SENDING, shed="vital")
async def request_password_reset(call: Call, request: RequestPasswordReset) -> Nothing:
    """Send a code to the address, if an account has it. A new code ends the last one."""
    await code_limits.count(call, code_limits.SENDING, f"email:{subject_of(request.email)}")
    async with call.services.database.transaction(budget=call.budget) as tx:
        await one_time_codes.begin_reset(tx, call.services.ids.mint(), request.email)
    return Nothing()


@methods.rpc("auth.reset_password", anonymous=True, counts=code_limits.TRYING, shed="vital")
async def reset_password(call: Call, request: ResetPassword) -> Nothing:
    """Set a new password by the code, and end all sessions. Repeating it changes nothing."""
    passwords.check_new("new_password", request.new_password)
    subject = subject_of(request.email)
    await code_limits.count(call, code_limits.TRYING, f"email:{subject}")
    async with call.services.database.transaction(budget=call.budget) as tx:
        tried = await one_time_codes.attempt(tx, "reset_password", subject)
    user_id = _owner_of(call, tried, request.code)
    if tried is None or user_id is None:
        owner_id = tried and tried.user_id
        async with call.services.database.transaction(budget=call.budget) as tx:
            await audit_call(call, tx, owner_id, "auth.reset_failed", f"user:{owner_id or 'unknown'}")
        raise _wrong_code()
    if tried.is_used:
        return await _repeat(call, request, user_id)
    new_hash = await call.services.passwords.hash(request.new_password)
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        # If two resets use one code, the first one wins.
        if not await one_time_codes.use(tx, tried.code_id):
            raise _wrong_code()
        await accounts.set_password(tx, user_id, new_hash)
        ended = await accounts.revoke_other_sessions(tx, user_id, NO_SESSION, "password_changed")
        await audit_call(call, tx, user_id, "auth.reset_password", f"user:{user_id}", ended_sessions=len(ended))
        await announce_end(call, tx, user_id, ended, "password_changed")
        await account_notices.add(tx, "password_changed")
    call.after_reply(lambda: revoke_sockets(call, ended, "password_changed"))
    return Nothing()


def _owner_of(call: Call, tried: Tried | None, code: str) -> int | None:
    """The user whose code it is; None if it is wrong. It always compares, so that it takes the same time."""
    is_right = call.services.codes.is_right(tried.code_id if tried else 0, code)
    return tried.user_id if tried and is_right else None


async def _repeat(call: Call, request: ResetPassword, user_id: int) -> Nothing:
    """Answer a client that lost the answer to its reset: the password is then the new one already."""
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        present_hash = await accounts.password_hash(tx, user_id)
    if not await call.services.passwords.verify(request.new_password, present_hash):
        raise _wrong_code()
    return Nothing()


def _wrong_code() -> errors.CallError:
    return errors.invalid("code", "is wrong, used or too old")
