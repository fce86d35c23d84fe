"""Keys of services: admins make them for some methods, and revoke them."""

from domain import api_keys as keys
from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from handlers.sessions import revoke_sockets
from protocol import errors
from protocol.api_keys import ApiKey, ApiKeyList, ApiKeyRef, CreatedKey, CreateKey, ListKeys
from protocol.rpc import Nothing, methods
from protocol.timestamps import to_wire
from storage import api_keys
from storage.api_keys import ApiKeyRow
from storage.database import Transaction

_NEVER = ("auth", "session", "account", "key")  # a key must not become more than it is


@methods.rpc("key.create", role="admin", by_session=True)
async def create_key(call: Call, request: CreateKey, tx: Transaction) -> CreatedKey:
    """Create a key that acts as the caller, only for these methods. Only this answer contains the key."""
    for index, name in enumerate(request.methods):
        if methods.get(name) is None or name.partition(".")[0] in _NEVER:
            raise errors.invalid(f"methods[{index}]", "is not a method that keys may call")
    key, prefix = keys.mint()
    key_id = call.services.ids.mint()
    expires_at = await api_keys.create(
        tx,
        key_id=key_id,
        session_id=call.services.ids.mint(),
        name=request.name,
        prefix=prefix,
        key_hash=keys.digest(key),
        methods=sorted({*request.methods}),
        days=request.days,
    )
    if expires_at is None:
        raise errors.permission_denied("only for users with the role admin")
    await audit_call(call, tx, call.viewer.id, "key.create", f"key:{key_id}", methods=" ".join(request.methods))
    return CreatedKey(str(key_id), key, to_wire(expires_at))


@methods.rpc("key.list", role="admin", reads=True, by_session=True)
async def list_keys(call: Call, request: ListKeys, tx: Transaction) -> ApiKeyList:
    """The keys of all admins, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await api_keys.page(tx, page_start(call, "", request.cursor), limit)
    cursor = cursor_after(call, "", [row["id"] for row in rows], limit)
    return ApiKeyList([_present(row) for row in rows], cursor)


@methods.rpc("key.revoke", role="admin", limit=None, by_session=True)
async def revoke_key(call: Call, request: ApiKeyRef, tx: Transaction) -> Nothing:
    """End a key at once, and close its sockets. Repeating it changes nothing."""
    key_id = int(request.key_id)
    revoked = await api_keys.revoke(tx, key_id)
    if revoked is None:
        raise errors.not_found("key")
    session_id, is_new = revoked
    if is_new:
        await audit_call(call, tx, call.viewer.id, "key.revoke", f"key:{key_id}")
        call.after_reply(lambda: revoke_sockets(call, [session_id], "revoked"))
    return Nothing()


def _present(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=str(row["id"]),
        name=row["name"],
        prefix=row["prefix"],
        methods=row["methods"],
        username=row["username"],
        created_at=to_wire(row["created_at"]),
        expires_at=to_wire(row["expires_at"]),
        last_used_at=to_wire(row["last_used_at"]) if row["last_used_at"] else None,
        revoked_at=to_wire(row["revoked_at"]) if row["revoked_at"] else None,
    )
