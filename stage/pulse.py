"""Pushes the size of the audience, reactions, the stage and raised hands to live rooms, at most once a second.
Rooms of more than 5,000 users get these pushes less often.

Each node whose users changed something asks the roster, which lets one node in each second push the changes.
"""

import asyncio
import secrets
from collections import Counter

import structlog

from channels.broadcaster import Broadcaster
from protocol.live_rooms import RoomAudience
from protocol.room_chat import RoomReacted
from stage import view
from stage.metrics import REACTIONS_DROPPED
from stage.room_channel import LIVE_ROOM
from stage.roster import Roster
from storage.database import Database
from storage.reach import OUT_OF_REACH

PULSE_EVERY_S = 0.5
ROOMS_AT_ONCE = 20  # each may need a connection to PostgreSQL
MOST_PENDING_REACTIONS = 10_000  # kinds of them in a room

log = structlog.get_logger()


class Pulse:
    def __init__(self, roster: Roster, broadcaster: Broadcaster, database: Database) -> None:
        self._roster = roster
        self._broadcaster = broadcaster
        self._database = database
        self._due: set[int] = set()
        self._cut_short: set[int] = set()  # rooms whose last pulse could not be pushed completely
        self._reactions: dict[int, Counter[tuple[str, int]]] = {}  # by room: of emoji and message

    def request(self, room_id: int) -> None:
        """Push the audience and raised hands with the next pulse."""
        self._due.add(room_id)

    def react(self, room_id: int, emoji: str, message_id: int, times: int = 1) -> None:
        reactions = self._reactions.setdefault(room_id, Counter())
        if len(reactions) >= MOST_PENDING_REACTIONS and (emoji, message_id) not in reactions:
            REACTIONS_DROPPED.inc(times)
            return
        reactions[emoji, message_id] += times
        self._due.add(room_id)

    def forget(self, room_id: int) -> None:
        """Forget a room that has ended."""
        self._due.discard(room_id)
        self._cut_short.discard(room_id)
        self._reactions.pop(room_id, None)

    async def keep_pulsing(self) -> None:
        """Pulse the rooms that have changed, every 0.5 s, forever."""
        while True:
            await asyncio.sleep(PULSE_EVERY_S)
            rooms = list(self._due)
            for start in range(0, len(rooms), ROOMS_AT_ONCE):
                await asyncio.gather(*(self._beat(room_id) for room_id in rooms[start : start + ROOMS_AT_ONCE]))

    async def _beat(self, room_id: int) -> None:
        self._due.discard(room_id)
        reactions = self._reactions.pop(room_id, Counter())
        unpublished: dict[str, int] = {}
        try:
            pulse = await self._roster.pulse(room_id, reactions, again=room_id in self._cut_short)
            reactions.clear()  # the roster has them now
            if pulse is None:
                self._due.add(room_id)
                return
            unpublished = pulse.reactions
            room, push_id = LIVE_ROOM.channel(room_id), secrets.token_hex(6)
            if pulse.inside is not None:
                audience = RoomAudience(
                    id=f"room.audience:{room_id}:{push_id}", room_id=str(room_id), count=pulse.inside
                )
                await self._broadcaster.publish(room, audience)
            if pulse.reactions:
                reacted = RoomReacted(
                    id=f"room.reacted:{room_id}:{push_id}", room_id=str(room_id), counts=pulse.reactions
                )
                await self._broadcaster.publish(room, reacted)
                unpublished = {}
            if pulse.restage:
                await view.publish(self._database, self._roster, self._broadcaster, room_id, push_id)
        except OUT_OF_REACH as error:
            log.warning("a pulse could not be pushed", room_id=room_id, error=str(error))
            for (emoji, message_id), times in reactions.items():
                self.react(room_id, emoji, message_id, times)
            for emoji, times in unpublished.items():  # those of messages have been counted already
                self.react(room_id, emoji, 0, times)
            self._due.add(room_id)
            self._cut_short.add(room_id)
        else:
            self._cut_short.discard(room_id)
