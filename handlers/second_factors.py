"""Switch the second factor on and off, replace recovery codes, and prove it again in a session."""

from domain import recovery_codes, totp
from domain.second_factors import Proof
from handlers import code_limits
from handlers.auditing import audit_call
from handlers.auth import GUESSES
from handlers.call import Call
from handlers.own_password import check_still_confirmed, confirm_password
from handlers.sessions import note_proof
from protocol import errors
from protocol.rpc import Nothing, methods
from protocol.second_factors import (
    ConfirmTotp,
    DisableTotp,
    EnableTotp,
    ProveSecondFactor,
    RecoveryCodes,
    RenewRecoveryCodes,
    TotpSecret,
)
from storage import account_notices, accounts, second_factors
from storage.database import Transaction


@methods.rpc("auth.enable_totp", limit=None, counts=GUESSES[:1], by_session=True)
async def enable_totp(call: Call, request: EnableTotp) -> TotpSecret:
    """Begin a second factor: a secret for an authenticator app. It protects nothing before `auth.confirm_totp`."""
    known_hash = await confirm_password(call, request.password)
    user_id = call.viewer.id
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        await check_still_confirmed(call, tx, known_hash)
        secret = await call.services.second_factors.begin(tx, user_id)
        name = await accounts.email(tx, user_id) or str(user_id)
    return TotpSecret(secret, totp.uri_of(secret, name))


@methods.rpc("auth.confirm_totp", limit=None, counts=(code_limits.FACTOR_TRIED,), by_session=True)
async def confirm_totp(call: Call, request: ConfirmTotp) -> RecoveryCodes:
    """Switch the second factor on by a code of the app. The answer has ten recovery codes, shown only now."""
    viewer, now = call.viewer, call.services.now()
    await _count_try(call)
    async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
        codes = await call.services.second_factors.confirm(tx, viewer.id, viewer.session_id, request.code, now)
        if codes:
            await _note(call, tx, "totp_enabled")
        else:
            await _audit_wrong_code(call, tx)
    if not codes:
        raise wrong_code()
    return RecoveryCodes(codes)


@methods.rpc("auth.disable_totp", limit=None, counts=(GUESSES[0], code_limits.FACTOR_TRIED), by_session=True)
async def disable_totp(call: Call, request: DisableTotp) -> Nothing:
    """Switch the second factor off, by the password and a code. Does nothing if it is off."""
    known_hash = await confirm_password(call, request.password)
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        await check_still_confirmed(call, tx, known_hash)
        if not await second_factors.is_on(tx):
            return Nothing()
        proof = await _check(call, tx, request.code)
        if proof is not None:
            await second_factors.end(tx)
            await _note(call, tx, "totp_disabled")
    if proof is None:
        raise wrong_code()
    return Nothing()


@methods.rpc("auth.renew_recovery_codes", limit=None, counts=(code_limits.FACTOR_TRIED,), by_session=True)
async def renew_recovery_codes(call: Call, request: RenewRecoveryCodes) -> RecoveryCodes:
    """Replace all recovery codes by ten new ones. Each code of the app is accepted once."""
    codes = recovery_codes.mint()
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        proof = await _check(call, tx, request.code)
        if proof is not None:
            await second_factors.passed(tx, call.viewer.session_id, proof.step, proof.resealed)
            await second_factors.replace_recovery_codes(tx, [recovery_codes.digest(each) for each in codes])
            await audit_call(call, tx, call.viewer.id, "auth.renew_recovery_codes", f"user:{call.viewer.id}")
    if proof is None:
        raise wrong_code()
    return RecoveryCodes(codes)


@methods.rpc("auth.prove_second_factor", limit=None, counts=(code_limits.FACTOR_TRIED,), by_session=True)
async def prove_second_factor(call: Call, request: ProveSecondFactor) -> Nothing:
    """Prove the second factor again in this session: methods for moderators require a recent proof."""
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        is_proved = await prove(call, tx, request.code)
    if not is_proved:
        raise wrong_code()
    return Nothing()


async def prove(call: Call, tx: Transaction, code: str) -> bool:
    """Whether the code proves the caller's second factor; it is then spent. Commit also if it is wrong."""
    proof = await _check(call, tx, code)
    if proof is None:
        return False
    await second_factors.passed(tx, call.viewer.session_id, proof.step, proof.resealed)
    await note_proof(call, tx, call.viewer.id, call.viewer.session_id, proof)
    return True


async def _check(call: Call, tx: Transaction, code: str) -> Proof | None:
    """Check a code of the caller's second factor; a wrong one is counted and audited. Raises RESOURCE_EXHAUSTED."""
    await _count_try(call)
    proof = await call.services.second_factors.check(tx, call.viewer.id, code, call.services.now())
    if proof is None:
        await _audit_wrong_code(call, tx)
    return proof


async def _count_try(call: Call) -> None:
    """Also of recovery codes, which are never blocked. By session, as others must not use up this user's tries."""
    await call.services.limits.hit(code_limits.FACTOR_TRIED.name, f"session:{call.viewer.session_id}")


async def _audit_wrong_code(call: Call, tx: Transaction) -> None:
    await audit_call(call, tx, call.viewer.id, "auth.second_factor_failed", f"session:{call.viewer.session_id}")


async def _note(call: Call, tx: Transaction, kind: account_notices.NoticeKind) -> None:
    await audit_call(call, tx, call.viewer.id, f"auth.{kind}", f"user:{call.viewer.id}")
    await account_notices.add(tx, kind)


def wrong_code() -> errors.CallError:
    return errors.invalid("code", "is wrong, or was used")
