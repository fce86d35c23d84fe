"""This node's ears: its own Redis channel, the control channel, and the channels that it has members of.

What is lost while a link is away is seen to by `channels.gaps`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from channels import names
from channels.background import Background
from channels.delivery import Delivery, Item, TooMuch
from channels.gaps import Gaps
from channels.members import Hiding, Member, Members
from channels.messages import (
    CLOCK_LENGTH,
    Closed,
    Control,
    DeviceLeft,
    Doubted,
    Emptied,
    Evicted,
    HidingChanged,
    Joined,
    Left,
    PutOut,
    Revoked,
    RoleChanged,
    Superseded,
    Written,
    decode_frames,
    finish,
    offset_text,
)
from channels.metrics import BUS_LAG, CHANNELS
from channels.names import Names
from channels.recovery import Recovery
from protocol.live_rooms import Role
from storage.redis import RedisError
from storage.shards import Shards

PAGE = 500

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a channel."""


class Seats(Protocol):
    """This node's people in live rooms, which hear of what becomes of their sockets there."""

    def left(self, user_id: int, channel: str, may_come_back: bool) -> None:
        """A socket of theirs is in the channel no more; `may_come_back` by itself."""

    def is_put_out(self, user_id: int, channel: str, before: int) -> bool:
        """Whether who is sent out, and has a socket there, came in until that clock of the channel's."""

    def emptied(self, channel: str) -> None:
        """Nobody is in the channel any more."""

    def change_role(self, user_id: int, channel: str, role: Role, version: int) -> None:
        """It is another, since that version of the channel."""


