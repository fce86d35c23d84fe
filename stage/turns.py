"""Turns: when somebody of the stage was in the room, as a digest tells it.

The roster says who is inside, and what it says may be old when the database is told. So both ask it once nobody else
may begin or end a turn of the room.
"""

from stage.roster import Roster
from storage import room_turns
from storage.database import Transaction


async def begin(tx: Transaction, roster: Roster, room_id: int, user_id: int) -> None:
    """If they are inside, and of the stage. Repeating it changes nothing. Raises what is out of reach."""
    await room_turns.lock(tx, room_id)
    if await roster.are_inside(room_id, [user_id]):
        await room_turns.begin(tx, room_id, user_id)


async def end(tx: Transaction, roster: Roster, room_id: int, user_id: int) -> None:
    """Unless they are inside, again or still. Raises what is out of reach."""
    await room_turns.lock(tx, room_id)
    if not await roster.are_inside(room_id, [user_id]):
        await room_turns.end(tx, room_id, user_id)
