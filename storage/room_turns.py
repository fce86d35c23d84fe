"""Turns: the times when users were in a live room and on its stage."""

from typing import cast

from storage.database import Transaction
from storage.users import LiteRow, lite_columns


class StageTimeRow(LiteRow):
    """A user with the time (s) on the stage."""

    id: int
    seconds: float


async def lock(tx: Transaction, room_id: int) -> None:
    """Lock the turns of the room until the transaction ends. Moderators hold this lock while they change roles."""
    await tx.execute("SELECT lock_turns($1)", room_id)


async def begin(tx: Transaction, room_id: int, user_id: int) -> None:
    """Begin the turn of a user who has a role on the stage. Repeating it changes nothing."""
    await tx.execute("SELECT begin_turn($1, $2)", room_id, user_id)


async def end(tx: Transaction, room_id: int, user_id: int) -> None:
    await tx.execute(
        """UPDATE room_turns SET ended_at = clock_timestamp()
        WHERE room_id = $1 AND user_id = $2 AND ended_at IS NULL""",
        room_id,
        user_id,
    )


async def seconds(tx: Transaction, room_id: int) -> list[StageTimeRow]:
    """All users who were on the stage, longest first."""
    rows = await tx.fetch(
        f"""SELECT u.id, {lite_columns("u")},
            sum(extract(epoch FROM coalesce(t.ended_at, now()) - t.began_at))::float8 AS seconds
        FROM room_turns t JOIN users u ON u.id = t.user_id WHERE t.room_id = $1
        GROUP BY u.id ORDER BY seconds DESC, u.id""",
        room_id,
    )
    return cast("list[StageTimeRow]", rows)
