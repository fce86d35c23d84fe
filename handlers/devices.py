"""Devices that are notified by push or e-mail while their user is offline."""

from handlers.call import Call
from protocol import errors
from protocol.devices import DeviceRef, PushDevice, PushDeviceList
from protocol.rpc import NoArguments, Nothing, methods
from protocol.timestamps import to_wire
from senders.tokens import stored_token
from storage import accounts, devices
from storage.database import Transaction
from storage.devices import OwnDeviceRow


@methods.rpc("push.register")
async def register_device(call: Call, request: DeviceRef, tx: Transaction) -> PushDevice:
    """Notify the caller on this device until the session ends, or by e-mail.

    A device leaves the user who registered it before. A user keeps the 20 devices that were registered last.
    """
    token = await _token(call, tx, request)
    row = await devices.register(
        tx,
        id=call.services.ids.mint(),
        user_id=call.viewer.id,
        session_id=None if request.kind == "email" else call.viewer.session_id,
        kind=request.kind,
        token=token,
    )
    if row is None:
        raise errors.unauthenticated("the session has ended: sign in again")
    return _present(row)


@methods.rpc("push.unregister")
async def unregister_device(call: Call, request: DeviceRef, tx: Transaction) -> Nothing:
    """Stop notifying the caller on this device. Repeating it changes nothing."""
    await devices.unregister(tx, request.kind, await _token(call, tx, request))
    return Nothing()


@methods.rpc("push.list", reads=True)
async def list_devices(call: Call, request: NoArguments, tx: Transaction) -> PushDeviceList:
    """The caller's devices, newest first, and the key that browsers need to subscribe."""
    rows = await devices.load(tx, call.viewer.id)
    return PushDeviceList(items=[_present(row) for row in rows], webpush_key=call.services.webpush_key)


async def _token(call: Call, tx: Transaction, request: DeviceRef) -> str:
    """Return the token as it is stored. Raises INVALID_ARGUMENT, also for another address than the account's."""
    if request.kind != "email":
        return stored_token(request.kind, request.token, call.services.push_hosts)
    address = await accounts.email(tx, call.viewer.id)
    if address is None or accounts.email_key(request.token) != accounts.email_key(address):
        raise errors.invalid("token", "is not the address of your account")
    return address


def _present(row: OwnDeviceRow) -> PushDevice:
    session_id = row["session_id"]
    return PushDevice(
        id=str(row["id"]),
        kind=row["kind"],
        session_id=None if session_id is None else str(session_id),
        created_at=to_wire(row["created_at"]),
    )
