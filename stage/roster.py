"""Rosters: the users inside each live room, over all nodes.

Redis holds a roster for each room. Scripts alone change it, so that capacity, bans and the queue of hands hold on all
nodes.

A user is inside while a node reports that one of their sockets is. After a gap, nodes repeat their reports. Another
node removes the users of a dead one (`channels.nodes`).
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

from channels import recovery
from channels.messages import offset_text
from protocol.live_rooms import Role
from stage.metrics import REACTIONS_DROPPED
from stage.room_channel import LIVE_ROOM
from storage.batches import Batches
from storage.redis_link import LinkScript, Part
from storage.room_messages import MOST_MESSAGES
from storage.shards import Shards

MOST_HANDS = 50
FIRST_LISTENERS = 20  # in what a user sees who enters
PULSE_MS = 950
MOST_KINDS_OF_REACTIONS = 50
MOST_REACTED = 5_000
SLOW_MODE_MARGIN_MS = 50
KEPT_S = 7 * 86_400
MOST_ROOMS_AT_HAND = 4_096
PAGE = 500

_HERE = Path(__file__).parent / "lua"
_LIBRARIES = (Path(recovery.__file__).parent / "lua" / "clock.lua", _HERE / "roster.lua")
ENTER, LEAVE, REMOVE, HAND, LOOK, PULSE, ROLE, ABSENT, DUE, LOOKED, FINISH = SCRIPTS = tuple(
    LinkScript(_HERE / f"{name}.lua", *_LIBRARIES)
    for name in (
        "enter", "leave", "remove", "hand", "look", "pulse", "role", "absent", "due", "looked", "finish",
    )
)  # fmt: skip

Refusal = Literal["full", "banned", "kicked", "ended"]


class Gone(NamedTuple):
    """`gone`: the user is inside on no node any more. `role`: the one they had."""

    gone: bool
    inside: int
    role: Role


class Removed(NamedTuple):
    """`out`: the user was inside. `away`: they were not. `back`: they entered after the given `before`, and stay."""

    outcome: Literal["out", "away", "back"]
    inside: int
    role: Role
    before: int  # by the roster's clock: users who entered at or before it are out


class Look(NamedTuple):
    """A snapshot. `hands` and `page` map users to µs since 1970, in order; `stage`: users on the stage who are inside.

    `host_id`: the host that everybody inside may see; None if it was not recorded.
    """

    offset: str
    inside: int
    stage: dict[int, Role]
    hands: dict[int, int]
    page: dict[int, int]
    host_id: int | None


NOBODY = Look("", 0, {}, {}, {}, None)


class Entered(NamedTuple):
    """`refused`: why the user is not inside. `is_new`: they were not inside before, on any node.

    `joined`: when they entered or were refused, by the roster's clock. `look`: taken just after it.
    """

    refused: Refusal | None
    is_new: bool
    joined: int
    look: Look


class _Entrant(NamedTuple):
    user_id: int
    role: Role
    version: int
    capacity: int
    joined: int | None


class Absence(NamedTuple):
    """For how long the host and the whole stage have been away, in s; None while they are there."""

    host_s: float | None
    stage_s: float | None


class PulseReading(NamedTuple):
    """`inside`: None if unchanged since the last push. `restage`: the stage or its hands have changed."""

    inside: int | None
    restage: bool
    reactions: dict[str, int]


class Past(NamedTuple):
    """Data for a digest: most users inside at once, the same by minute (s since 1970), reactions by message."""

    peak: int
    by_minute: dict[int, int]
    reacted: dict[int, dict[str, int]]


class Roster:
    """All methods raise RedisError."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._entrances = Batches(self._enter)
        self._keys = lru_cache(MOST_ROOMS_AT_HAND)(self._keys_of_room)  # each a hash of the room's name

    # ------------------------------------------------------------------------------------------ coming and going

    async def enter(
        self, room_id: int, user_id: int, node: str, role: Role, version: int, capacity: int, joined: int | None = None
    ) -> Entered:
        """version: of the room, when it gave the role. joined: by the roster's clock, for a client that recovers.

        Users who enter a room while a script runs for it enter together by the next one.
        """
        entered = await self._entrances.answer((room_id, node), _Entrant(user_id, role, version, capacity, joined))
        assert entered is not None
        return entered

    async def _enter(self, group: tuple[int, str], entrants: Sequence[_Entrant]) -> dict[_Entrant, Entered]:
        """group: room and node."""
        room_id, node = group
        shard = self._shard(room_id)
        arguments: list[Part] = [node, room_id, MOST_HANDS, FIRST_LISTENERS]
        for each in entrants:
            joined = "" if each.joined is None else each.joined
            arguments += (each.user_id, _stored(each.role), each.version, each.capacity, joined)
        snapshot, entered = await self._shards.run(shard, ENTER, self._keys_of_node(room_id, node), arguments)
        look = _look(shard, snapshot)
        return {
            each: Entered(_refusal(outcome), bool(is_new), int(clock), look)
            for each, (outcome, is_new, clock) in zip(entrants, entered, strict=True)
        }

    async def leave(self, room_id: int, user_id: int, node: str, missing_s: float = 0) -> Gone:
        """This node reports that the user left `missing_s` seconds ago."""
        arguments = (user_id, node, room_id, int(missing_s * 1_000_000))
        answer = await self._shards.run(self._shard(room_id), LEAVE, self._keys_of_node(room_id, node), arguments)
        return _gone(answer)

    async def remove(
        self, room_id: int, user_id: int, reason: Literal["kicked", "banned"], version: int, *,
        until: datetime | None = None, before: int | None = None,
    ) -> Removed:  # fmt: skip
        """before: by the roster's clock; a user who entered after it stays, unless banned."""
        until_s = "" if until is None else until.timestamp()
        arguments = (user_id, room_id, reason, until_s, "" if before is None else before, version)
        answer = await self._shards.run(self._shard(room_id), REMOVE, self._keys(room_id), arguments)
        return Removed(answer[0].decode(), answer[1], _named(answer[2]), int(answer[3]))

    async def was_kicked(self, room_id: int, user_id: int) -> bool:
        """Whether they have been kicked, at any time."""
        return bool(
            await self._shards.call(self._shard(room_id), "HEXISTS", self._key(room_id, "state"), f"kicked:{user_id}")
        )

    async def pardon(self, room_id: int, user_id: int) -> None:
        """Lift a ban."""
        await self._shards.call(self._shard(room_id), "HDEL", self._key(room_id, "state"), f"barred:{user_id}")

    async def forget_node(self, room_id: int, node: str) -> None:
        """Delete what a node said of a room that has ended."""
        shard = self._shard(room_id)
        self._shards.send(shard, "SREM", self._rooms_key(shard, node), room_id)
        await self._shards.call(shard, "DEL", self._key(room_id, "on", node))

    async def rooms_of_node(self, node: str) -> dict[int, list[int]]:
        """All that a node said: room → users."""
        found: dict[int, list[int]] = {}
        for shard in range(self._shards.amount):
            for room in await self._shards.call(shard, "SMEMBERS", self._rooms_key(shard, node)):
                members = await self._shards.call(shard, "SMEMBERS", self._key(int(room), "on", node))
                found[int(room)] = [int(user_id) for user_id in members]
        return found

    # ------------------------------------------------------------------------------------------ the stage

    async def raise_hand(self, room_id: int, user_id: int, *, raised: bool) -> bool:
        """Returns False for a user who is not inside."""
        arguments = (user_id, "up" if raised else "down")
        return bool(await self._shards.run(self._shard(room_id), HAND, self._keys(room_id), arguments))

    async def set_role(self, room_id: int, user_id: int, role: Role, version: int) -> None:
        """By the room's version that gave it; an older one changes nothing."""
        arguments = (user_id, _stored(role), room_id, version)
        await self._shards.run(self._shard(room_id), ROLE, self._keys(room_id), arguments)

    async def show_host(self, room_id: int, host_id: int) -> None:
        """Record the host to show. Users who may not see that host must have left before."""
        await self._shards.call(self._shard(room_id), "HSET", self._key(room_id, "state"), "host", host_id)

    async def look(self, room_id: int, after: int = 0, amount: int = 0) -> Look:
        """Return a snapshot, with `amount` users who joined after that clock."""
        return (await self.look_at({room_id: after}, amount))[room_id]

    async def look_at(self, rooms: Mapping[int, int], amount: int = 0) -> dict[int, Look]:
        """The same of several rooms."""
        answers = {
            room_id: self._shards.run(self._shard(room_id), LOOK, self._keys(room_id), (MOST_HANDS, after, amount))
            for room_id, after in rooms.items()
        }
        return {room_id: _look(self._shard(room_id), await answer) for room_id, answer in answers.items()}

    async def are_inside(self, room_id: int, user_ids: Sequence[int]) -> set[int]:
        if not user_ids:
            return set()
        found = await self._shards.call(self._shard(room_id), "HMGET", self._key(room_id, "inside"), *user_ids)
        return {user_id for user_id, nodes in zip(user_ids, found, strict=True) if nodes}

    async def joined(self, room_id: int, user_ids: Sequence[int]) -> dict[int, int]:
        """Return when those who are inside joined, by the roster's clock."""
        if not user_ids:
            return {}
        found = await self._shards.call(self._shard(room_id), "ZMSCORE", self._key(room_id, "joined"), *user_ids)
        return {user_id: int(float(clock)) for user_id, clock in zip(user_ids, found, strict=True) if clock is not None}

    # ------------------------------------------------------------------------------------------ chat

    async def hit_slow_mode(self, room_id: int, user_id: int, slow_mode_s: int) -> int:
        """In slow mode: returns 0 if the user may write now, else the ms to wait."""
        shard, key = self._shard(room_id), self._key(room_id, "slow", user_id)
        if await self._shards.call(shard, "SET", key, 1, "NX", "PX", slow_mode_s * 1_000):
            return 0
        left = await self._shards.call(shard, "PTTL", key)
        return max(int(left), SLOW_MODE_MARGIN_MS)

    async def undo_slow_mode(self, room_id: int, user_id: int) -> None:
        """Their message was not kept: let them write again."""
        await self._shards.call(self._shard(room_id), "DEL", self._key(room_id, "slow", user_id))

    async def note_messages(self, room_id: int, message_ids: Sequence[int]) -> None:
        """Allow reactions to the messages, while they are among the newest."""
        shard, key = self._shard(room_id), self._key(room_id, "messages")
        for message_id in message_ids:
            self._shards.send(shard, "ZADD", key, message_id, message_id)
        self._shards.send(shard, "ZREMRANGEBYRANK", key, 0, -MOST_MESSAGES - 1)
        await self._shards.call(shard, "EXPIRE", key, KEPT_S)

    async def forget_message(self, room_id: int, message_id: int) -> None:
        """The message was deleted."""
        await self._shards.call(self._shard(room_id), "ZREM", self._key(room_id, "messages"), message_id)

    async def has_message(self, room_id: int, message_id: int) -> bool:
        """Whether it may be reacted to: only after `note_messages`."""
        score = await self._shards.call(self._shard(room_id), "ZSCORE", self._key(room_id, "messages"), message_id)
        return score is not None

    async def pulse(
        self, room_id: int, reactions: Mapping[tuple[str, int], int], *, again: bool = False
    ) -> PulseReading | None:
        """reactions: (emoji, message or 0) → count. Returns None if the last pulse was less than a second ago.

        again: the last pulse could not be pushed completely.
        """
        own = ("pulse", "reactions", "reacted", "messages")
        keys = (*self._keys(room_id), *(self._key(room_id, name) for name in own))
        flat = [part for (emoji, message), count in reactions.items() for part in (emoji, message or "", count)]
        arguments = (PULSE_MS, MOST_KINDS_OF_REACTIONS, MOST_REACTED, "again" if again else "", *flat)
        due, dropped, *rest = await self._shards.run(self._shard(room_id), PULSE, keys, arguments)
        REACTIONS_DROPPED.inc(dropped)
        if not due:
            return None
        count, restage, counted = rest
        return PulseReading(
            None if count < 0 else count,
            bool(restage),
            {emoji.decode(): int(number) for emoji, number in zip(counted[::2], counted[1::2], strict=True)},
        )

    # ------------------------------------------------------------------------------------------ time

    async def watch_out(self, room_id: int) -> None:
        """Let a keeper look at the room next."""
        shard = self._shard(room_id)
        await self._shards.call(shard, "ZADD", self._shards.key(shard, "rooms-due"), time.time(), room_id)

    async def looked(self, room_id: int, due: str, again: float | None) -> None:
        """A keeper has looked at the room, which was due at `due`. A newer due time stays."""
        arguments = (room_id, due, "" if again is None else again)
        await self._shards.run(self._shard(room_id), LOOKED, self._keys(room_id), arguments)

    async def due(self, now: float, most: int) -> dict[int, str]:
        """Rooms that a keeper is to look at, and since when; at most so many of each shard."""
        answers = [
            self._shards.run(shard, DUE, (self._shards.key(shard, "rooms-due"),), (now, most))
            for shard in range(self._shards.amount)
        ]
        pages = [await answer for answer in answers]
        return {int(room): at.decode() for page in pages for room, at in zip(page[::2], page[1::2], strict=True)}

    async def claim_voice(self, room_id: int, seconds: float) -> bool:
        """Returns True for the first caller in that time."""
        shard, key = self._shard(room_id), self._key(room_id, "voice")
        return bool(await self._shards.call(shard, "SET", key, 1, "NX", "PX", int(seconds * 1_000)))

    async def absence(self, room_id: int, host_id: int) -> Absence:
        host_us, stage_us = await self._shards.run(self._shard(room_id), ABSENT, self._keys(room_id), (host_id,))
        return Absence(_seconds(host_us), _seconds(stage_us))

    async def finish(self, room_id: int) -> Past:
        """Close the roster. Repeating it returns the same for seven days."""
        keys = (*self._keys(room_id), self._key(room_id, "reacted"), self._key(room_id, "was-inside"))
        state, reacted = await self._shards.run(self._shard(room_id), FINISH, keys, (room_id,))
        fields = {name.decode(): value for name, value in zip(state[::2], state[1::2], strict=True)}
        by_message: dict[int, dict[str, int]] = {}
        for name, count in zip(reacted[::2], reacted[1::2], strict=True):
            message, _, emoji = name.decode().partition(":")
            by_message.setdefault(int(message), {})[emoji] = int(count)
        most, last = (
            {int(name[5:]): int(count) for name, count in fields.items() if name.startswith(kind)}
            for kind in ("most:", "last:")
        )
        return Past(int(fields.get("peak", 0)), _by_minute(most, last), by_message)

    async def were_inside(self, room_id: int) -> AsyncIterator[list[int]]:
        """Users who were inside when the room ended, in pages; a user may appear twice."""
        cursor = b"0"
        while True:
            cursor, page = await self._shards.call(
                self._shard(room_id), "HSCAN", self._key(room_id, "was-inside"), cursor, "COUNT", PAGE
            )
            yield [int(user_id) for user_id in page[::2]]
            if cursor == b"0":
                return

    # ------------------------------------------------------------------------------------------ keys

    def _shard(self, room_id: int) -> int:
        return self._shards.of(LIVE_ROOM.channel(room_id))

    def _key(self, room_id: int, *parts: str | int) -> str:
        return self._shards.key(self._shard(room_id), "live", room_id, *parts)

    def _rooms_key(self, shard: int, node: str) -> str:
        return self._shards.key(shard, "rooms-of", node)

    def _keys_of_room(self, room_id: int) -> tuple[str, ...]:
        shard = self._shard(room_id)
        parts = ("inside", "joined", "stage", "hands", "state")
        return (
            self._shards.key(shard, "clock"), *(self._shards.key(shard, "live", room_id, part) for part in parts),
            self._shards.key(shard, "rooms-due"),
        )  # fmt: skip

    def _keys_of_node(self, room_id: int, node: str) -> tuple[str, ...]:
        rooms_key = self._rooms_key(self._shard(room_id), node)
        return (*self._keys(room_id), self._key(room_id, "on", node), rooms_key)


