"""The caller's standing in a room, versions, events and audit rows, shared by all handlers of live rooms."""

from typing import TypeVar

import msgspec

from domain import room_rules
from handlers.auditing import audit_call
from handlers.call import Call
from protocol import errors
from protocol.events import RoomChangedEvent
from protocol.live_rooms import Role
from storage import live_rooms
from storage.database import Transaction
from storage.live_rooms import StandingRow
from storage.room_entries import EntrantRow

S = TypeVar("S", StandingRow, EntrantRow)

REFUSALS = {
    "full": "the room is full",
    "banned": "you are banned from the room",
    "kicked": "you were removed from the room",
    "ended": "the room has ended",
}


async def standing(call: Call, tx: Transaction, room_id: str) -> StandingRow:
    """The room with the caller's role, mute and ban in it. Raises NOT_FOUND; PERMISSION_DENIED for a banned caller."""
    return admitted(await live_rooms.standing(tx, int(room_id), call.viewer.id))


def admitted(standing: S | None) -> S:
    """The standing of a user who sees the room and is not banned. Raises NOT_FOUND, PERMISSION_DENIED."""
    if standing is None:
        raise errors.not_found("room")
    if standing["is_banned"]:
        raise errors.permission_denied(REFUSALS["banned"])
    return standing


async def locked(call: Call, tx: Transaction, room_id: str) -> StandingRow:
    """The same, with the room locked until the transaction ends."""
    # Read after locking: the caller's role may have changed while this waited for the lock.
    await live_rooms.lock(tx, int(room_id))
    return await standing(call, tx, room_id)


def allow(action: room_rules.Action, room: StandingRow, target: Role | None = None) -> None:
    """Raises what `room_rules.check` does."""
    room_rules.check(action, room["state"], room["role"], target)


def check_version(room: StandingRow, version: int | None) -> None:
    """Raises ABORTED if the room is no longer at the version that the caller has seen."""
    if version is not None and room["version"] != version:
        raise errors.stale_version()


def is_repetition(room: StandingRow, version: int | None) -> bool:
    """Whether this call may be a repetition: the room is one version ahead of the caller's.

    If the room then is already as the call wants it, the first answer was lost.
    """
    return version is not None and room["version"] == version + 1


async def changed(call: Call, tx: Transaction, room_id: int, change: str, user_id: int = 0) -> None:
    event = msgspec.convert(
        {"room_id": room_id, "actor_id": call.viewer.id, "user_id": user_id, "change": change}, RoomChangedEvent
    )
    await call.services.outbox.add(tx, event)


async def note(call: Call, tx: Transaction, action: str, room_id: int, **changes: object) -> None:
    """Add an audit row for an act of moderation."""
    await audit_call(call, tx, call.viewer.id, action, f"room:{room_id}", **changes)
