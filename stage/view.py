"""A room as clients see it: its row in PostgreSQL, and its roster."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from channels.broadcaster import Broadcaster
from protocol.live_rooms import Participant, Room, RoomUpdated
from protocol.timestamps import to_wire
from stage.room_channel import LIVE_ROOM
from stage.roster import Look, Roster
from storage import live_rooms, present
from storage.database import Database
from storage.live_rooms import RoomRow, RoomUserRow

TRIES = 5


def shown(row: RoomRow, look: Look, users: Mapping[int, RoomUserRow]) -> Room:
    """users: those on the stage and of hands whom the viewer may see, as `live_rooms.room_users` loads them."""
    stage = [user_id for user_id in _in_order(look) if user_id in users]
    return Room(
        id=str(row["id"]),
        topic=row["topic"],
        host=present.user_lite(row, row["host_id"]),
        state=row["state"],
        visibility=row["visibility"],
        capacity=row["capacity"],
        slow_mode_s=row["slow_mode_s"],
        starts_at=present.optional_time(row["starts_at"]),
        started_at=present.optional_time(row["started_at"]),
        ended_at=present.optional_time(row["ended_at"]),
        audience_count=look.inside,
        speakers=[present.user_lite(users[user_id], user_id) for user_id in stage],
        cohost_ids=[str(user_id) for user_id in stage if look.stage[user_id] == "cohost"],
        muted_ids=[str(user_id) for user_id in stage if users[user_id]["is_muted"]],
        hands=[present.user_lite(users[user_id], user_id) for user_id in look.hands if user_id in users],
        version=row["version"],
        is_recorded=row["is_recorded"],
        labels=row["labels"],
    )


def participants(user_ids: Sequence[int], look: Look, users: Mapping[int, RoomUserRow]) -> list[Participant]:
    """The users among these whom the viewer may see, in that order."""
    return [
        Participant(
            user=present.user_lite(users[user_id], user_id),
            role=users[user_id]["role"],
            hand_raised_at=_time(look.hands.get(user_id)),
            muted=users[user_id]["is_muted"],
        )
        for user_id in user_ids
        if user_id in users
    ]


def named(look: Look) -> list[int]:
    """All users who are shown with the room."""
    return [*look.stage, *look.hands]


def _in_order(look: Look) -> list[int]:
    ranks = {"host": 0, "cohost": 1, "speaker": 2}
    return sorted(look.stage, key=lambda user_id: (ranks[look.stage[user_id]], user_id))


async def for_all(database: Database, roster: Roster, room_id: int) -> tuple[Room, Look] | None:
    """The room as everybody inside may see it. Raises DatabaseUnavailable, RedisError."""
    async with database.transaction() as tx:
        row = await live_rooms.load_for_all(tx, room_id)
        if row is None:
            return None
        look = await roster.look(room_id)  # after the row, so that the newer of two snapshots is newer in both
        users = await live_rooms.room_users(tx, room_id, named(look))
    return shown(row, look, users), look


async def publish(database: Database, roster: Roster, broadcaster: Broadcaster, room_id: int, cause: str) -> None:
    """Push a snapshot of a live room, once for the cause. If another node has pushed a newer one, take a new snapshot.

    Nothing is pushed while users are inside who may not see the host: it is pushed once they have left.
    """
    for _ in range(TRIES):
        found = await for_all(database, roster, room_id)
        if found is None or found[0].state != "live":
            return
        room, look = found
        if look.host_id is not None and look.host_id != int(room.host.id):
            return
        push = RoomUpdated(id=f"room.updated:{room_id}:{cause}", room=room)
        order = f"{room.version:010}{look.offset}"
        if await broadcaster.publish(LIVE_ROOM.channel(room_id), push, order=order):
            return


def _time(clock: int | None) -> str | None:
    return None if clock is None else to_wire(datetime.fromtimestamp(clock / 1_000_000, UTC))
