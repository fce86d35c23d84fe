"""This node's ears: its own channel, the control channel, and the rooms that it has members of.

States: listening → (link lost) → subscribing → healing → listening … What was published meanwhile is read from the
logs before anything newer is delivered. Sockets for which that cannot be whole are told to start afresh.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec
import structlog

from rooms import names
from rooms.delivery import Delivery, Item, TooMuch
from rooms.locations import RECOVERY_WINDOW_S
from rooms.members import Hiding, Member, Members
from rooms.messages import (
    CLOCK_LENGTH,
    Closed,
    Control,
    Evicted,
    HidingChanged,
    Joined,
    Left,
    Revoked,
    Superseded,
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
HEAL_PAGE = 500
AFRESH_PER_S = 1_000  # each of them loads everything anew

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a room."""


class Bus:
    def __init__(
        self, shards: Shards, room_names: Names, members: Members, delivery: Delivery, recovery: Recovery, node: str
    ) -> None:
        self.on_gap: Callable[[], Awaitable[None]] | None = None
        self._shards = shards
        self._names = room_names
        self._members = members
        self._delivery = delivery
        self._recovery = recovery
        self._node = node
        self._subscribed: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[Any]] = {}
        self._heard = Offset(0, 0)  # everything up to there has come
        self._heard_at = 0.0
        self._overflowed = False
        self._healing: asyncio.Task[None] | None = None
        self._background: set[asyncio.Future[Any]] = set()

    @property
    def heard(self) -> Offset:
        return self._heard

    # ------------------------------------------------------------------------------------------ listening

    async def resume(self) -> None:
        """The link is up: begin to listen, and see to what was missed. Raises RedisError."""
        if self._healing is not None:
            self._healing.cancel()
        clock, since = await self._begin()
        self._delivery.hold()
        self._overflowed = False
        self._confirmations.clear()
        self._subscribed = {self._names.room_channel(room) for room in self._members.rooms}
        base = (self._names.node_channel(self._node), self._names.control_channel())
        await asyncio.gather(*(self._shards.subscribe(0, channel) for channel in (*base, *self._subscribed)))
        missed_from, away_s = self._heard, time.monotonic() - self._heard_at
        first = not self._heard_at
        self._hear(Offset(0, clock))
        can_heal = missed_from.clock >= since and away_s < RECOVERY_WINDOW_S
        self._healing = asyncio.create_task(self._heal(missed_from if can_heal else None, first))

    async def keep_hearing(self) -> None:
        """For ever: notice up to where everything has come, also when nothing is published."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                answer = await self._shards.call(0, "TIME")
                # Answers and messages come in one order, so whatever was published before this has been heard.
                self._hear(Offset(0, int(answer[0]) * 1_000_000 + int(answer[1])))
            except RedisError:
                continue

    async def _begin(self) -> tuple[int, int]:
        info = await self._shards.call(0, "INFO", "server")
        text = info.decode() if isinstance(info, bytes) else str(info)
        run_id = text.partition("run_id:")[2].partition("\r\n")[0]
        clock, since = await self._shards.run(0, BEGIN, [self._names.clock(0)], [run_id])
        return int(clock), int(since)

    def _hear(self, offset: Offset) -> None:
        if offset.clock > self._heard.clock:
            self._heard = offset
        self._heard_at = time.monotonic()

    # ------------------------------------------------------------------------------------------ healing

    async def _heal(self, since: Offset | None, first: bool) -> None:
        """Read what was missed, deliver it before what has come since, and tell whom it is not whole for."""
        lost: set[Member] = set()
        items: list[Item] = []
        try:
            if since is None:
                lost.update(self._members.all)
            else:
                await self._read_missed(since, items, lost)
        except RedisError:
            return  # the link is down again: the next time counts from where we had heard
        if self._overflowed:
            lost.update(self._members.all)
        replayed = {(item.room, person, item.written.id) for item in items for person in item.people or (0,)}
        waiting = [] if self._overflowed else self._delivery.waiting_items()
        REPLAYED.inc(len(items))
        self._delivery.release([*sorted(items, key=_by_offset), *_without(replayed, waiting)])
        GAPS.labels("first" if first else "afresh" if lost else "healed").inc()
        if not first:
            log.warning("listening again", missed=len(items), told_to_start_afresh=len(lost))
        for number, member in enumerate(lost):
            member.start_afresh(number / AFRESH_PER_S)
        if self.on_gap is not None:
            await self.on_gap()

    async def _read_missed(self, since: Offset, items: list[Item], lost: set[Member]) -> None:
        rooms, users = self._members.rooms, self._members.users
        for start in range(0, len(rooms), HEAL_PAGE):
            page = dict.fromkeys(rooms[start : start + HEAL_PAGE], since)
            for room, missed in (await self._recovery.read_rooms(page)).items():
                if missed is None:
                    lost.update(self._members.in_room(room))
                else:
                    items += [Item(room, (), written) for written in missed]
        for start in range(0, len(users), HEAL_PAGE):
            found = await self._recovery.read_inboxes(users[start : start + HEAL_PAGE], since)
            for user_id, missed in found.items():
                if missed is None:
                    lost.update(self._members.of_user(user_id))
                else:
                    items += [Item("", (user_id,), written) for written in missed]

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
            self._members.leave(member, room)
            raise SubscriptionFailed(room) from error

    def leave(self, member: Member, room: str) -> None:
        self._members.leave(member, room)
        self._forget_empty([room])

    def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        rooms = list(member.rooms)
        last = self._members.remove(member)
        self._forget_empty(rooms)
        return last

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
                    clock = data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(_room(channel), (), data[1 + CLOCK_LENGTH :], clock)
                case b"E":
                    self._take(_room(channel), (), data[1:], "0")
                case b"P":
                    clock = data[1 : 1 + CLOCK_LENGTH].decode()
                    people, _, body = data[1 + CLOCK_LENGTH :].partition(b"\n")
                    self._take("", [int(user_id) for user_id in people.split(b",")], body, clock)
                case _:
                    self._obey(_decode_control(data[1:]))
        except (msgspec.DecodeError, ValueError) as error:
            log.error("an unreadable message on the bus", channel=channel.decode(), error=str(error))

    def _take(self, room: str, people: Sequence[int], body: bytes, clock: str) -> None:
        written = finish(decode_frames(body), room, offset_text(0, clock))
        if written.offset:
            self._hear(Offset(0, written.offset))
            BUS_LAG.observe(max(time.time() - written.offset / 1_000_000, 0))
        try:
            self._delivery.take(Item(room, people, written))
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
                    if member.claim <= claim:
                        member.supersede()
            case Evicted(user_ids, owner_id):
                for member in self._sockets(user_ids):
                    for room in [room for room, owner in member.rooms.items() if owner == owner_id]:
                        if names.is_post(room):
                            self.leave(member, room)
            case Closed(owner_id):
                for room in filter(names.is_post, list(self._members.rooms_of_owner(owner_id))):
                    for member in list(self._members.in_room(room)):
                        self.leave(member, room)
            case Joined(user_ids, room, owner_id):
                for member in self._sockets(user_ids):
                    self._in_background(self._join_quietly(member, room, owner_id))
            case Left(user_ids, room):
                for member in self._sockets(user_ids):
                    self.leave(member, room)
            case HidingChanged(user_ids, actor_id, scope, until):
                for user_id in user_ids:
                    self._members.set_hiding(user_id, actor_id, None if scope == "none" else Hiding(scope, until))

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    async def _join_quietly(self, member: Member, room: str, owner_id: int) -> None:
        try:
            await self.join(member, room, owner_id)
        except SubscriptionFailed:
            log.warning("could not enter a room", room=room)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _room(channel: bytes) -> str:
    return channel.partition(b":room:")[2].decode()


def _by_offset(item: Item) -> int:
    return item.written.offset


def _without(replayed: set[tuple[str, int, str]], waiting: list[Item]) -> list[Item]:
    """What has come since, short of what has been read from the logs already."""
    left = []
    for item in waiting:
        if not item.people:
            if (item.room, 0, item.written.id) not in replayed:
                left.append(item)
            continue
        people = [person for person in item.people if ("", person, item.written.id) not in replayed]
        if people:
            left.append(item._replace(people=people))
    return left
