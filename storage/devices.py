"""Devices that are notified while their user is offline: phones, browsers, the account's e-mail."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, cast

from protocol.devices import DeviceKind
from storage.database import Transaction


class OwnDeviceRow(TypedDict):
    id: int
    kind: DeviceKind
    session_id: int | None
    created_at: datetime


class DeviceRow(TypedDict):
    """A device that workers send to."""

    id: int
    user_id: int
    kind: DeviceKind
    token: str
    locale: str


_COLUMNS = ", ".join(OwnDeviceRow.__annotations__)


async def register(
    tx: Transaction, *, id: int, user_id: int, session_id: int | None, kind: DeviceKind, token: str
) -> OwnDeviceRow | None:
    """Give the device to the viewer and the session (None for e-mail). Returns None if the session has ended.

    The device leaves the user and the session that had it before, and the session loses another one of that kind. A
    user keeps 20 devices.
    """
    row = await tx.fetchrow(
        f"""INSERT INTO push_devices (id, user_id, session_id, kind, token) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (kind, token) DO UPDATE SET session_id = excluded.session_id, registered_at = now()
        RETURNING {_COLUMNS}""",
        id,
        user_id,
        session_id,
        kind,
        token,
    )
    return cast("OwnDeviceRow | None", row)


async def unregister(tx: Transaction, kind: DeviceKind, token: str) -> None:
    """Remove the viewer's device, if there is one."""
    await tx.execute("DELETE FROM push_devices WHERE kind = $1 AND token = $2", kind, token)


async def load(tx: Transaction, user_id: int) -> list[OwnDeviceRow]:
    """The viewer's devices, newest first: at most 20."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM push_devices WHERE user_id = $1 ORDER BY id DESC", user_id)
    return cast("list[OwnDeviceRow]", rows)


async def of_users(tx: Transaction, user_ids: Sequence[int]) -> list[DeviceRow]:
    """The devices that may be sent to now. For workers."""
    return cast("list[DeviceRow]", await tx.fetch("SELECT * FROM push_devices_of($1)", user_ids))


async def remove_dead(tx: Transaction, device_id: int, since: float | None) -> None:
    """Remove the device, unless it was registered again after it died (seconds since 1970). For workers."""
    await tx.execute(
        "DELETE FROM push_devices WHERE id = $1 AND ($2::float8 IS NULL OR registered_at <= to_timestamp($2))",
        device_id,
        since,
    )
