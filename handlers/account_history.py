"""The history of the caller's account, the state of its credentials, and its username."""

import ipaddress

from domain import reserved_names
from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from handlers.screening import screen, settle
from protocol import errors
from protocol.account_history import AccountHistory, ChangeUsername, CredentialState, HistoryItem, ListHistory
from protocol.rpc import NoArguments, Nothing, methods
from protocol.timestamps import to_wire
from storage import account_history, account_notices, usernames
from storage.database import Transaction
from storage.limits import is_loopback


@methods.rpc("auth.history", reads=True, by_session=True)
async def list_history(call: Call, request: ListHistory, tx: Transaction) -> AccountHistory:
    """Sign-ins to the caller's account, failures and changes of the last 90 days, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await account_history.page(tx, page_start(call, "", request.cursor), limit)
    items = [
        HistoryItem(
            id=str(row["id"]),
            action=row["action"],
            device=row["device_name"],
            network=_network(row["ip"]),
            at=to_wire(row["at"]),
            current=row["session_id"] == call.viewer.session_id,
        )
        for row in rows
    ]
    return AccountHistory(items, cursor_after(call, "", [row["id"] for row in rows], limit))


@methods.rpc("auth.status", reads=True, by_session=True)
async def show_credentials(call: Call, request: NoArguments, tx: Transaction) -> CredentialState:
    """The address of the caller's account, and how the account is protected."""
    row = await account_history.credentials(tx)
    if row is None:
        raise errors.not_found("account")
    changes_at = row["username_changes_at"]
    return CredentialState(
        email=row["email"],
        email_verified=row["email_verified"],
        second_factor=row["second_factor"],
        recovery_codes_left=row["recovery_codes_left"],
        username_changes_at=to_wire(changes_at) if changes_at and changes_at > call.services.now() else None,
    )


@methods.rpc("auth.change_username", by_session=True)
async def change_username(call: Call, request: ChangeUsername, tx: Transaction) -> Nothing:
    """Take another username, once in 14 days. The former one is reserved for the caller for 30 days."""
    if reserved_names.is_reserved(request.username):
        raise errors.already_exists("username", "is reserved")
    name = [("username", request.username)]
    verdict = await screen(call, tx, "profile", call.services.ids.mint(), name, is_edit=True)
    match await usernames.change(tx, request.username):
        case None:
            raise errors.unauthenticated()
        case "taken":
            raise errors.already_exists("username", "is taken")
        case "too soon":
            row = await account_history.credentials(tx)
            assert row is not None
            assert row["username_changes_at"] is not None
            changes_at = to_wire(row["username_changes_at"])
            raise errors.failed_precondition(f"the username can be changed again at {changes_at}")
        case "changed":
            await audit_call(call, tx, call.viewer.id, "auth.change_username", f"user:{call.viewer.id}")
            await account_notices.add(tx, "username_changed", request.username)
            await settle(call, tx, verdict, "user", call.viewer.id)
    return Nothing()


def _network(ip: str | None) -> str | None:
    """The network of the address: three parts of four, or the first 48 bits."""
    if ip is None or is_loopback(ip):
        return None
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
