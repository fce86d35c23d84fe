"""Sign up, sign in, refresh, sign out, change the password."""

from domain import ages, login_challenges, password_guesses, passwords, refresh_tokens, reserved_names
from domain.password_guesses import GuessLimit
from handlers import code_limits
from handlers.auditing import audit_call
from handlers.call import Call
from handlers.own_password import check_session
from handlers.screening import screen, settle
from handlers.sessions import (
    announce_end,
    must_be_anonymous,
    note_proof,
    open_session,
    revoke_sockets,
    signed_in,
)
from protocol import errors
from protocol.auth import (
    ChangePassword,
    Device,
    Login,
    Refresh,
    Register,
    SecondFactorNeeded,
    SignedIn,
)
from protocol.consents import ConsentPurpose
from protocol.limits import Limit
from protocol.rpc import NoArguments, Nothing, methods
from protocol.second_factors import ConfirmLogin
from protocol.timestamps import to_wire
from storage import account_notices, accounts, consents, deletions, one_time_codes, second_factors, users
from storage.database import Transaction
from storage.limits import address_key

NOBODY = 1  # an id that no user has

REGISTER = Limit("register", "3/hour", "auth.register by address, and by device")
REFRESH = Limit("refresh", "10/hour", "auth.refresh by session")
GUESSES = (
    Limit(password_guesses.BY_ACCOUNT, "5/15 minute", "wrong passwords by account and address, or by known device"),
    Limit(password_guesses.BY_ADDRESS, "10/15 minute", "wrong passwords by address, of devices that no account knows"),
)


@methods.rpc("auth.register", anonymous=True, counts=(REGISTER,))
async def register(call: Call, request: Register) -> SignedIn:
    """Open an account and sign this socket in. Repeating it within ten minutes opens another session of it."""
    must_be_anonymous(call)
    age = ages.age_on(call.services.now().date(), request.birth_date) if request.birth_date else ages.ADULT
    ages.check_may_register(age)
    if reserved_names.is_reserved(request.username):
        raise errors.already_exists("username", "is reserved")
    passwords.check_new("password", request.password)
    await call.services.limits.hit_address(REGISTER.name, call.address)
    if request.device and request.device.fingerprint:
        await call.services.limits.hit(REGISTER.name, f"device:{request.device.fingerprint}")
    try:
        return await _open_account(call, request, is_private=age < ages.ADULT)
    except errors.CallError as taken:
        repeated = await _repeat_registration(call, request) if taken.code == "ALREADY_EXISTS" else None
        if repeated is None:
            raise
        return repeated


async def _open_account(call: Call, request: Register, *, is_private: bool) -> SignedIn:
    """Create the account and its first session. Raises ALREADY_EXISTS for a username or email that is taken."""
    password_hash = await call.services.passwords.hash(request.password)
    user_id = call.services.ids.mint()
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        await accounts.insert(
            tx,
            user_id=user_id,
            username=request.username,
            email=request.email,
            password_hash=password_hash,
            birth_date=request.birth_date,
            locale=request.locale,
            is_private=is_private,
        )
        name = [("username", request.username)]
        verdict = await screen(call, tx, "profile", call.services.ids.mint(), name, author_id=user_id)
        await settle(call, tx, verdict, "user", user_id)
        purposes: tuple[ConsentPurpose, ...] = ("terms", "privacy")
        for purpose in purposes:
            await consents.give(tx, call.services.ids.mint(), purpose, call.services.terms_version)
        await one_time_codes.begin_verification(tx, call.services.ids.mint())
        return await open_session(call, tx, user_id, request.device, "auth.register")


async def _repeat_registration(call: Call, request: Register) -> SignedIn | None:
    """Log in a client that lost the answer to its registration. Returns None if the account is not its own."""
    async with call.services.database.transaction(budget=call.budget) as tx:
        if not await accounts.registered_just_now(tx, request.email, request.username):
            return None
    try:
        repeated = Login(email=request.email, password=request.password, device=request.device)
        answer = await login(call, repeated)
    except errors.CallError:
        return None  # any cause: the answer must not reveal that this account is new
    return answer if isinstance(answer, SignedIn) else None


@methods.rpc("auth.login", anonymous=True, counts=GUESSES, shed="vital")
async def login(call: Call, request: Login) -> SignedIn | SecondFactorNeeded:
    """Sign this socket in, or ask for the second factor.

    FAILED_PRECONDITION for an account that will be deleted. A suspended user may call few methods: see `is_restricted`.
    """
    return await sign_in_by_password(call, request)


