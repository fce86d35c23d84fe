"""Presence: who is online, over all of a user's devices and nodes.

States of a user on a node: here → left (the last socket has closed; 5 s of grace) → settled. A user who is here or
left on any node is shown as chosen: online, away or busy. While the user is idle on all devices, online becomes away. A
user who is settled on all nodes is offline; an invisible one is shown as offline at once. In Redis a user is a hash
with a field for each node that they are here on or left. After a gap, nodes repeat their reports. Another node removes
the users of a dead one (`channels.nodes`).
"""

import asyncio
import time
from collections.abc import Sequence

from channels.broadcaster import Broadcaster
from channels.members import Members
from channels.messages import unkept
from channels.redis_keys import RedisKeys
from presence.metrics import ONLINE, UNREPORTED
from presence.presence_channel import PRESENCE
from presence.reports import Chosen, Report, Reports
from presence.view import changed, shown
from protocol.presence import Presence
from storage.shards import Shards

IDLE_AFTER_S = 300.0
CHECK_IDLE_EVERY_S = 5.0
PAGE = 500


class Tracker:
    def __init__(self, shards: Shards, keys: RedisKeys, members: Members, broadcaster: Broadcaster, node: str) -> None:
        self._shards = shards
        self._keys = keys
        self._members = members
        self._node = node
        self._reports = Reports(shards, keys, broadcaster, node)
        self._here: dict[int, Chosen] = {}
        self._idle: set[int] = set()

    # ------------------------------------------------------------------------------------------ on this node

    def came(self, user_id: int, chosen: Chosen) -> None:
        """A socket of the user is here. chosen: as the database has it.

        The user's first socket and a newer version of `chosen` are reported to Redis.
        """
        held = self._here.get(user_id)
        if not self._members.has_device(user_id) or (held is not None and held.version >= chosen.version):
            return
        self._here[user_id] = chosen
        ONLINE.set(len(self._here))
        self._reports.add(self._here_report(user_id))

    def went(self, user_id: int) -> None:
        """The user's last socket here has closed."""
        if self._here.pop(user_id, None) is not None:
            self._idle.discard(user_id)
            ONLINE.set(len(self._here))
            self._reports.add(Report(user_id, "gone"))

    async def choose(self, user_id: int, chosen: Chosen) -> None:
        """Set what the user shows. Raises RedisError."""
        if user_id in self._here:
            self._here[user_id] = chosen
        await self._reports.send(self._node, [Report(user_id, "set", chosen)])

    async def stop(self) -> None:
        """Send the reports that wait, for 2 s at most."""
        await self._reports.stop()

    def _here_report(self, user_id: int) -> Report:
        return Report(user_id, "here", self._here[user_id], user_id in self._idle)

    # ------------------------------------------------------------------------------------------ on all nodes

    async def look(self, user_ids: Sequence[int]) -> dict[int, Presence]:
        """Return their presence as watchers see it. Raises RedisError."""
        answers = {
            user_id: self._shards.call(
                self._keys.shard_of_user(user_id),
                "HMGET",
                self._keys.presence(user_id),
                "shown",
                "shown_text",
                "seen",
            )
            for user_id in user_ids
        }
        return {user_id: shown(user_id, *await answer) for user_id, answer in answers.items()}

    async def repeat(self) -> None:
        """Report again which users are here, and which have left within the grace period. Raises RedisError."""
        users = [*self._here, *self._reports.in_grace]
        for start in range(0, len(users), PAGE):
            page = [
                self._here_report(user_id) if user_id in self._here else Report(user_id, "gone")
                for user_id in users[start : start + PAGE]
            ]
            await self._reports.send(self._node, page)

    async def show_again(self) -> None:
        """Push the presence of watched users to watchers here, who may have missed a change. Raises RedisError."""
        watched = [PRESENCE.id_of(name) for name in self._members.channels if PRESENCE.includes(name)]
        for start in range(0, len(watched), PAGE):
            for user_id, presence in (await self.look(watched[start : start + PAGE])).items():
                channel = PRESENCE.channel(user_id)
                written = unkept(changed(presence), channel)
                hiding = self._members.hides_from(user_id, channel)
                for member in list(self._members.in_channel(channel)):
                    if member.user_id not in hiding:
                        member.deliver(written)

    async def remove_users_of(self, node: str) -> None:
        """Remove the users of a dead node, without a further grace period. Raises RedisError."""
        users = await self._reports.users_of(node)
        for start in range(0, len(users), PAGE):
            page = users[start : start + PAGE]
            await self._reports.send(node, [Report(user_id, "gone") for user_id in page])
            await self._reports.send(node, [Report(user_id, "settle") for user_id in page])

    # ------------------------------------------------------------------------------------------ idle

    async def keep_idle(self) -> None:
        """Every 5 s, forever: mark users whose sockets here made no call for 5 minutes as idle, until they do."""
        while True:
            await asyncio.sleep(CHECK_IDLE_EVERY_S)
            UNREPORTED.set(self._reports.waiting)
            now = time.monotonic()
            user_ids = list(self._here)
            for start in range(0, len(user_ids), PAGE):
                for user_id in user_ids[start : start + PAGE]:
                    self._check_idle(user_id, now)
                await asyncio.sleep(0)

    def _check_idle(self, user_id: int, now: float) -> None:
        devices = [member for member in self._members.of_user(user_id) if member.is_device]
        if not devices:
            self.went(user_id)
            return
        called_at = max(device.called_at for device in devices)
        is_idle = now - called_at > IDLE_AFTER_S
        if is_idle != (user_id in self._idle):
            (self._idle.add if is_idle else self._idle.discard)(user_id)
            self._reports.add(self._here_report(user_id))
