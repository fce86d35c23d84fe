"""Turns: the times in which a user was on the stage of a room, for the digest.

The roster knows who is inside, but its answer may be stale when it reaches PostgreSQL. So the roster is asked while a
lock keeps others from beginning or ending turns of the room.
"""

from stage.roster import Roster
from storage import room_turns
from storage.database import Transaction


async def begin(tx: Transaction, roster: Roster, room_id: int, user_id: int) -> None:
    """Begin a turn if the user is inside. Repeating it changes nothing. Raises an error of OUT_OF_REACH."""
    await room_turns.lock(tx, room_id)
    if await roster.are_inside(room_id, [user_id]):
        await room_turns.begin(tx, room_id, user_id)


async def end(tx: Transaction, roster: Roster, room_id: int, user_id: int) -> None:
    """End the turn unless the user is inside. Raises an error of OUT_OF_REACH."""
    await room_turns.lock(tx, room_id)
    if not await roster.are_inside(room_id, [user_id]):
        await room_turns.end(tx, room_id, user_id)
