"""Pushes that a user types in a chat, in a room or under a post. Typing ends 6 s after the last typing.start.

This node's memory alone holds the state. Repetitions within 3 s are not pushed.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from channels.background import Background
from channels.broadcaster import Broadcaster
from channels.members import Members
from presence.metrics import TYPING
from protocol import errors
from protocol.presence import TypingChanged

ENDS_AFTER_S = 6.0
PUSH_AGAIN_AFTER_S = 3.0
MOST_PLACES = 5  # in which one user types at once
LARGE_CHANNEL = 200  # sockets in it on this node: more users than a reader could follow


class Place(NamedTuple):
    """The channel in which a user types, and its name in pushes.

    Sockets are in the channel of a room or a post. That of a chat has none: its pushes go to users.
    """

    channel: str
    chat_id: str | None = None
    room_id: str | None = None
    post_id: str | None = None


class TypingIndicators:
    def __init__(self, broadcaster: Broadcaster, members: Members) -> None:
        self._broadcaster = broadcaster
        self._members = members
        self._typing: dict[int, dict[Place, asyncio.TimerHandle]] = {}
        self._started: set[tuple[int, Place]] = set()  # within the last 3 s, also users who have stopped since
        self._stopped: set[tuple[int, Place]] = set()
        self._background = Background("typing")

    def start(self, user_id: int, place: Place, audience: Sequence[int] = ()) -> None:
        """audience: in a chat, the users who get the push.

        Raises RESOURCE_EXHAUSTED for a user who types in too many places at once.
        """
        if len(self._members.in_channel(place.channel)) > LARGE_CHANNEL:
            return
        places = self._typing.setdefault(user_id, {})
        if place not in places and len(places) >= MOST_PLACES:
            raise errors.exhausted(f"users can type in at most {MOST_PLACES} places at once", int(ENDS_AFTER_S * 1_000))
        loop = asyncio.get_running_loop()
        if place in places:
            places[place].cancel()
        if (user_id, place) not in self._started:
            self._started.add((user_id, place))
            loop.call_later(PUSH_AGAIN_AFTER_S, self._started.discard, (user_id, place))
            self._push(user_id, place, audience, typing=True)
        places[place] = loop.call_later(ENDS_AFTER_S, self.stop, user_id, place, audience)
        TYPING.set(len(self._typing))

    def stop(self, user_id: int, place: Place, audience: Sequence[int] = ()) -> None:
        """Repeating it changes nothing."""
        places = self._typing.get(user_id)
        if places is None or place not in places:
            return
        places.pop(place).cancel()
        if not places:
            del self._typing[user_id]
        TYPING.set(len(self._typing))
        # At most one push in 3 s also for a user who starts and stops in turn: clients end the indicator by themselves.
        if (user_id, place) not in self._stopped:
            self._stopped.add((user_id, place))
            asyncio.get_running_loop().call_later(PUSH_AGAIN_AFTER_S, self._stopped.discard, (user_id, place))
            self._push(user_id, place, audience, typing=False)

    def _push(self, user_id: int, place: Place, audience: Sequence[int], *, typing: bool) -> None:
        push = TypingChanged(
            id=f"typing.changed:{user_id}:{secrets.token_hex(6)}",
            user_id=str(user_id),
            typing=typing,
            chat_id=place.chat_id,
            room_id=place.room_id,
            post_id=place.post_id,
        )
        if place.chat_id is None:
            self._background.run(self._broadcaster.publish(place.channel, push, actor_id=user_id))
        elif audience:
            self._background.run(self._broadcaster.publish_to_users(audience, push, actor_id=user_id))
