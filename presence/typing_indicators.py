"""Who is typing in a room or under a post: told at once, told again while it goes on, over 6 s after the last word.

Never stored. Repetitions within 3 s are swallowed.
"""

import asyncio
import secrets

from presence.metrics import TYPING
from protocol import errors
from protocol.presence import TypingChanged
from rooms import names
from rooms.background import Background
from rooms.broadcaster import Broadcaster
from rooms.members import Members

ENDS_AFTER_S = 6.0
TELL_AGAIN_AFTER_S = 3.0
MOST_PLACES = 5  # in which one person types at once
LARGE_ROOM = 200  # people of it on this node: nobody could follow


class TypingIndicators:
    def __init__(self, broadcaster: Broadcaster, members: Members) -> None:
        self._broadcaster = broadcaster
        self._members = members
        self._typing: dict[int, dict[str, asyncio.TimerHandle]] = {}
        self._told: set[tuple[int, str]] = set()  # within the last 3 s, also of who has stopped
        self._stopped: set[tuple[int, str]] = set()
        self._background = Background("typing")

    def start(self, user_id: int, room: str) -> None:
        """Raises RESOURCE_EXHAUSTED for who types in too many places at once."""
        if len(self._members.in_room(room)) > LARGE_ROOM:
            return
        places = self._typing.setdefault(user_id, {})
        if room not in places and len(places) >= MOST_PLACES:
            raise errors.exhausted(f"nobody types in more than {MOST_PLACES} places at once", int(ENDS_AFTER_S * 1_000))
        loop = asyncio.get_running_loop()
        if room in places:
            places[room].cancel()
        if (user_id, room) not in self._told:
            self._told.add((user_id, room))
            loop.call_later(TELL_AGAIN_AFTER_S, self._told.discard, (user_id, room))
            self._tell(user_id, room, typing=True)
        places[room] = loop.call_later(ENDS_AFTER_S, self.stop, user_id, room)
        TYPING.set(len(self._typing))

    def stop(self, user_id: int, room: str) -> None:
        """Repeating it changes nothing."""
        places = self._typing.get(user_id)
        if places is None or room not in places:
            return
        places.pop(room).cancel()
        if not places:
            del self._typing[user_id]
        TYPING.set(len(self._typing))
        # Who starts and stops in turn is told of once in 3 s, too: the others see it end by itself.
        if (user_id, room) not in self._stopped:
            self._stopped.add((user_id, room))
            asyncio.get_running_loop().call_later(TELL_AGAIN_AFTER_S, self._stopped.discard, (user_id, room))
            self._tell(user_id, room, typing=False)

    def _tell(self, user_id: int, room: str, *, typing: bool) -> None:
        push = TypingChanged(
            id=f"typing.changed:{user_id}:{secrets.token_hex(6)}",
            user_id=str(user_id),
            typing=typing,
            room_id=str(names.live_id(room)) if names.is_live(room) else None,
            post_id=str(names.post_id(room)) if names.is_post(room) else None,
        )
        self._background.run(self._broadcaster.publish(room, push, actor_id=user_id))
