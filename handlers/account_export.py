"""The archive of everything about the caller."""

import secrets

from handlers.auditing import audit_call
from handlers.auth import GUESSES
from handlers.call import Call
from handlers.own_password import check_still_confirmed, confirm_password
from protocol import errors
from protocol.account_export import AccountExport, ExportAccount
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import exports
from storage.export_archives import ARCHIVE
from storage.exports import Export


@methods.rpc("account.export", counts=GUESSES[:1], restricted=True)
async def export_account(call: Call, request: ExportAccount) -> AccountExport:
    """Request an archive of the caller's data, at most one a day. Once it is ready, return its URL.

    `account.exported` announces it. Repeating the call within a day returns the same archive.
    """
    viewer = call.viewer
    known_hash = await confirm_password(call, request.password)
    export_id = call.services.ids.mint()
    object_key = f"exports/{export_id}/{secrets.token_urlsafe(16)}/"
    async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
        await check_still_confirmed(call, tx, known_hash)
        export = await exports.request(tx, export_id, object_key)
        if export is None:
            raise errors.unauthenticated()
        action = "account.export" if export.is_new else "account.export_url"
        await audit_call(call, tx, viewer.id, action, f"export:{export.id}")
    return _present(call, export)


def _present(call: Call, export: Export) -> AccountExport:
    if export.state != "ready" or export.expires_at is None:
        return AccountExport("waiting", to_wire(export.created_at))
    urls = call.services.object_urls
    return AccountExport(
        "ready",
        to_wire(export.created_at),
        size_bytes=export.size_bytes,
        expires_at=to_wire(export.expires_at),
        url=urls.read_url(export.object_key + ARCHIVE),
        url_expires_at=to_wire(urls.reads_expire_at()),
    )
