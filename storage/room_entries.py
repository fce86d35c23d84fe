"""Loads the rights and the view of users who enter live rooms, in batches: a crowd costs few queries."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import msgspec

from protocol.live_rooms import Role, RoomState
from storage.batches import Batches
from storage.database import Database
from storage.live_rooms import RoomRow, RoomUserRow
from storage.room_messages import MessageRow
from storage.users import LiteRow

RECENT_MESSAGES = 50

RoomUser = tuple[int, int]  # a room and a user


class EntrantRow(LiteRow):
    """A user and their rights in a room, from the SQL function `room_standings`."""

    room_id: int
    user_id: int
    owner_id: int
    state: RoomState
    capacity: int
    version: int
    role: Role
    is_muted: bool
    is_banned: bool


class Scene(NamedTuple):
    """A room as a user sees it on entering. `messages`: the newest ones, in order of time."""

    room: RoomRow
    users: Mapping[int, RoomUserRow]
    messages: Sequence[MessageRow]


class _Viewer(NamedTuple):
    user_id: int
    users: frozenset[int]


_users = msgspec.json.Decoder(list[RoomUserRow])
_messages = msgspec.json.Decoder(list[MessageRow])


class RoomEntries:
    """All methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings = Batches(self._load_standings)
        self._scenes = Batches(self._load_scenes)

    async def standing(self, room_id: int, user_id: int) -> EntrantRow | None:
        """None if the room is hidden from the user."""
        return await self._standings.answer(None, (room_id, user_id))

    async def scene(self, room_id: int, user_id: int, users: frozenset[int]) -> Scene | None:
        """The room with those users in it, without hidden ones; None if the room is hidden from the user."""
        return await self._scenes.answer(room_id, _Viewer(user_id, users))

    async def _load_standings(self, group: None, asked: Sequence[RoomUser]) -> Mapping[RoomUser, EntrantRow]:
        rows = await self._database.fetch(
            "SELECT * FROM room_standings($1, $2)", [room for room, _ in asked], [user for _, user in asked]
        )
        return {(row["room_id"], row["user_id"]): cast("EntrantRow", row) for row in rows}

    async def _load_scenes(self, room_id: int, viewers: Sequence[_Viewer]) -> Mapping[_Viewer, Scene]:
        rows = await self._database.fetch(
            "SELECT * FROM room_scene($1, $2, $3, $4)",
            room_id,
            [viewer.user_id for viewer in viewers],
            list(frozenset().union(*(viewer.users for viewer in viewers))),
            RECENT_MESSAGES,
        )
        if not rows:
            return {}
        row = rows[0]
        everything = Scene(
            cast("RoomRow", row),
            {each["id"]: each for each in _users.decode(row["people"])},
            _messages.decode(row["messages"]),
        )
        hidden: dict[int, set[int]] = {}
        for user_id, other_id in zip(row["hiding"], row["hidden"], strict=True):
            hidden.setdefault(user_id, set()).add(other_id)
        seen_by = set(row["seen_by"])
        return {
            viewer: _without(everything, hidden[viewer.user_id]) if viewer.user_id in hidden else everything
            for viewer in viewers
            if viewer.user_id in seen_by
        }


def _without(scene: Scene, hidden: set[int]) -> Scene:
    return scene._replace(
        users={user_id: row for user_id, row in scene.users.items() if user_id not in hidden},
        messages=[row for row in scene.messages if row["sender_id"] not in hidden],
    )