@methods.rpc("auth.confirm_login", anonymous=True, counts=(code_limits.FACTOR_TRIED,), shed="vital")
async def confirm_login(call: Call, request: ConfirmLogin) -> SignedIn:
    """Sign this socket in, by the challenge of a login and a code of the second factor."""
    must_be_anonymous(call)
    now = call.services.now()
    challenge = call.services.login_challenges.read(request.challenge, now)
    if challenge is None:
        raise errors.unauthenticated("the challenge has expired: sign in again")
    user_id = challenge.user_id
    await call.services.limits.hit(code_limits.FACTOR_TRIED.name, f"{user_id}:{address_key(call.address)}")
    async with call.services.database.transaction(user_id, budget=call.budget) as tx:
        present_hash = await accounts.lock_password_hash(tx, user_id)
        if present_hash is None or login_challenges.digest(present_hash) != challenge.password:
            raise errors.unauthenticated("the password was changed: sign in again")
        proof = await call.services.second_factors.check(tx, user_id, request.code, now)
        if proof is not None:
            answer = await _open(call, tx, user_id, request.device, restores=challenge.restores)
            await second_factors.passed(tx, int(answer.session_id), proof.step, proof.resealed)
            await note_proof(call, tx, user_id, int(answer.session_id), proof)
            return answer
        await audit_call(call, tx, user_id, "auth.second_factor_failed", f"user:{user_id}")
    raise errors.invalid("code", "is wrong, or was used")


async def sign_in_by_password(call: Call, request: Login, *, restores: bool = False) -> SignedIn | SecondFactorNeeded:
    """Open a session for the password. restores: cancel a deletion first; without it, such an account is refused.

    An account with a second factor gets a challenge instead.

    Raises UNAUTHENTICATED, also for an account that does not exist; FAILED_PRECONDITION; RESOURCE_EXHAUSTED.
    """
    must_be_anonymous(call)
    async with call.services.database.transaction(budget=call.budget) as tx:
        account = await accounts.for_login(tx, request.email)
    known_id, known_hash = (account["user_id"], account["password_hash"]) if account else (None, None)
    key = one_time_codes.subject_of(request.email)
    limits, slowed = await _guess_limits(call, request.device, known_id, key)
    async with call.services.guesses.counted(*limits, slowed=slowed) as guess:
        right = await call.services.passwords.verify(request.password, known_hash)
        if known_id is None or known_hash is None or not right:
            guess.is_wrong = True
            async with call.services.database.transaction(budget=call.budget) as tx:
                await audit_call(call, tx, known_id, "auth.login_failed", f"user:{known_id or 'unknown'}")
            raise errors.unauthenticated("email or password is wrong")
        async with call.services.database.transaction(known_id, budget=call.budget) as tx:
            # Verifying takes 0.2 s. If the password was changed in the meantime, the old one must not open a session.
            if not await accounts.password_stands(tx, known_id, known_hash):
                raise errors.unauthenticated("email or password is wrong")
            if await second_factors.is_on(tx):
                now = call.services.now()
                challenge, expires_at = call.services.login_challenges.make(
                    known_id, known_hash, now, restores=restores
                )
                return SecondFactorNeeded(challenge, to_wire(expires_at))
            return await _open(call, tx, known_id, request.device, restores=restores)


async def _open(call: Call, tx: Transaction, user_id: int, device: Device | None, *, restores: bool) -> SignedIn:
    """Open a session for an authenticated user. Raises FAILED_PRECONDITION if the account's state forbids it."""
    action = "account.cancel_delete" if restores and await deletions.cancel(tx) else "auth.login"
    if erase_at := await deletions.due(tx):
        raise errors.being_deleted(to_wire(erase_at))
    is_new_device = not await _is_known(call, tx, user_id, device)
    return await open_session(call, tx, user_id, device, action, is_new_device=is_new_device)


@methods.rpc("auth.refresh", anonymous=True, counts=(REFRESH,), by_session=True, shed="vital")
async def refresh(call: Call, request: Refresh) -> SignedIn:
    """Exchange a refresh token for new tokens. On a socket of the same session, this extends its sign-in."""
    tokens = call.services.refresh_tokens
    session_id, family = tokens.read(request.refresh_token)
    token_hash = refresh_tokens.digest(request.refresh_token)
    async with call.services.database.transaction(budget=call.budget) as tx:
        owner_id = await accounts.session_owner(tx, session_id, refresh_tokens.digest(family))
    if owner_id is None:
        raise errors.unauthenticated("the refresh token is not valid")
    await call.services.limits.hit(REFRESH.name, session_id)
    now = call.services.now()
    async with call.services.database.transaction(owner_id, budget=call.budget) as tx:
        session = await accounts.lock_session(tx, session_id)
        user = await users.load_one(tx, owner_id)
        if session is None or user is None or session["revoked_at"] or session["expires_at"] < now:
            raise errors.unauthenticated("the session has ended: sign in again")
        next_token = tokens.successor(request.refresh_token, session)
        reused = session["refresh_hash"] != token_hash
        if reused and not tokens.is_repetition(request.refresh_token, session, now):
            await audit_call(call, tx, owner_id, "auth.refresh_reused", f"session:{session_id}")
            await accounts.revoke_session(tx, session_id, "reused")
            await announce_end(call, tx, owner_id, [session_id], "reused")
        else:
            if not reused:
                await accounts.rotate_refresh(
                    tx,
                    session_id,
                    used_hash=token_hash,
                    next_hash=refresh_tokens.digest(next_token),
                    expires_at=now + refresh_tokens.LIFETIME,
                )
            await audit_call(call, tx, owner_id, "auth.refresh", f"session:{session_id}")
            is_restricted = await accounts.is_suspended(tx, owner_id)
            answer, viewer = signed_in(call, user, session_id, next_token, now, is_restricted=is_restricted)
            if call.signed_in_viewer is not None and call.signed_in_viewer.session_id == session_id:
                call.sign_in(viewer)
            return answer
    call.after_refusal(lambda: revoke_sockets(call, [session_id], "reused"))
    raise errors.unauthenticated("the refresh token was used before: the session is revoked")


