"""The address of an account: verify it, and change it, by codes that are sent to it."""

from handlers import code_limits
from handlers.auditing import audit_call
from handlers.auth import GUESSES
from handlers.call import Call
from handlers.own_password import check_still_confirmed, confirm_password
from handlers.second_factors import prove, wrong_code
from protocol import errors
from protocol.account_mails import CodeKind
from protocol.email_codes import ChangeEmail, ConfirmEmail, VerifyEmail
from protocol.rpc import NoArguments, Nothing, methods
from storage import one_time_codes, second_factors


@methods.rpc("auth.resend_verification", limit=None, counts=code_limits.SENDING, by_session=True)
async def resend_verification(call: Call, request: NoArguments) -> Nothing:
    """Send a new code to the account's address; the last one ends. Does nothing if the address is verified."""
    await code_limits.count(call, code_limits.SENDING, f"user:{call.viewer.id}")
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        await one_time_codes.begin_verification(tx, call.services.ids.mint())
    return Nothing()


@methods.rpc("auth.verify_email", limit=None, counts=code_limits.TRYING, by_session=True)
async def verify_email(call: Call, request: VerifyEmail) -> Nothing:
    """Prove by the code that the user reads the account's address. Repeating it changes nothing."""
    await _use(call, "verify_email", request.code)
    return Nothing()


@methods.rpc(
    "auth.change_email",
    limit=None,
    counts=(*code_limits.SENDING, GUESSES[0], code_limits.FACTOR_TRIED),
    by_session=True,
)
async def change_email(call: Call, request: ChangeEmail) -> Nothing:
    """Send a code to the new address. The answer is the same if another account has it; no code is sent then.

    An account with a second factor also needs a code of that.
    """
    viewer = call.viewer
    known_hash = await confirm_password(call, request.password)
    await code_limits.count(call, code_limits.SENDING, f"user:{viewer.id}")
    async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
        await check_still_confirmed(call, tx, known_hash)
        is_protected = await second_factors.is_on(tx)
        if is_protected and request.code is None:
            raise errors.invalid("code", "is needed: the account has a second factor")
        is_proved = not is_protected or await prove(call, tx, request.code or "")
        if is_proved:
            await one_time_codes.begin_change(tx, call.services.ids.mint(), request.new_email)
    if not is_proved:
        raise wrong_code()
    return Nothing()


@methods.rpc("auth.confirm_email", limit=None, counts=code_limits.TRYING, by_session=True)
async def confirm_email(call: Call, request: ConfirmEmail) -> Nothing:
    """Change the account's address to the one that got the code. The former one gets a mail. Safe to repeat."""
    await _use(call, "change_email", request.code)
    return Nothing()


async def _use(call: Call, kind: CodeKind, code: str) -> None:
    """Use the caller's code. Raises INVALID_ARGUMENT for a wrong one; RESOURCE_EXHAUSTED."""
    user_id = call.viewer.id
    await code_limits.count(call, code_limits.TRYING, f"user:{user_id}")
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        tried = await one_time_codes.attempt(tx, kind)
    if tried is None or not call.services.codes.is_right(tried.code_id, code):
        raise errors.invalid("code", "is wrong or too old")
    if tried.is_used:
        return
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        if not await one_time_codes.use(tx, tried.code_id):
            raise errors.invalid("code", "is wrong or too old")
        action = "auth.verify_email" if kind == "verify_email" else "auth.change_email"
        await audit_call(call, tx, user_id, action, f"user:{user_id}")
