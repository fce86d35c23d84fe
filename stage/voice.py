"""Keeps LiveKit in line with the rooms: only users inside are connected, with the permissions of their roles.

LiveKit checks a token at the connect only. Users who left or lost the right to speak since are removed or muted
here, always by the present state, so that repetitions in any order are harmless.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from itertools import islice

from protocol.voice_tokens import VoiceGrant, voice_grant
from stage.roster import Roster
from stage.voice_server import VoiceServer, own_id
from storage import live_rooms
from storage.database import Database

LOOK_EVERY_S = 5.0
# Nodes restore a roster that was lost with Redis within this time: nobody is removed for a moment's absence.
DOUBT_S = 6.0
AT_ONCE = 5  # each may need a connection to PostgreSQL
PAGE = 500


class Voice:
    """All methods raise DatabaseUnavailable and RedisError."""

    def __init__(self, database: Database, roster: Roster, server: VoiceServer) -> None:
        self._database = database
        self._roster = roster
        self._server = server

    async def settle(self, room_id: int, user_id: int, *, joined_after: int = 0) -> None:
        """Set one user's permissions at once. joined_after: by the roster's clock; one who joined before is removed."""
        grants = await self._grants(room_id, [user_id], joined_after)
        if user_id in grants:
            await self._server.permit(room_id, str(user_id), grants[user_id])
        else:
            await self._server.remove(room_id, str(user_id))

    async def end(self, room_id: int) -> None:
        """Remove everybody from a room that has ended."""
        async with self._database.transaction() as tx:
            has_ended = await live_rooms.has_ended(tx, room_id)
        if has_ended:
            await self._server.delete(room_id)

    async def look_around(self) -> None:
        """Check every room that LiveKit has; of several processes, one checks each room."""
        rooms = await self._server.rooms()
        strangers: list[tuple[int, str]] = []
        for start in range(0, len(rooms), PAGE):
            async with self._database.transaction() as tx:
                states = await live_rooms.states(tx, rooms[start : start + PAGE])
            await _a_few_at_once(self._server.delete(room_id) for room_id, state in states.items() if state == "ended")
            live = [room_id for room_id, state in states.items() if state == "live"]
            await _a_few_at_once(self._look_at(room_id, strangers) for room_id in live)
        if strangers:
            await asyncio.sleep(DOUBT_S)
            await _a_few_at_once(self._remove_stranger(room_id, name) for room_id, name in strangers)

    async def _look_at(self, room_id: int, strangers: list[tuple[int, str]]) -> None:
        """Correct permissions that differ, and collect users who should not be there."""
        if not await self._roster.claim_voice(room_id, LOOK_EVERY_S * 0.9):
            return
        participants = await self._server.participants(room_id)
        ids = [user_id for name in participants if (user_id := own_id(name)) is not None]
        grants = {str(user_id): grant for user_id, grant in (await self._grants(room_id, ids)).items()}
        strangers += [(room_id, name) for name in participants if name not in grants]
        await _a_few_at_once(
            self._server.permit(room_id, name, grant) for name, grant in grants.items() if participants[name] != grant
        )

    async def _remove_stranger(self, room_id: int, name: str) -> None:
        user_id = own_id(name)
        if user_id is None or not await self._grants(room_id, [user_id]):
            await self._server.remove(room_id, name)

    async def _grants(self, room_id: int, user_ids: Sequence[int], joined_after: int = 0) -> dict[int, VoiceGrant]:
        """The permissions of those among them who may be connected."""
        grants: dict[int, VoiceGrant] = {}
        for start in range(0, len(user_ids), PAGE):
            joined = await self._roster.joined(room_id, user_ids[start : start + PAGE])
            inside = [user_id for user_id, clock in joined.items() if clock > joined_after]
            if inside:
                async with self._database.transaction() as tx:
                    rows = await live_rooms.voices(tx, room_id, inside)
                grants |= {row["id"]: voice_grant(row["role"], row["is_muted"]) for row in rows}
        return grants


async def _a_few_at_once(works: Iterable[Awaitable[None]]) -> None:
    waiting = iter(works)
    while some := list(islice(waiting, AT_ONCE)):
        await asyncio.gather(*some)
