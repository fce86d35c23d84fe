"""Succession: a live room whose host has left gets a new one."""

from domain import room_rules
from protocol.events import RoomChangedEvent
from stage.roster import Roster
from storage import live_rooms
from storage.database import Transaction
from storage.outbox import Outbox


async def replace_host(tx: Transaction, roster: Roster, outbox: Outbox, room_id: int, host_id: int) -> int | None:
    """Make the oldest cohost inside host, else the oldest speaker inside. Returns the new host.

    Returns None if nobody can be host, or the host is inside after all. The caller has locked the room. Raises
    RedisError.
    """
    stage = await live_rooms.stage_roles(tx, room_id)
    inside = await roster.are_inside(room_id, [host_id, *(user_id for user_id, _ in stage)])
    if host_id in inside:
        return None
    heir_id = room_rules.successor([pair for pair in stage if pair[0] in inside])
    if heir_id is not None:
        await live_rooms.transfer_host(tx, room_id, host_id, heir_id)
        await outbox.add(tx, RoomChangedEvent(room_id=room_id, actor_id=host_id, user_id=heir_id, change="host"))
    return heir_id
