"""Sessions in Redis, so that a client that reconnects to any node gets the pushes that it missed.

A session's record is kept from the moment its socket joins, under a secret `pid` that the client gets. A client
that sends the pid and the last offset that it saw claims the session: the older socket is closed, and the later pushes
are read from the user's inbox and the channels' logs. If some of them are no longer kept, nothing is replayed.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from channels.locations import LIFETIME_S, RECOVERY_WINDOW_S, location
from channels.messages import CLOCK_LENGTH, Superseded, Written, decode_frames, finish, offset_text
from channels.redis_keys import RedisKeys
from protocol.wire import OFFSET_LENGTH
from storage.redis_link import LinkScript
from storage.shards import Shards

SESSION_LIFETIME_S = 6 * 3_600  # renewed with the socket's token
# In a session's record: all that a socket may be in, and ended channels, which stay until its client reconnects.
MOST_CHANNELS_KEPT = 500
# The clocks of shards differ: a client's offset is of one shard, and reading the others begins this much earlier.
OTHER_SHARDS_MARGIN_US = 5_000_000

_LUA = Path(__file__).parent / "lua"
_CLOCK = _LUA / "clock.lua"
BEGIN = LinkScript(_LUA / "begin.lua", _CLOCK)
ENTER = LinkScript(_LUA / "enter.lua", _CLOCK)
CLAIM = LinkScript(_LUA / "claim.lua", _CLOCK)
LEAVE = LinkScript(_LUA / "leave.lua")
WATCH = LinkScript(_LUA / "watch.lua")
READ_CHANNEL = LinkScript(_LUA / "read_channel.lua", _CLOCK)
READ_INBOX = LinkScript(_LUA / "read_inbox.lua", _CLOCK)
SCRIPTS = (BEGIN, ENTER, CLAIM, LEAVE, WATCH, READ_CHANNEL, READ_INBOX)

_OFFSET = re.compile(rf"[0-9]{{{OFFSET_LENGTH}}}")


class Offset(NamedTuple):
    shard: int
    clock: int

    @classmethod
    def parse(cls, text: str) -> "Offset | None":
        if not _OFFSET.fullmatch(text):
            return None
        return cls(int(text[:-CLOCK_LENGTH]), int(text[-CLOCK_LENGTH:]))

    @property
    def text(self) -> str:
        """As clients are given it."""
        return offset_text(self.shard, self.clock)


class WatchedChannel(msgspec.Struct, array_like=True, frozen=True):
    """A channel in a session's record: its owner, and the shard's clock when the socket joined."""

    owner_id: int
    joined: int


class Claimed(NamedTuple):
    """A claimed session. `missed`: from the inbox. The logs of `channels` are read after rejoining them."""

    offset: Offset
    number: int
    channels: dict[str, WatchedChannel]
    missed: list[Written]


class Recovery:
    """Coroutines raise RedisError. Other methods do not wait; if Redis is down, what they change expires by itself."""

    def __init__(self, shards: Shards, keys: RedisKeys, node: str) -> None:
        self._shards = shards
        self._keys = keys
        self._node = node

    async def enter(self, user_id: int, session_id: int, pid: str) -> Offset:
        """Keep pushes to that user from now on. Returns the offset now."""
        shard = self._keys.shard_of_user(user_id)
        keys = (self._keys.clock(shard), self._keys.locations(user_id), self._keys.session(user_id, pid))
        clock = await self._shards.run(shard, ENTER, keys, self._arguments(pid, session_id))
        return Offset(shard, int(clock))

    async def claim(
        self, user_id: int, session_id: int, pid: str, last: Offset
    ) -> "tuple[Claimed, Superseded, str] | None":
        """Returns the claim, the message that closes the older socket, and that socket's node.

        Returns None if the session cannot be recovered: its record is gone or another session's, or pushes are missing.
        """
        shard = self._keys.shard_of_user(user_id)
        if last.shard >= self._shards.amount:
            return None
        keys = (
            self._keys.clock(shard), self._keys.locations(user_id), self._keys.session(user_id, pid),
            self._keys.inbox(user_id), self._keys.cut(user_id),
        )  # fmt: skip
        place = _read_from(last, shard), self._keys.bodies(shard)
        answer = await self._shards.run(shard, CLAIM, keys, (*self._arguments(pid, session_id), *place, pid))
        if answer is None:
            return None
        clock, number, node, channels, missed = answer
        watched = {
            name.decode(): msgspec.json.decode(known, type=WatchedChannel)
            for name, known in zip(channels[::2], channels[1::2], strict=True)
        }
        claimed = Claimed(Offset(shard, int(clock)), number, watched, read_entries(missed, "", shard))
        return claimed, Superseded(pid, number - 1), node.decode()

    def first_missed(self, user_id: int, channel: str, watched: WatchedChannel, last: Offset) -> Offset:
        """Where to read a channel from: the client's last offset, or when it joined by its user's clock."""
        joined = watched.joined
        if self._shards.of(channel) == last.shard != self._keys.shard_of_user(user_id):
            joined -= OTHER_SHARDS_MARGIN_US
        return Offset(last.shard, max(last.clock, joined))

    async def read_channels(self, since: Mapping[str, Offset]) -> "dict[str, list[Written] | None]":
        """Return the pushes to each channel after its offset; None if the log does not reach back."""
        answers = {}
        for channel, offset in since.items():
            shard = self._shards.of(channel)
            answers[channel] = self._shards.run(
                shard, READ_CHANNEL, self._keys.channel_keys(channel), (_read_from(offset, shard),)
            )
        return {channel: _read(await answer, channel, self._shards.of(channel)) for channel, answer in answers.items()}

    async def read_inboxes(self, since: Mapping[int, Offset]) -> "dict[int, list[Written] | None]":
        """Read the inboxes of users in the same way."""
        answers = {}
        for user_id, offset in since.items():
            shard = self._keys.shard_of_user(user_id)
            keys = (self._keys.clock(shard), self._keys.inbox(user_id), self._keys.cut(user_id))
            arguments = (_read_from(offset, shard), self._keys.bodies(shard))
            answers[user_id] = self._shards.run(shard, READ_INBOX, keys, arguments)
        return {
            user_id: _read(await answer, "", self._keys.shard_of_user(user_id)) for user_id, answer in answers.items()
        }

    def remember_channel(self, user_id: int, pid: str, channel: str, owner_id: int) -> "asyncio.Future[object]":
        """Add the channel to the session's record, before the socket joins it. Raises RedisError, as the future may."""
        shard, key = self._session(user_id, pid)
        return self._shards.run(shard, WATCH, (self._keys.clock(shard), key), (channel, owner_id, MOST_CHANNELS_KEPT))

    def forget_channel(self, user_id: int, pid: str, channel: str) -> None:
        shard, key = self._session(user_id, pid)
        self._shards.send(shard, "HDEL", key, f"channel:{channel}")

    def renew(self, user_id: int, pid: str) -> None:
        shard, key = self._session(user_id, pid)
        self._shards.send(shard, "EXPIRE", key, SESSION_LIFETIME_S)

    def forget(self, user_id: int, pid: str) -> None:
        """Delete the record: the session can no longer be claimed."""
        shard, key = self._session(user_id, pid)
        self._shards.send(shard, "DEL", key)

    def leave(self, user_id: int, pid: str, claim: int, *, goodbye: bool) -> None:
        """The socket has closed. goodbye: its client will not reconnect, so nothing is kept for it."""
        shard, key = self._session(user_id, pid)
        keys = (self._keys.locations(user_id), key)
        arguments = (location(self._node, pid), claim, 0 if goodbye else RECOVERY_WINDOW_S)
        self._shards.send(shard, "EVALSHA", LEAVE.digest, 2, *keys, *arguments)

    def _session(self, user_id: int, pid: str) -> tuple[int, str]:
        return self._keys.shard_of_user(user_id), self._keys.session(user_id, pid)

    def _arguments(self, pid: str, session_id: int) -> tuple[str, int, int, int, str]:
        return location(self._node, pid), LIFETIME_S, session_id, SESSION_LIFETIME_S, self._node


def _read_from(last: Offset, shard: int) -> int:
    """The clock of that shard to read from: earlier than an offset of another one."""
    return last.clock if last.shard == shard else last.clock - OTHER_SHARDS_MARGIN_US


def _read(answer: "list[bytes] | None", channel: str, shard: int) -> "list[Written] | None":
    return None if answer is None else read_entries(answer, channel, shard)


def read_entries(answer: "list[bytes]", channel: str, shard: int) -> list[Written]:
    return [
        finish(decode_frames(body), channel, offset_text(shard, clock.decode()))
        for clock, body in zip(answer[::2], answer[1::2], strict=True)
    ]
