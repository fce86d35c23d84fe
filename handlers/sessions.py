"""Sessions: what all ways to sign in and out share, the list of sessions, and ending one."""

from datetime import datetime
from functools import partial

from channels.messages import Revoked
from domain import refresh_tokens
from domain.second_factors import Proof
from handlers.auditing import audit_call
from handlers.call import Call, Viewer
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.auth import Device, ListSessions, RevocationReason, SessionItem, SessionList, SessionRef, SignedIn
from protocol.events import SessionsEndedEvent, SessionStartedEvent
from protocol.rpc import Nothing, methods
from protocol.timestamps import to_wire
from storage import account_notices, accounts, present, users
from storage.database import Transaction


@methods.rpc("session.list", reads=True, by_session=True, shed="vital")
async def list_sessions(call: Call, request: ListSessions, tx: Transaction) -> SessionList:
    """The caller's active sessions, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await accounts.list_sessions(tx, call.viewer.id, page_start(call, "", request.cursor), limit)
    items = [
        SessionItem(
            id=str(row["id"]),
            device=row["device_name"],
            ip=row["ip"],
            created_at=to_wire(row["created_at"]),
            last_seen_at=to_wire(row["last_seen_at"]),
            current=row["id"] == call.viewer.session_id,
        )
        for row in rows
    ]
    cursor = cursor_after(call, "", [row["id"] for row in rows], limit)
    return SessionList(items=items, next_cursor=cursor)


@methods.rpc("session.revoke", limit=None, by_session=True, shed="vital")
async def revoke_session(call: Call, request: SessionRef, tx: Transaction) -> Nothing:
    """Revoke one of the caller's sessions and disconnect its sockets on all nodes. Repeating it changes nothing."""
    session_id = int(request.session_id)
    if not await accounts.revoke_session(tx, session_id, "revoked"):
        if not await accounts.has_session(tx, session_id):
            raise errors.not_found("session")
        return Nothing()
    await announce_end(call, tx, call.viewer.id, [session_id], "revoked")
    await audit_call(call, tx, call.viewer.id, "session.revoke", f"session:{session_id}")
    call.after_reply(lambda: revoke_sockets(call, [session_id], "revoked"))
    return Nothing()


async def open_session(
    call: Call, tx: Transaction, user_id: int, device: Device | None, action: str, *, is_new_device: bool = False
) -> SignedIn:
    """Open a session for the user and sign the socket in to it. A suspended user gets a restricted one.

    Raises UNAUTHENTICATED for a deleted user.
    """
    session_id = call.services.ids.mint()
    now = call.services.now()
    token, family = call.services.refresh_tokens.mint(session_id)
    insert = partial(
        accounts.insert_session,
        tx,
        session_id=session_id,
        user_id=user_id,
        family_hash=refresh_tokens.digest(family),
        refresh_hash=refresh_tokens.digest(token),
        device_name=device.name if device else None,
        fingerprint=device.fingerprint if device else None,
        ip=call.address,
        user_agent=call.user_agent,
        expires_at=now + refresh_tokens.LIFETIME,
    )
    is_restricted = not await insert()
    user = await users.load_one(tx, user_id)
    if user is None or (is_restricted and not await insert(restricted=True)):  # deleted while the password was verified
        raise errors.unauthenticated("email or password is wrong")
    await audit_call(call, tx, user_id, action, f"session:{session_id}")
    if is_new_device:
        await account_notices.add(tx, "new_device", device.name or "" if device else "")
    started = SessionStartedEvent(user_id=user_id, session_id=session_id, is_new_device=is_new_device)
    await call.services.outbox.add(tx, started)
    answer, viewer = signed_in(call, user, session_id, token, now, is_restricted=is_restricted)
    call.sign_in(viewer)
    return answer


def signed_in(
    call: Call, user: users.ProfileRow, session_id: int, refresh_token: str, now: datetime, *, is_restricted: bool
) -> tuple[SignedIn, Viewer]:
    """Return the answer with new tokens, and the viewer to sign the socket in as."""
    access_token, expires_at = call.services.tokens.mint(user["id"], session_id, now, restricted=is_restricted)
    answer = SignedIn(
        user=present.user(user),
        session_id=str(session_id),
        access_token=access_token,
        access_expires_at=to_wire(expires_at),
        refresh_token=refresh_token,
        refresh_expires_at=to_wire(now + refresh_tokens.LIFETIME),
        device_token=call.services.guesses.device_token(user["id"], session_id),
        is_restricted=is_restricted,
    )
    return answer, Viewer(user["id"], session_id, expires_at, is_restricted=is_restricted)


def must_be_anonymous(call: Call) -> None:
    """Raises FAILED_PRECONDITION on a socket that is signed in."""
    if call.signed_in_viewer is not None:
        raise errors.failed_precondition("this socket is signed in already")


async def announce_end(
    call: Call, tx: Transaction, user_id: int, session_ids: list[int], reason: RevocationReason
) -> None:
    """Add the event by which workers close the sockets, in case `revoke_sockets` fails after the commit."""
    event = SessionsEndedEvent(user_id=user_id, session_ids=tuple(session_ids), reason=reason)
    await call.services.outbox.add(tx, event)


async def revoke_sockets(call: Call, session_ids: list[int], reason: RevocationReason) -> None:
    await call.services.broadcaster.revoke(Revoked(session_ids, reason))


async def note_proof(call: Call, tx: Transaction, user_id: int, session_id: int, proof: Proof) -> None:
    """Audit a proof of the second factor, and send the user a mail about a used recovery code."""
    action = "auth.second_factor" if proof.step is not None else "auth.recovery_code"
    await audit_call(call, tx, user_id, action, f"session:{session_id}")
    if proof.step is None:
        await account_notices.add(tx, "recovery_code_used")