def _stored(role: Role) -> str:
    return "" if role == "listener" else role


def _refusal(outcome: bytes) -> Refusal | None:
    return None if outcome == b"inside" else cast(Refusal, outcome.decode())


def _gone(answer: "list[int | bytes]") -> Gone:
    gone, inside, role = answer
    return Gone(bool(gone), cast(int, inside), _named(cast(bytes, role)))


def _named(role: bytes) -> Role:
    return cast(Role, role.decode() or "listener")


def _look(shard: int, answer: "list[object]") -> Look:
    clock, count, stage, hands, page, host = cast(
        "tuple[bytes, int, list[bytes], list[bytes], list[bytes], bytes]", answer
    )
    host_id = int(host) if host else None
    return Look(offset_text(shard, clock.decode()), count, _roles(stage), _clocks(hands), _clocks(page), host_id)


def _by_minute(most: Mapping[int, int], last: Mapping[int, int]) -> dict[int, int]:
    """The highest number of users inside by minute, also for minutes in which nobody entered or left."""
    found: dict[int, int] = {}
    inside = 0
    for minute in range(min(last, default=0), max(last, default=-1) + 1):
        found[minute * 60] = max(most.get(minute, 0), inside)
        inside = last.get(minute, inside)
    return found


def _roles(pairs: "list[bytes]") -> dict[int, Role]:
    return {int(user): cast(Role, role.decode()) for user, role in zip(pairs[::2], pairs[1::2], strict=True)}


def _clocks(pairs: "list[bytes]") -> dict[int, int]:
    return {int(user): int(float(clock)) for user, clock in zip(pairs[::2], pairs[1::2], strict=True)}


def _seconds(microseconds: int) -> float | None:
    return None if microseconds < 0 else microseconds / 1_000_000
