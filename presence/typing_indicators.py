"""Who is typing in a channel or under a post: told at once, told again while it goes on, over 6 s after the last word.

Never stored. Repetitions within 3 s are swallowed.
"""

import asyncio
import secrets

from channels import names
from channels.background import Background
from channels.broadcaster import Broadcaster
from channels.members import Members
from presence.metrics import TYPING
from protocol import errors
from protocol.presence import TypingChanged

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

    def start(self, user_id: int, channel: str) -> None:
        """Raises RESOURCE_EXHAUSTED for who types in too many places at once."""
        if len(self._members.in_channel(channel)) > LARGE_ROOM:
            return
        places = self._typing.setdefault(user_id, {})
        if channel not in places and len(places) >= MOST_PLACES:
            raise errors.exhausted(f"nobody types in more than {MOST_PLACES} places at once", int(ENDS_AFTER_S * 1_000))
        loop = asyncio.get_running_loop()
        if channel in places:
            places[channel].cancel()
        if (user_id, channel) not in self._told:
            self._told.add((user_id, channel))
            loop.call_later(TELL_AGAIN_AFTER_S, self._told.discard, (user_id, channel))
            self._tell(user_id, channel, typing=True)
        places[channel] = loop.call_later(ENDS_AFTER_S, self.stop, user_id, channel)
        TYPING.set(len(self._typing))

    def stop(self, user_id: int, channel: str) -> None:
        """Repeating it changes nothing."""
        places = self._typing.get(user_id)
        if places is None or channel not in places:
            return
        places.pop(channel).cancel()
        if not places:
            del self._typing[user_id]
        TYPING.set(len(self._typing))
        # Who starts and stops in turn is told of once in 3 s, too: the others see it end by itself.
        if (user_id, channel) not in self._stopped:
            self._stopped.add((user_id, channel))
            asyncio.get_running_loop().call_later(TELL_AGAIN_AFTER_S, self._stopped.discard, (user_id, channel))
            self._tell(user_id, channel, typing=False)

    def _tell(self, user_id: int, channel: str, *, typing: bool) -> None:
        push = TypingChanged(
            id=f"typing.changed:{user_id}:{secrets.token_hex(6)}",
            user_id=str(user_id),
            typing=typing,
            room_id=str(names.live_id(channel)) if names.is_live(channel) else None,
            post_id=str(names.post_id(channel)) if names.is_post(channel) else None,
        )
        self._background.run(self._broadcaster.publish(channel, push, actor_id=user_id))