@methods.rpc("auth.logout", limit=None, by_session=True, shed="vital", restricted=True)
async def logout(call: Call, request: NoArguments, tx: Transaction) -> Nothing:
    """Revoke this session and disconnect all its sockets."""
    session_id = call.viewer.session_id
    await accounts.revoke_session(tx, session_id, "logout")
    await announce_end(call, tx, call.viewer.id, [session_id], "logout")
    await audit_call(call, tx, call.viewer.id, "auth.logout", f"session:{session_id}")
    call.disconnect()
    call.after_reply(lambda: revoke_sockets(call, [session_id], "logout"))
    return Nothing()


@methods.rpc("auth.change_password", limit=None, counts=GUESSES[:1], by_session=True, shed="vital")
async def change_password(call: Call, request: ChangePassword) -> Nothing:
    """Set a new password and end all other sessions. Repeating it changes nothing."""
    viewer = call.viewer
    passwords.check_new("new_password", request.new_password)
    # Counted by session: an attacker who guesses in another session must not use up this user's guesses.
    async with call.services.guesses.counted((password_guesses.BY_ACCOUNT, f"session:{viewer.session_id}")) as guess:
        async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
            old_hash = await accounts.password_hash(tx, viewer.id)
        if old_hash is None or not await call.services.passwords.verify(request.old_password, old_hash):
            if await call.services.passwords.verify(request.new_password, old_hash):
                return Nothing()  # a repetition: the first call changed it, and its answer was lost
            guess.is_wrong = True
            raise errors.invalid("old_password", "is wrong")
    new_hash = await call.services.passwords.hash(request.new_password)
    async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
        await check_session(call, tx)
        # If another change, such as a reset, commits while this call verifies and hashes, that one stands.
        if not await accounts.replace_password(tx, viewer.id, old_hash, new_hash):
            raise errors.stale_version()
        ended = await accounts.revoke_other_sessions(tx, viewer.id, viewer.session_id, "password_changed")
        await audit_call(call, tx, viewer.id, "auth.change_password", f"user:{viewer.id}", ended_sessions=len(ended))
        await announce_end(call, tx, viewer.id, ended, "password_changed")
        await account_notices.add(tx, "password_changed")
    call.after_commit(lambda: revoke_sockets(call, ended, "password_changed"))
    call.forget_recovery()
    return Nothing()


async def _is_known(call: Call, tx: Transaction, user_id: int, device: Device | None) -> bool:
    """Whether the device has a token of an earlier session, or the fingerprint of an active one."""
    if device is None:
        return False
    if device.token and call.services.guesses.session_of(user_id, device.token) is not None:
        return True
    return device.fingerprint is not None and await accounts.has_session_with(tx, user_id, device.fingerprint)


async def _guess_limits(
    call: Call, device: Device | None, user_id: int | None, key: str
) -> tuple[list[GuessLimit], str | None]:
    """The limits that a wrong password counts in, and the account that it slows down; None for a known device.

    It does the same work for an account that does not exist, so that its time reveals nothing.
    """
    address = address_key(call.address)
    earlier = call.services.guesses.session_of(user_id or NOBODY, device.token) if device and device.token else None
    if earlier is not None:
        return [(password_guesses.BY_ACCOUNT, f"device:{key}:{earlier}")], None
    if device and device.fingerprint:
        async with call.services.database.transaction(user_id or NOBODY, budget=call.budget) as tx:
            if await accounts.has_session_with(tx, user_id or NOBODY, device.fingerprint):
                return [(password_guesses.BY_ACCOUNT, f"fingerprint:{key}:{device.fingerprint}:{address}")], key
    limits = [(password_guesses.BY_ADDRESS, address)] if call.services.limits.counts_address(call.address) else []
    return [*limits, (password_guesses.BY_ACCOUNT, f"{key}:{address}")], key
