"""This node's ears: its own channel, the control channel, and the rooms that it has members of.

States: listening → (link lost) → subscribing → healing → listening … What was published meanwhile is read from the
logs before anything newer is delivered. Sockets for which that cannot be whole are told to start afresh.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from protocol.live_rooms import Role
from rooms import names
from rooms.background import Background
from rooms.delivery import Delivery, Item, TooMuch
from rooms.locations import RECOVERY_WINDOW_S
from rooms.members import Hiding, Member, Members
from rooms.messages import (
    CLOCK_LENGTH,
    Closed,
    Control,
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
from rooms.metrics import BUS_LAG, GAPS, REPLAYED, ROOMS
from rooms.names import Names
from rooms.recovery import BEGIN, Offset, Recovery
from storage.redis import RedisError
from storage.shards import Shards

HEARTBEAT_S = 5.0
HEAL_WITHIN_S = 20.0
HEAL_RETRY_S = 0.3
PAGE = 500
AFRESH_PER_S = 1_000  # each of them loads everything anew

K = TypeVar("K")

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a room."""


class Bus:
    def __init__(
        self, shards: Shards, room_names: Names, members: Members, delivery: Delivery, recovery: Recovery, node: str
    ) -> None:
        # Answers whether who hears what has been checked against the state.
        self.on_gap: Callable[[], Awaitable[bool]] | None = None
        # A person's socket is in a live room no more; whether it may come back by itself.
        self.on_left: Callable[[int, str, bool], None] | None = None
        # Whether a person who is sent out of a live room came in until that clock.
        self.is_put_out: Callable[[int, str, int], bool] | None = None
        # Nobody is in that live room any more.
        self.on_emptied: Callable[[str], None] | None = None
        # A person's role in a live room is another, since that version of it.
        self.on_role: Callable[[int, str, Role, int], None] | None = None
        # Sockets in rooms that may no longer be open to them: whoever must leave is made to.
        self.on_doubt: Callable[[Sequence[tuple[Member, str]]], Awaitable[None]] | None = None
        self._shards = shards
        self._names = room_names
        self._members = members
        self._delivery = delivery
        self._recovery = recovery
        self._node = node
        self._subscribed: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[Any]] = {}
        self._heard = [0] * shards.amount  # by shard: everything up to there has come
        self._heard_at = [0.0] * shards.amount
        self._overflowed = False
        self._background = Background("bus")

    @property
    def is_whole(self) -> bool:
        """Nothing that was published may be missing here."""
        return self._shards.are_up and not self._delivery.is_held

    # ------------------------------------------------------------------------------------------ listening

    async def resume(self, shards: Sequence[int]) -> None:
        """Their link is up: begin to listen there, and see to what was missed. Raises RedisError."""
        run_id = await self._run_id(shards[0])
        began = [await self._shards.run(shard, BEGIN, [self._names.clock(shard)], [run_id]) for shard in shards]
        self._delivery.hold()
        try:
            await self._subscribe_all(set(shards))
        except BaseException:
            self._delivery.release((), lambda item: item)
            raise
        missed: dict[int, Offset | None] = {}
        for shard, (clock, since) in zip(shards, began, strict=True):
            heard, away_s = self._heard[shard], time.monotonic() - self._heard_at[shard]
            is_whole = heard >= int(since) and away_s < RECOVERY_WINDOW_S
            missed[shard] = Offset(shard, heard) if is_whole else None
            self._hear(shard, int(clock))
        self._background.run(self._heal(missed))

    async def keep_hearing(self) -> None:
        """For ever: notice up to where everything has come, also when nothing is published."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for shards in self._shards.by_link:
                try:
                    seconds, microseconds = await self._shards.call(shards[0], "TIME")
                except RedisError:
                    continue
                # Answers and messages come in one order, so whatever was published before this has been heard.
                for shard in shards:
                    self._hear(shard, int(seconds) * 1_000_000 + int(microseconds) - 1)

    async def _run_id(self, shard: int) -> str:
        info = await self._shards.call(shard, "INFO", "server")
        text = info.decode() if isinstance(info, bytes) else str(info)
        return text.partition("run_id:")[2].partition("\r\n")[0]

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

    def _hear(self, shard: int, clock: int) -> None:
        if clock > self._heard[shard]:
            self._heard[shard] = clock
        self._heard_at[shard] = time.monotonic()

    # ------------------------------------------------------------------------------------------ healing

    async def _heal(self, missed: Mapping[int, Offset | None]) -> None:
        """Read what was missed, deliver it before what has come since, and tell whom it is not whole for."""
        lost: set[Member] = set()
        items: list[Item] = []
        is_rechecked = False
        deadline = time.monotonic() + HEAL_WITHIN_S
        while time.monotonic() < deadline:
            try:
                items, lost = await self._read_missed(missed)
                # Who has lost the right to what is replayed lost it in the gap, too.
                is_rechecked = await self.on_gap() if self.on_gap is not None else True
                break
            except (RedisError, OSError):
                if not self._shards.is_up(missed):
                    # The next time counts from where we had heard, and finds what has come since as well.
                    for shard, since in missed.items():
                        self._heard[shard] = since.clock if since is not None else 0
                    self._delivery.release((), lambda item: None if item.written.shard in missed else item)
                    return
                await asyncio.sleep(HEAL_RETRY_S)  # what is kept elsewhere cannot be read yet
            except Exception:
                log.exception("what was missed could not be read")
                break
        if self._overflowed or not is_rechecked:
            self._overflowed = False
            items.clear()
            lost.update(self._members.all)
        for member in lost:  # before anything newer tells them an offset that would hide the hole
            self._recovery.forget(member.user_id, member.pid)
        replayed = {(item.room, person, item.written.id) for item in items for person in item.people or (0,)}
        self._delivery.release(sorted(items, key=_by_offset), lambda item: _without(replayed, item))
        REPLAYED.inc(len(items))
        GAPS.labels("afresh" if lost else "healed").inc()
        if items or lost:
            log.warning("listening again", missed=len(items), told_to_start_afresh=len(lost))
        for number, member in enumerate(lost):
            member.start_afresh(number / AFRESH_PER_S)

    async def _read_missed(self, missed: Mapping[int, Offset | None]) -> tuple[list[Item], set[Member]]:
        """Also for whom it is no longer whole. Raises RedisError."""
        items: list[Item] = []
        lost: set[Member] = set()
        rooms: dict[str, Offset] = {}
        for room in self._members.rooms:
            shard = self._shards.of(room)
            since = missed.get(shard)
            if since is not None:
                rooms[room] = since
            elif shard in missed:
                lost.update(self._members.in_room(room))
        people: dict[int, Offset] = {}
        for user_id in self._members.users:
            shard = self._names.shard_of_person(user_id)
            if shard not in missed:
                shard = self._shards.of(self._node)  # whose link brings what is kept elsewhere
            since = missed.get(shard)
            if since is not None:
                people[user_id] = since
            elif shard in missed:
                lost.update(self._members.of_user(user_id))
        for page in _pages(rooms):
            for room, published in (await self._recovery.read_rooms(page)).items():
                if published is None:
                    lost.update(self._members.in_room(room))
                else:
                    items += [Item(room, (), written) for written in published]
        for some in _pages(people):
            for user_id, published in (await self._recovery.read_inboxes(some)).items():
                if published is None:
                    lost.update(self._members.of_user(user_id))
                else:
                    items += [Item("", (user_id,), written) for written in published]
        return items, lost

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
            self.leave(member, room)
            raise SubscriptionFailed(room) from error

    def leave(self, member: Member, room: str) -> None:
        was_there = room in member.rooms
        self._members.leave(member, room)
        self._forget_empty([room])
        if was_there and names.is_live(room) and self.on_left is not None:
            self.on_left(member.user_id, room, False)

    def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        rooms = list(member.rooms)
        was_last = self._members.remove(member)
        self._forget_empty(rooms)
        if self.on_left is not None:
            for room in filter(names.is_live, rooms):
                self.on_left(member.user_id, room, True)
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
                self._hear(written.shard, written.offset)
            BUS_LAG.observe(max(time.time() - written.offset / 1_000_000, 0))
        try:
            self._delivery.take(item)
        except TooMuch:
            self._overflowed = True

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
            case Evicted(user_ids, owner_id):
                for member in self._sockets(user_ids):
                    self._doubt([(member, room) for room, owner in member.rooms.items() if owner == owner_id])
                    # Its host may be another than who owns it.
                    self._doubt([(member, room) for room in member.rooms if names.is_live(room)])
            case Closed(owner_id, what):
                rooms = self._members.rooms_of_owner(owner_id)
                for room in [room for room in rooms if what == "all" or names.is_presence(room)]:
                    self._doubt([(member, room) for member in self._members.in_room(room)])
            case Joined(user_ids, room, owner_id):
                for member in self._sockets(user_ids):
                    self._background.run(self._join_quietly(member, room, owner_id))
            case Left(user_ids, room):
                for member in self._sockets(user_ids):
                    self.leave(member, room)
            case Emptied(room):
                for member in list(self._members.in_room(room)):
                    self._members.leave(member, room)
                self._forget_empty([room])
                if self.on_emptied is not None:
                    self.on_emptied(room)
            case PutOut(user_ids, room, before):
                for member in self._sockets(user_ids):
                    if self.is_put_out is None or self.is_put_out(member.user_id, room, before):
                        self.leave(member, room)
            case Doubted(user_ids, room):
                self._doubt([(member, room) for member in self._sockets(user_ids) if room in member.rooms])
            case RoleChanged(user_ids, room, role, version):
                if self.on_role is not None:
                    for user_id in user_ids:
                        self.on_role(user_id, room, role, version)
            case HidingChanged(user_ids, actor_id, scope, until):
                hiding = None if scope == "none" else Hiding(scope, until)
                for user_id in user_ids:
                    self._members.change_hiding(user_id, actor_id, hiding)

    def _doubt(self, seats: Sequence[tuple[Member, str]]) -> None:
        """Out of posts, which are let in again; whether the rest may stay is looked up."""
        for member, room in seats:
            if names.is_post(room):
                self.leave(member, room)
        asked = [(member, room) for member, room in seats if names.is_live(room) or names.is_presence(room)]
        if asked and self.on_doubt is not None:
            self._background.run(self.on_doubt(asked))

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    async def _join_quietly(self, member: Member, room: str, owner_id: int) -> None:
        try:
            await self.join(member, room, owner_id)
        except SubscriptionFailed:
            log.warning("could not enter a room", room=room)


def _room(channel: bytes) -> str:
    return channel.partition(b":room:")[2].decode()


def _by_offset(item: Item) -> int:
    return item.written.offset


def _finish(body: bytes, room: str, shard: int, clock: str) -> Written:
    return finish(decode_frames(body), room, offset_text(shard, clock))


def _without(replayed: set[tuple[str, int, str]], item: Item) -> Item | None:
    """What has come since, short of what has been read from the logs already."""
    push_id = item.written.id
    if not item.people:
        return None if (item.room, 0, push_id) in replayed else item
    people = [person for person in item.people if ("", person, push_id) not in replayed]
    return item._replace(people=people) if people else None


def _pages(since: dict[K, Offset]) -> Iterator[dict[K, Offset]]:
    keys = list(since)
    for start in range(0, len(keys), PAGE):
        yield {key: since[key] for key in keys[start : start + PAGE]}
