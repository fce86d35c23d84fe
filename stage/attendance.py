"""This node's users in live rooms: reports to the rosters in Redis which users enter and leave.

A user whose connection drops stays inside and keeps a raised hand for 5 s, so that others do not see a short loss. A
report that fails because Redis is down is retried.
"""

import asyncio
from typing import NamedTuple

import structlog

from channels.background import Background
from channels.broadcaster import Broadcaster
from channels.members import Members
from channels.nodes import DEAD_AFTER_S
from domain.room_rules import ON_STAGE
from domain.subject_channels import PERSON
from protocol.live_rooms import Role, RoomJoined
from protocol.users import UserLite
from stage import departures, turns
from stage.metrics import INSIDE, UNREPORTED
from stage.pulse import Pulse
from stage.room_channel import LIVE_ROOM
from stage.roster import Entered, Roster
from storage.database import Database
from storage.reach import OUT_OF_REACH
from storage.redis import RedisError

GRACE_S = 5.0
SAY_EVERY_S = 0.5
REPEAT_PAGE = 500
NO_CAPACITY = 2**31

log = structlog.get_logger()


class _Attendee(NamedTuple):
    """A user's state, as this node reports it to a roster. `joined`: by the roster's clock; None until it answers."""

    role: Role
    version: int  # of the room, when it gave the role
    user: UserLite
    joined: int | None


