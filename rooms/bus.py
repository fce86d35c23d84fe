"""This node's ears: its own channel, the control channel, and the rooms that it has members of.

What is lost while a link is away is seen to by `rooms.gaps`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from protocol.live_rooms import Role
from rooms import names
from rooms.background import Background
from rooms.delivery import Delivery, Item, TooMuch
from rooms.gaps import Gaps
from rooms.members import Hiding, Member, Members
from rooms.messages import (
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
from rooms.metrics import BUS_LAG, ROOMS
from rooms.names import Names
from rooms.recovery import Recovery
from storage.redis import RedisError
from storage.shards import Shards

PAGE = 500

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a room."""


class Seats(Protocol):
    """This node's people in live rooms, which hear of what becomes of their sockets there."""

    def left(self, user_id: int, room: str, may_come_back: bool) -> None:
        """A socket of theirs is in the room no more; `may_come_back` by itself."""

    def is_put_out(self, user_id: int, room: str, before: int) -> bool:
        """Whether who is sent out, and has a socket there, came in until that clock of the room's."""

    def emptied(self, room: str) -> None:
        """Nobody is in the room any more."""

    def change_role(self, user_id: int, room: str, role: Role, version: int) -> None:
        """It is another, since that version of the room."""


class Bus:
    def __init__(
        self,
        shards: Shards,
        room_names: Names,
        members: Members,
        delivery: Delivery,
        gaps: Gaps,
        recovery: Recovery,
        seats: Seats,
        node: str,
    ) -> None:
        # Sockets in rooms that may no longer be open to them, for a cause: whoever must leave is made to.
        self.on_doubt: Callable[[Sequence[tuple[Member, str]], str], Awaitable[None]] | None = None
        self._shards = shards
        self._names = room_names
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
        """To what is listened to there; rooms that come meanwhile see to themselves."""
        rooms = [room for room in self._members.rooms if self._shards.of(room) in shards]
        channels = [(self._shards.of(room), self._names.room_channel(room)) for room in rooms]
        self._subscribed.update(channel for _, channel in channels)
        for shard, channel in (
            (self._shards.of(self._node), self._names.node_channel(self._node)),
            (0, self._names.control_channel()),
        ):
            if shard in shards:
                channels.append((shard, channel))
        for start in range(0, len(channels), PAGE):
            page = channels[start : start + PAGE]
            await asyncio.gather(*(self._shards.subscribe(shard, channel) for shard, channel in page))

    # ------------------------------------------------------------------------------------------ rooms

    async def join(self, member: Member, room: str, owner_id: int) -> None:
        """Once it returns, what is published to the room reaches the member. Raises SubscriptionFailed.

        Nothing happens to who is not among the members any more.
        """
        if not self._members.join(member, room, owner_id):
            return
        channel = self._names.room_channel(room)
        if channel in self._subscribed:
            return
        try:
            confirmation = self._confirmations.get(channel)
            if confirmation is None:
                confirmation = self._confirmations[channel] = self._shards.subscribe(self._shards.of(room), channel)
                confirmation.add_done_callback(lambda done: self._confirmed(room, channel, done))
            await asyncio.shield(confirmation)
        except RedisError as error:
            self._leave(member, room)
            raise SubscriptionFailed(room) from error
        except asyncio.CancelledError:
            self._leave(member, room)
            raise

    def leave(self, member: Member, room: str) -> None:
        """By their will or not; a client that comes back is not put there again."""
        self._leave(member, room)
        self._recovery.forget_room(member.user_id, member.pid, room)

    def leave_device(self, room: str, session_id: int, before: float) -> bool:
        """Sockets of the session that connected before that time leave. True where one of them was in the room."""
        older = [each for each in self._members.of_session(session_id) if each.connected_at < before]
        left = [each for each in older if room in each.rooms]
        for each in left:
            self.leave(each, room)
        return bool(left)

    def _leave(self, member: Member, room: str) -> None:
        was_there = room in member.rooms
        self._members.leave(member, room)
        self._forget_empty([room])
        if was_there and names.is_live(room):
            self._seats.left(member.user_id, room, False)

    def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        rooms = list(member.rooms)
        was_last = self._members.remove(member)
        self._forget_empty(rooms)
        for room in filter(names.is_live, rooms):
            self._seats.left(member.user_id, room, True)
        return was_last

    def _confirmed(self, room: str, channel: str, confirmation: "asyncio.Future[Any]") -> None:
        if self._confirmations.get(channel) is confirmation:
            del self._confirmations[channel]
        if not confirmation.cancelled() and confirmation.exception() is None:
            self._subscribed.add(channel)
            ROOMS.set(len(self._subscribed))
            self._forget_empty([room])

    def _forget_empty(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            channel = self._names.room_channel(room)
            if channel in self._subscribed and not self._members.in_room(room):
                self._subscribed.discard(channel)
                ROOMS.set(len(self._subscribed))
                self._shards.unsubscribe(self._shards.of(room), channel)

    # ------------------------------------------------------------------------------------------ what comes

    def receive(self, channel: bytes, data: bytes) -> None:
        """A message that cannot be read is logged and left: one bad publisher must not deafen the node."""
        try:
            match data[:1]:
                case b"R":
                    room = _room(channel)
                    shard, clock = self._shards.of(room), data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(Item(room, (), _finish(data[1 + CLOCK_LENGTH :], room, shard, clock)))
                case b"E":
                    room = _room(channel)
                    self._take(Item(room, (), _finish(data[1:], room, 0, "0")))
                case b"P":
                    ids, _, body = data[1 + CLOCK_LENGTH :].partition(b"\n")
                    people = [int(user_id) for user_id in ids.split(b",")]
                    shard, clock = self._names.shard_of_person(people[0]), data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(Item("", people, _finish(body, "", shard, clock)))
                case _:
                    self._obey(_decode_control(data[1:]))
        except (msgspec.DecodeError, ValueError) as error:
            log.error("an unreadable message on the bus", channel=channel.decode(), error=str(error))

    def _take(self, item: Item) -> None:
        written = item.written
        if written.offset:
            if item.room or self._shards.amount == 1:  # what comes to people comes over the link of the node's channel
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
                seats = [(member, *seat) for member in self._sockets(user_ids) for seat in member.rooms.items()]
                # Of live rooms all: the host may be another than who owns it.
                self._doubt(
                    [(who, room) for who, room, owner in seats if owner == owner_id or names.is_live(room)], cause
                )
            case Closed(owner_id, what, cause):
                rooms = self._members.rooms_of_owner(owner_id)
                left = [room for room in rooms if what == "all" or names.is_presence(room)]
                self._doubt([(member, room) for room in left for member in self._members.in_room(room)], cause)
            case Joined(user_ids, room, owner_id):
                for member in self._sockets(user_ids):
                    self._members.join(member, room, owner_id)
                    self._background.run(self._join_quietly(member, room, owner_id))
            case Left(user_ids, room):
                for member in self._sockets(user_ids):
                    self.leave(member, room)
            case DeviceLeft(_, room, session_id, before):
                self.leave_device(room, session_id, before)
            case Emptied(room):
                # Not forgotten: a client that comes back may not have heard of the end, and is told then.
                self._seats.emptied(room)
                for member in list(self._members.in_room(room)):
                    self._members.leave(member, room)
                self._forget_empty([room])
            case PutOut(user_ids, room, before):
                for member in self._sockets(user_ids):
                    if room in member.rooms and self._seats.is_put_out(member.user_id, room, before):
                        self.leave(member, room)
            case Doubted(user_ids, room, cause):
                self._doubt([(member, room) for member in self._sockets(user_ids) if room in member.rooms], cause)
            case RoleChanged(user_ids, room, role, version):
                for user_id in user_ids:
                    self._seats.change_role(user_id, room, role, version)
            case HidingChanged(user_ids, actor_id, until, posts_until):
                hiding = Hiding(until, posts_until)
                for user_id in user_ids:
                    self._members.change_hiding(user_id, actor_id, hiding)

    def _doubt(self, seats: Sequence[tuple[Member, str]], cause: str) -> None:
        """Out of posts, which are let in again; whether the rest may stay is looked up."""
        for member, room in seats:
            if names.is_post(room):
                self.leave(member, room)
        asked = [(member, room) for member, room in seats if names.is_live(room) or names.is_presence(room)]
        if asked and self.on_doubt is not None:
            self._background.run(self.on_doubt(asked, cause))

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    async def _join_quietly(self, member: Member, room: str, owner_id: int) -> None:
        try:
            if room in member.rooms:  # else made to leave again before this began
                await self.join(member, room, owner_id)
        except SubscriptionFailed:
            log.warning("could not enter a room", room=room)


def _room(channel: bytes) -> str:
    return channel.partition(b":room:")[2].decode()


def _finish(body: bytes, room: str, shard: int, clock: str) -> Written:
    return finish(decode_frames(body), room, offset_text(shard, clock))