class Bus:
    def __init__(
        self,
        shards: Shards,
        key_names: Names,
        members: Members,
        delivery: Delivery,
        gaps: Gaps,
        recovery: Recovery,
        seats: Seats,
        node: str,
    ) -> None:
        # Sockets in channels that may no longer be open to them, for a cause: whoever must leave is made to.
        self.on_doubt: Callable[[Sequence[tuple[Member, str]], str], Awaitable[None]] | None = None
        self._shards = shards
        self._names = key_names
        self._members = members
        self._delivery = delivery
        self._gaps = gaps
        self._recovery = recovery
        self._seats = seats
        self._node = node
        self._subscribed: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[Any]] = {}
        self._background = Background("bus")

    @property
    def is_whole(self) -> bool:
        """Nothing that was published may be missing here."""
        return self._shards.are_up and not self._delivery.is_held

    # ------------------------------------------------------------------------------------------ listening

    async def resume(self, shards: Sequence[int]) -> None:
        """Their link is up: begin to listen there, and see to what was missed. Raises RedisError."""
        missed = await self._gaps.begin(shards)
        self._delivery.hold()
        try:
            await self._subscribe_all(set(shards))
        except BaseException:
            self._gaps.leave_open(missed)
            raise
        self._background.run(self._gaps.close(missed))

    async def _subscribe_all(self, shards: set[int]) -> None:
        """To what is listened to there; channels that come meanwhile see to themselves."""
        here = [channel for channel in self._members.channels if self._shards.of(channel) in shards]
        redis_channels = [(self._shards.of(channel), self._names.redis_channel(channel)) for channel in here]
        self._subscribed.update(redis_channel for _, redis_channel in redis_channels)
        for shard, redis_channel in (
            (self._shards.of(self._node), self._names.node_channel(self._node)),
            (0, self._names.control_channel()),
        ):
            if shard in shards:
                redis_channels.append((shard, redis_channel))
        for start in range(0, len(redis_channels), PAGE):
            page = redis_channels[start : start + PAGE]
            await asyncio.gather(*(self._shards.subscribe(shard, redis_channel) for shard, redis_channel in page))

    # ------------------------------------------------------------------------------------------ channels

    async def join(self, member: Member, channel: str, owner_id: int) -> None:
        """Once it returns, what is published to the channel reaches the member. Raises SubscriptionFailed.

        Nothing happens to who is not among the members any more.
        """
        if not self._members.join(member, channel, owner_id):
            return
        redis_channel = self._names.redis_channel(channel)
        if redis_channel in self._subscribed:
            return
        try:
            confirmation = self._confirmations.get(redis_channel)
            if confirmation is None:
                confirmation = self._confirmations[redis_channel] = self._shards.subscribe(
                    self._shards.of(channel), redis_channel
                )
                confirmation.add_done_callback(lambda done: self._confirmed(channel, redis_channel, done))
            await asyncio.shield(confirmation)
        except RedisError as error:
            self._leave(member, channel)
            raise SubscriptionFailed(channel) from error
        except asyncio.CancelledError:
            self._leave(member, channel)
            raise

    def leave(self, member: Member, channel: str) -> None:
        """By their will or not; a client that comes back is not put there again."""
        self._leave(member, channel)
        self._recovery.forget_channel(member.user_id, member.pid, channel)

    def leave_device(self, channel: str, session_id: int, before: float) -> bool:
        """Sockets of the session that connected before that time leave. True where one of them was in the channel."""
        older = [each for each in self._members.of_session(session_id) if each.connected_at < before]
        left = [each for each in older if channel in each.channels]
        for each in left:
            self.leave(each, channel)
        return bool(left)

    def _leave(self, member: Member, channel: str) -> None:
        was_there = channel in member.channels
        self._members.leave(member, channel)
        self._forget_empty([channel])
        if was_there and names.is_live(channel):
            self._seats.left(member.user_id, channel, False)

    def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        channels = list(member.channels)
        was_last = self._members.remove(member)
        self._forget_empty(channels)
        for channel in filter(names.is_live, channels):
            self._seats.left(member.user_id, channel, True)
        return was_last

    def _confirmed(self, channel: str, redis_channel: str, confirmation: "asyncio.Future[Any]") -> None:
        if self._confirmations.get(redis_channel) is confirmation:
            del self._confirmations[redis_channel]
        if not confirmation.cancelled() and confirmation.exception() is None:
            self._subscribed.add(redis_channel)
            CHANNELS.set(len(self._subscribed))
            self._forget_empty([channel])

    def _forget_empty(self, channels: Iterable[str]) -> None:
        for channel in channels:
            redis_channel = self._names.redis_channel(channel)
            if redis_channel in self._subscribed and not self._members.in_channel(channel):
                self._subscribed.discard(redis_channel)
                CHANNELS.set(len(self._subscribed))
                self._shards.unsubscribe(self._shards.of(channel), redis_channel)

    # ------------------------------------------------------------------------------------------ what comes

    def receive(self, redis_channel: bytes, data: bytes) -> None:
        """A message that cannot be read is logged and left: one bad publisher must not deafen the node."""
        try:
            match data[:1]:
                case b"R":
                    channel = _channel_of(redis_channel)
                    shard, clock = self._shards.of(channel), data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(Item(channel, (), _finish(data[1 + CLOCK_LENGTH :], channel, shard, clock)))
                case b"E":
                    channel = _channel_of(redis_channel)
                    self._take(Item(channel, (), _finish(data[1:], channel, 0, "0")))
                case b"P":
                    ids, _, body = data[1 + CLOCK_LENGTH :].partition(b"\n")
                    people = [int(user_id) for user_id in ids.split(b",")]
                    shard, clock = self._names.shard_of_person(people[0]), data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(Item("", people, _finish(body, "", shard, clock)))
                case _:
                    self._obey(_decode_control(data[1:]))
        except (msgspec.DecodeError, ValueError) as error:
            log.error("an unreadable message on the bus", redis_channel=redis_channel.decode(), error=str(error))

    def _take(self, item: Item) -> None:
        written = item.written
        if written.offset:
            if (
                item.channel or self._shards.amount == 1
            ):  # what comes to people comes over the link of the node's redis_channel
                self._gaps.hear(written.shard, written.offset)
            BUS_LAG.observe(max(time.time() - written.offset / 1_000_000, 0))
        try:
            self._delivery.take(item)
        except TooMuch:
            self._gaps.overflow()

    def _obey(self, control: Control) -> None:
        match control:
            case Revoked(session_ids, reason):
                for session_id in session_ids:
                    for member in list(self._members.of_session(session_id)):
                        member.revoke(reason)
            case Superseded(pid, claim):
                for member in list(self._members.of_pid(pid)):
                    member.superseded_claim = max(member.superseded_claim, claim)
                    if 0 < member.claim <= claim:
                        member.supersede()
            case Evicted(user_ids, owner_id, cause):
                seats = [(member, *seat) for member in self._sockets(user_ids) for seat in member.channels.items()]
                # Of live rooms all: the host may be another than who owns it.
                self._doubt(
                    [(who, channel) for who, channel, owner in seats if owner == owner_id or names.is_live(channel)],
                    cause,
                )
            case Closed(owner_id, what, cause):
                channels = self._members.channels_of_owner(owner_id)
                left = [channel for channel in channels if what == "all" or names.is_presence(channel)]
                self._doubt(
                    [(member, channel) for channel in left for member in self._members.in_channel(channel)], cause
                )
            case Joined(user_ids, channel, owner_id):
                for member in self._sockets(user_ids):
                    self._members.join(member, channel, owner_id)
                    self._background.run(self._join_quietly(member, channel, owner_id))
            case Left(user_ids, channel):
                for member in self._sockets(user_ids):
                    self.leave(member, channel)
            case DeviceLeft(_, channel, session_id, before):
                self.leave_device(channel, session_id, before)
            case Emptied(channel):
                # Not forgotten: a client that comes back may not have heard of the end, and is told then.
                self._seats.emptied(channel)
                for member in list(self._members.in_channel(channel)):
                    self._members.leave(member, channel)
                self._forget_empty([channel])
            case PutOut(user_ids, channel, before):
                for member in self._sockets(user_ids):
                    if channel in member.channels and self._seats.is_put_out(member.user_id, channel, before):
                        self.leave(member, channel)
            case Doubted(user_ids, channel, cause):
                self._doubt(
                    [(member, channel) for member in self._sockets(user_ids) if channel in member.channels], cause
                )
            case RoleChanged(user_ids, channel, role, version):
                for user_id in user_ids:
                    self._seats.change_role(user_id, channel, role, version)
            case HidingChanged(user_ids, actor_id, until, posts_until):
                hiding = Hiding(until, posts_until)
                for user_id in user_ids:
                    self._members.change_hiding(user_id, actor_id, hiding)

    def _doubt(self, seats: Sequence[tuple[Member, str]], cause: str) -> None:
        """Out of posts, which are let in again; whether the rest may stay is looked up."""
        for member, channel in seats:
            if names.is_post(channel):
                self.leave(member, channel)
        asked = [(member, channel) for member, channel in seats if names.is_live(channel) or names.is_presence(channel)]
        if asked and self.on_doubt is not None:
            self._background.run(self.on_doubt(asked, cause))

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    async def _join_quietly(self, member: Member, channel: str, owner_id: int) -> None:
        try:
            if channel in member.channels:  # else made to leave again before this began
                await self.join(member, channel, owner_id)
        except SubscriptionFailed:
            log.warning("could not enter a channel", channel=channel)


def _channel_of(redis_channel: bytes) -> str:
    return redis_channel.partition(b":channel:")[2].decode()


def _finish(body: bytes, channel: str, shard: int, clock: str) -> Written:
    return finish(decode_frames(body), channel, offset_text(shard, clock))