class Attendance:
    def __init__(
        self,
        roster: Roster,
        pulse: Pulse,
        members: Members,
        broadcaster: Broadcaster,
        database: Database,
        node: str,
    ) -> None:
        self._roster = roster
        self._pulse = pulse
        self._members = members
        self._broadcaster = broadcaster
        self._database = database
        self._node = node
        self._attendees: dict[tuple[int, int], _Attendee] = {}  # by room and user
        self._leaving: dict[tuple[int, int], asyncio.TimerHandle] = {}
        self._unreported: set[tuple[int, int]] = set()  # users whose departure the roster does not have yet
        self._unended: set[tuple[int, int]] = set()  # users whose turn has yet to be ended
        self._ejected: dict[tuple[int, int], int] = {}  # users who were removed while they entered: up to which clock
        self._background = Background("live rooms")

    # ------------------------------------------------------------------------------------------ coming and going

    async def enter(
        self,
        room_id: int,
        user_id: int,
        role: Role,
        version: int,
        capacity: int,
        *,
        user: UserLite,
        joined: int | None = None,
    ) -> Entered:
        """Enter the roster, after the user's socket has joined the room's channel. Raises RedisError.

        The user is recorded as attendee first: if the roster's answer is lost, the user leaves again like any other.
        """
        key = room_id, user_id
        coming_in = _Attendee(role, version, user, None)
        self._attendees.setdefault(key, coming_in)
        self._stay(room_id, user_id)
        entered = await self._roster.enter(room_id, user_id, self._node, role, version, capacity, joined)
        attendee = self._attendees.get(key, coming_in)
        if entered.refused is not None:
            return entered  # forgotten with the socket, unless another socket of theirs is inside or enters
        newest = max(attendee, coming_in, key=_version)
        self._attendees[key] = newest._replace(joined=max(entered.joined, attendee.joined or 0))
        INSIDE.set(len(self._attendees))
        if entered.joined <= self._ejected.get(key, 0):
            # Sent out while the answer was on its way. As the socket leaves, the user leaves the roster, too.
            return entered._replace(refused="kicked")
        if not self._is_here(room_id, user_id):  # the socket closed during the query
            self._leave_soon(room_id, user_id)
        if entered.is_new:
            self._pulse.request(room_id)
            self._announce(room_id, user, role, entered)
        if newest is not coming_in:  # the user was given a role before they were inside
            self._background.run(self.begin_turn(*key, newest.role))
        return entered

    def _announce(self, room_id: int, user: UserLite, role: Role, entered: Entered) -> None:
        """Push that a user has entered."""
        if departures.is_announced(role, entered.look.inside):
            push_id = f"room.joined:{room_id}:{user.id}:{entered.joined}"
            came = RoomJoined(id=push_id, room_id=str(room_id), user=user, role=role)
            room, user_id = LIVE_ROOM.channel(room_id), int(user.id)
            self._background.run(self._broadcaster.publish(room, came, actor_id=user_id, about=PERSON.channel(user_id)))

    def left(self, user_id: int, room_id: int, *, may_come_back: bool) -> None:
        """One of their sockets left the room. may_come_back: because it closed."""
        if self._is_here(room_id, user_id):
            return
        self._ejected.pop((room_id, user_id), None)
        if (room_id, user_id) not in self._attendees:
            return
        if may_come_back:
            self._leave_soon(room_id, user_id)
        else:
            self._background.run(self._leave(room_id, user_id))

    def is_ejected(self, user_id: int, room_id: int, before: int) -> bool:
        """Whether the user entered at or before `before`, by the roster's clock, and so must leave.

        If their entry is under way, `enter` compares it with the roster's answer, and refuses it.
        """
        key = room_id, user_id
        if not self._is_here(*key):
            return False
        attendee = self._attendees.get(key)
        if attendee is not None and attendee.joined is not None:
            return attendee.joined <= before
        self._ejected[key] = max(before, self._ejected.get(key, 0))  # under way: `enter` decides by the roster's answer
        return False

    def emptied(self, room_id: int) -> None:
        """The room has ended and its roster is closed: forget all users with sockets there."""
        for key in {(room_id, member.user_id) for member in self._members.in_channel(LIVE_ROOM.channel(room_id))}:
            self._stay(*key)
            self._ejected.pop(key, None)
            self._attendees.pop(key, None)
        INSIDE.set(len(self._attendees))
        self._pulse.forget(room_id)
        self._background.run(self._roster.forget_node(room_id, self._node))

    async def leave(self, room_id: int, user_id: int) -> None:
        """Report the departure to the roster at once, unless another socket of the user here is in the room."""
        if not self._is_here(room_id, user_id):
            await self._leave(room_id, user_id)

    def change_role(self, user_id: int, room_id: int, role: Role, version: int) -> None:
        """Note the user's role, if it is not older than the known one."""
        key = room_id, user_id
        attendee = self._attendees.get(key)
        if attendee is not None and version >= attendee.version:
            self._attendees[key] = attendee._replace(role=role, version=version)
            if attendee.role not in ON_STAGE:  # they may have entered while it was given
                self._background.run(self.begin_turn(*key, role))

    async def begin_turn(self, room_id: int, user_id: int, role: Role) -> None:
        """Begin the turn of a user who is on the stage. Raises an error of OUT_OF_REACH."""
        if role in ON_STAGE:
            async with self._database.transaction(user_id) as tx:
                await turns.begin(tx, self._roster, room_id, user_id)

    async def after_leaving(self, room_id: int, user_id: int, inside: int, role: Role) -> None:
        """The user is inside on no node any more: end their turn, and push it to the room.

        Large rooms get a push only about users on the stage.
        """
        self._pulse.request(room_id)
        try:
            await departures.publish_left(self._broadcaster, room_id, user_id, inside, role)
        except OUT_OF_REACH as error:
            log.warning("could not push to a room that a user left", room_id=room_id, error=str(error))
        if role in ON_STAGE:
            await self._end_turn(room_id, user_id)

    async def _end_turn(self, room_id: int, user_id: int) -> None:
        self._unended.discard((room_id, user_id))
        try:
            async with self._database.transaction(user_id) as tx:
                await turns.end(tx, self._roster, room_id, user_id)
        except OUT_OF_REACH as error:
            log.warning("a turn is not ended yet", room_id=room_id, error=str(error))
            self._unended.add((room_id, user_id))

    def _stay(self, room_id: int, user_id: int) -> None:
        timer = self._leaving.pop((room_id, user_id), None)
        if timer is not None:
            timer.cancel()
        self._unreported.discard((room_id, user_id))

    def _leave_soon(self, room_id: int, user_id: int) -> None:
        if (room_id, user_id) not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[room_id, user_id] = loop.call_later(
                GRACE_S, lambda: self._background.run(self._leave(room_id, user_id, GRACE_S))
            )

    async def _leave(self, room_id: int, user_id: int, missing_s: float = 0) -> None:
        key = room_id, user_id
        if self._is_here(room_id, user_id):
            if key in self._attendees:  # else they are still entering, and may fail
                self._stay(room_id, user_id)
            return
        self._stay(room_id, user_id)
        attendee = self._attendees.pop(key, None)
        INSIDE.set(len(self._attendees))
        try:
            gone = await self._roster.leave(room_id, user_id, self._node, missing_s)
        except BaseException as error:  # also at a call's deadline
            self._unreported.add(key)
            if attendee is None or attendee.role in ON_STAGE:  # the roster answers so only once
                self._unended.add(key)
            if isinstance(error, RedisError):
                return
            raise
        if gone.gone:  # the roster got a later entry after this
            # In the background: the call may hold a connection to PostgreSQL, and this needs another one.
            self._background.run(self.after_leaving(room_id, user_id, gone.inside, gone.role))

    def _is_here(self, room_id: int, user_id: int) -> bool:
        channel = LIVE_ROOM.channel(room_id)
        return any(channel in member.channels for member in self._members.of_user(user_id))

    # ------------------------------------------------------------------------------------------ after a gap

    async def repeat(self) -> None:
        """Report again to the rosters which users are here, and which have left since. Raises RedisError."""
        for key in list(self._unreported):
            await self._leave(*key)
        pending = list(self._attendees)
        for start in range(0, len(pending), REPEAT_PAGE):
            await asyncio.gather(*(self._repeat_one(*pair) for pair in pending[start : start + REPEAT_PAGE]))

    async def _repeat_one(self, room_id: int, user_id: int) -> None:
        attendee = self._attendees.get((room_id, user_id))
        if attendee is None or attendee.joined is None:  # `enter` is under way, and may be refused
            return
        # A user who was inside stays inside, whatever the capacity.
        entered = await self._roster.enter(
            room_id, user_id, self._node, attendee.role, attendee.version, NO_CAPACITY, attendee.joined
        )
        if entered.refused is not None:
            await departures.remove_user(self._broadcaster, room_id, user_id, entered.refused, before=entered.joined)
            return
        if entered.is_new:
            self._pulse.request(room_id)
            self._announce(room_id, attendee.user, attendee.role, entered)
        await self.begin_turn(room_id, user_id, attendee.role)

    async def remove_users_of(self, node: str) -> None:
        """Remove the users of a dead node from the rosters. Raises RedisError."""
        for room_id, user_ids in (await self._roster.rooms_of_node(node)).items():
            for start in range(0, len(user_ids), REPEAT_PAGE):
                page = user_ids[start : start + REPEAT_PAGE]
                await asyncio.gather(*(self._remove_one(room_id, user_id, node) for user_id in page))

    async def _remove_one(self, room_id: int, user_id: int, node: str) -> None:
        try:
            gone = await self._roster.leave(room_id, user_id, node, DEAD_AFTER_S)
        except RedisError:
            self._unended.add((room_id, user_id))  # if it was said, it will not be answered again
            raise
        if gone.gone:
            await self.after_leaving(room_id, user_id, gone.inside, gone.role)

    async def keep_reporting(self) -> None:
        """Retry to report departures to rosters and to end turns, every 0.5 s, forever."""
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            UNREPORTED.set(len(self._unreported) + len(self._unended))
            for key in list(self._unended)[:REPEAT_PAGE]:
                await self._end_turn(*key)
            try:
                for room_id, user_id in list(self._unreported)[:REPEAT_PAGE]:
                    await self._leave(room_id, user_id)
            except RedisError as error:
                log.info("could not report departures to rosters yet", error=str(error))


def _version(attendee: _Attendee) -> int:
    return attendee.version
