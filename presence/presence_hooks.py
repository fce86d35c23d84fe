"""Pushes to watchers of presence who lose the right to watch, or whose session recovers."""

from collections.abc import Collection, Sequence

from channels.hooks import Hooks, RecoveredClient, Rejoined
from channels.members import Member
from channels.messages import unkept
from presence.presence_channel import PRESENCE
from presence.tracker import Tracker
from presence.view import changed, unknown


class PresenceHooks(Hooks):
    def __init__(self, presence: Tracker) -> None:
        self._presence = presence

    async def lost(self, memberships: Sequence[tuple[Member, str]], ended: Collection[str], cause: str) -> None:
        for member, channel in memberships:
            member.deliver(unkept(changed(unknown(PRESENCE.id_of(channel))), channel))

    async def rejoin(self, client: RecoveredClient) -> Rejoined:
        """Return the current presence of watched users."""
        watched = [PRESENCE.id_of(channel) for channel in client.channels if channel in client.member.channels]
        found = await self._presence.look(watched)
        return Rejoined([unkept(changed(shown), PRESENCE.channel(user_id)) for user_id, shown in found.items()])
