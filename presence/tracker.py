"""Presence: who is online, over all of a user's devices and nodes.

States of a user on a node: here → left (the last socket is gone; waited for, 5 s) → settled. A user who is here or
left on any node is shown as chosen (online, away, busy), and as away while idle on all devices. A user who is settled
on all nodes is offline; an invisible one is shown as offline at once. In Redis a user is a hash with a field for each
node that they are here on or left. Nodes repeat what they said after a gap, and what a dead node said is taken back.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, cast

from channels.background import Background
from channels.broadcaster import Broadcaster
from channels.members import Members
from channels.messages import unkept
from channels.names import Names
from presence.metrics import CHANGES, ONLINE, UNSAID
from presence.presence_channel import PRESENCE
from protocol.presence import Presence, PresenceChanged, ShownStatus
from protocol.timestamps import to_wire
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

GRACE_S = 5.0
PUSHES_APART_MS = 1_000
IDLE_AFTER_S = 300.0
CHECK_IDLE_EVERY_S = 5.0
KEPT_S = 30 * 86_400  # last seen longer ago than that is never
PAGE = 500

What = Literal["here", "gone", "settle", "set", "tell"]

UPDATE = LinkScript(Path(__file__).parent / "lua" / "update.lua")
SCRIPTS = (UPDATE,)


class Chosen(NamedTuple):
    """What a user chose to show. `version` counts their choices: an older one never replaces a newer one."""

    status: str
    text: str
    version: int


NOTHING_CHOSEN = Chosen("", "", 0)


class Tracker:
    def __init__(self, shards: Shards, key_names: Names, members: Members, broadcaster: Broadcaster, node: str) -> None:
        self._shards = shards
        self._names = key_names
        self._members = members
        self._broadcaster = broadcaster
        self._node = node
        self._here: dict[int, Chosen] = {}
        self._idle: set[int] = set()
        self._unsaid: set[int] = set()  # users of whom Redis could not be told yet that they came or left
        self._untold: set[int] = set()  # users who may have changed without a push to their watchers
        self._leaving: dict[int, asyncio.TimerHandle] = {}  # until they are settled
        self._background = Background("presence")

    # ------------------------------------------------------------------------------------------ on this node

    def came(self, user_id: int, chosen: Chosen) -> None:
        """A socket of the user is here; `chosen` as the database has it. Only their first socket changes anything."""
        held = self._here.get(user_id)
        if not self._members.of_user(user_id) or (held is not None and held.version >= chosen.version):
            return
        self._here[user_id] = chosen
        if (leaving := self._leaving.pop(user_id, None)) is not None:
            leaving.cancel()
        ONLINE.set(len(self._here))
        self._background.run(self._arrive(user_id))

    def went(self, user_id: int) -> None:
        """The user's last socket here is gone."""
        if self._here.pop(user_id, None) is not None:
            self._idle.discard(user_id)
            ONLINE.set(len(self._here))
            self._background.run(self._leave(user_id))

    async def choose(self, user_id: int, chosen: Chosen) -> None:
        """Set what the user shows. Raises RedisError."""
        if user_id in self._here:
            self._here[user_id] = chosen
        await self._update(user_id, "set", self._node, chosen)

    async def _arrive(self, user_id: int) -> None:
        """Tell Redis that the user is here, and whether idle; or that they left, if they are no longer here."""
        self._unsaid.add(user_id)
        chosen = self._here.get(user_id)
        if chosen is None:
            await self._leave(user_id)
            return
        await self._update(user_id, "here", self._node, chosen)
        if user_id in self._here:
            self._unsaid.discard(user_id)

    async def _leave(self, user_id: int) -> None:
        self._unsaid.add(user_id)
        await self._update(user_id, "gone", self._node)
        if user_id in self._here:  # came back meanwhile
            await self._arrive(user_id)
        elif user_id not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[user_id] = loop.call_later(GRACE_S, lambda: self._background.run(self._settle(user_id)))

    async def _settle(self, user_id: int) -> None:
        self._leaving.pop(user_id, None)
        await self._update(user_id, "settle", self._node)
        if user_id not in self._here:
            self._unsaid.discard(user_id)

    async def _tell(self, user_id: int) -> None:
        """Push the user's presence to their watchers, whether or not it has changed."""
        self._untold.discard(user_id)
        try:
            await self._update(user_id, "tell", self._node)
        except RedisError:
            self._untold.add(user_id)
            raise

    # ------------------------------------------------------------------------------------------ on all nodes

    async def look(self, user_ids: Sequence[int]) -> dict[int, Presence]:
        """Return their presence as watchers see it. Raises RedisError."""
        answers = {
            user_id: self._shards.call(
                self._names.shard_of_person(user_id),
                "HMGET",
                self._names.person(user_id),
                "shown",
                "shown_text",
                "seen",
            )
            for user_id in user_ids
        }
        return {user_id: _presence(user_id, *await answer) for user_id, answer in answers.items()}

    async def repeat(self) -> None:
        """Tell Redis again who is here, and who left meanwhile. Raises RedisError."""
        await self._say_again(list(self._unsaid - self._here.keys()))
        await self._say_again(list(self._here))

    async def _say_again(self, user_ids: Sequence[int]) -> None:
        for start in range(0, len(user_ids), PAGE):
            await asyncio.gather(*(self._arrive(user_id) for user_id in user_ids[start : start + PAGE]))

    async def show_again(self) -> None:
        """Push to all watchers here how the watched users are now, as they may have missed it. Raises RedisError."""
        watched = [PRESENCE.id_of(room) for room in self._members.channels if PRESENCE.includes(room)]
        for start in range(0, len(watched), PAGE):
            for user_id, presence in (await self.look(watched[start : start + PAGE])).items():
                room = PRESENCE.channel(user_id)
                written = unkept(changed(presence), room)
                hiding = self._members.hides_from(user_id, room)
                for member in list(self._members.in_channel(room)):
                    if member.user_id not in hiding:
                        member.deliver(written)

    async def take_back(self, node: str) -> None:
        """Take back what a dead node said of its users, without waiting any longer. Raises RedisError."""
        for shard in range(self._shards.amount):
            people = [
                int(user_id) for user_id in await self._shards.call(shard, "SMEMBERS", self._people_key(shard, node))
            ]
            for start in range(0, len(people), PAGE):
                await asyncio.gather(*(self._take_back_one(user_id, node) for user_id in people[start : start + PAGE]))

    async def _take_back_one(self, user_id: int, node: str) -> None:
        await self._update(user_id, "gone", node)
        await self._update(user_id, "settle", node)

    async def _update(self, user_id: int, what: What, node: str, chosen: Chosen = NOTHING_CHOSEN) -> None:
        shard = self._names.shard_of_person(user_id)
        person = self._names.person(user_id)
        keys = (person, self._people_key(shard, node), f"{person}:quiet", f"{person}:late")
        arguments = (
            what, user_id, node, *chosen, int(user_id in self._idle), PUSHES_APART_MS, KEPT_S, int(GRACE_S),
        )  # fmt: skip
        answer = self._shards.run(shard, UPDATE, keys, arguments)  # raises at once if the link is down
        try:
            outcome, *rest = await answer
            if outcome == b"now":
                CHANGES.labels("at once").inc()
                await self._push(_presence(user_id, *rest))
        except BaseException:  # also at a call's deadline
            self._untold.add(user_id)  # Redis may have the change already, and a retry would find no news to push
            raise
        if outcome == b"late":
            CHANGES.labels("later").inc()
            loop = asyncio.get_running_loop()
            loop.call_later(rest[0] / 1_000, lambda: self._background.run(self._tell(user_id)))

    async def _push(self, presence: Presence) -> None:
        user_id = int(presence.user_id)
        await self._broadcaster.publish(PRESENCE.channel(user_id), changed(presence), actor_id=user_id)

    def _people_key(self, shard: int, node: str) -> str:
        return self._shards.key(shard, "people-of", node)

    # ------------------------------------------------------------------------------------------ idle

    async def keep_idle(self) -> None:
        """For ever: mark users whose sockets here made no call for 5 minutes as idle, until they do.

        Also retry what Redis or watchers could not be told.
        """
        while True:
            await asyncio.sleep(CHECK_IDLE_EVERY_S)
            unsaid = self._unsaid - self._leaving.keys()
            UNSAID.set(len(unsaid | self._untold))
            for user_id in list(unsaid)[:PAGE]:
                self._background.run(self._arrive(user_id))
            for user_id in list(self._untold)[:PAGE]:
                self._background.run(self._tell(user_id))
            now = time.monotonic()
            people = list(self._here)
            for start in range(0, len(people), PAGE):
                for user_id in people[start : start + PAGE]:
                    self._check_idle(user_id, now)
                await asyncio.sleep(0)

    def _check_idle(self, user_id: int, now: float) -> None:
        members = self._members.of_user(user_id)
        if not members:
            self.went(user_id)
            return
        called_at = max(member.called_at for member in members)
        is_idle = now - called_at > IDLE_AFTER_S
        if is_idle != (user_id in self._idle):
            (self._idle.add if is_idle else self._idle.discard)(user_id)
            self._background.run(self._arrive(user_id))


def changed(presence: Presence) -> PresenceChanged:
    return PresenceChanged(id=f"presence.changed:{presence.user_id}:{secrets.token_hex(6)}", presence=presence)


def unknown(user_id: int) -> Presence:
    """How a user is shown to users who may not watch them."""
    return Presence(user_id=str(user_id), status="offline", text="", last_seen_at=None)


def _presence(user_id: int, shown: bytes | None, text: bytes | None, seen: bytes | None) -> Presence:
    status = cast(ShownStatus, shown.decode() if shown else "offline")
    was_seen = datetime.fromtimestamp(int(seen), UTC) if seen and status == "offline" else None
    return Presence(
        user_id=str(user_id),
        status=status,
        text=text.decode() if text else "",
        last_seen_at=to_wire(was_seen) if was_seen else None,
    )
