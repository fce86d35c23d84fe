"""The caller's place in a live room, which every act in it begins with, and what every act leaves behind."""

import msgspec

from domain import room_rules
from handlers.call import Call
from protocol import errors
from protocol.events import RoomChangedEvent
from protocol.live_rooms import Role
from storage import audit, live_rooms
from storage.database import Row, Transaction

REFUSALS = {
    "full": "the room is full",
    "banned": "banned from the room",
    "kicked": "sent out of the room",
    "ended": "the room is ended",
}


async def standing(call: Call, tx: Transaction, room_id: str) -> Row:
    """The room and the caller's place in it. Raises NOT_FOUND, and PERMISSION_DENIED for the banned."""
    row = await live_rooms.standing(tx, int(room_id), call.viewer.id)
    if row is None:
        raise errors.not_found("room")
    if row["is_banned"]:
        raise errors.permission_denied(REFUSALS["banned"])
    return row


async def locked(call: Call, tx: Transaction, room_id: str) -> Row:
    """The same of a room that nobody else changes until the act is done."""
    # What holds is read once the lock is: somebody may have been made a listener while this waited.
    await live_rooms.lock(tx, int(room_id))
    return await standing(call, tx, room_id)


def allow(action: room_rules.Action, room: Row, target: Role | None = None) -> None:
    """Raises what `room_rules.check` does."""
    room_rules.check(action, room["state"], room["role"], target)


def check_version(room: Row, version: int | None) -> None:
    """Raises ABORTED where the room is not at the version that the caller has seen."""
    if version is not None and room["version"] != version:
        raise errors.stale_version()


def is_repetition(room: Row, version: int | None) -> bool:
    """Whether the call may have been made before: the version is the one before the room's.

    Where the room is as the call asks for, its first answer was lost.
    """
    return version is not None and room["version"] == version + 1


async def changed(call: Call, tx: Transaction, room_id: int, change: str, user_id: int = 0) -> None:
    event = msgspec.convert(
        {"room_id": room_id, "actor_id": call.viewer.id, "user_id": user_id, "change": change}, RoomChangedEvent
    )
    await call.services.outbox.add(tx, event)


async def note(call: Call, tx: Transaction, action: str, room_id: int, **changes: object) -> None:
    """One audit row for each act of moderation."""
    await audit.add(
        tx,
        id=call.services.ids.mint(),
        actor_id=call.viewer.id,
        action=action,
        resource=f"room:{room_id}",
        ip=call.address,
        user_agent=call.user_agent,
        **changes,
    )
