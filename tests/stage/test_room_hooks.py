"""Live rooms are updated when sockets leave, lose the right to stay, or recover."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from channels.hooks import RecoveredClient
from channels.recovery import WatchedChannel
from protocol.live_rooms import RoomRemoved
from stage import room_hooks as module
from stage.room_channel import Ejected, RoleChanged, decode_note, encode_note
from stage.room_hooks import RoomHooks
from storage.live_rooms import Stay
from tests.channels.people import Socket, user

SEAT = Stay(capacity=10, role="speaker", version=4)


class World:
    """The attendance, the broadcaster and the database of a node, which record what is done and answer as set."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.told: list[tuple[list[int], RoomRemoved]] = []
        self.seats: dict[int, Stay] = {}  # by room: those of user 1
        self.ended: set[int] = set()
        self.refused: dict[int, str] = {}  # by room: why the roster refuses
        self.hooks = RoomHooks(self, self, self)

    # Attendance

    def left(self, user_id: int, room_id: int, *, may_come_back: bool) -> None:
        self.log.append(("left", user_id, room_id, may_come_back))

    def emptied(self, room_id: int) -> None:
        self.log.append(("emptied", room_id))

    def is_ejected(self, user_id: int, room_id: int, before: int) -> bool:
        self.log.append(("ejected?", user_id, room_id, before))
        return before > 100

    def change_role(self, user_id: int, room_id: int, role: str, version: int) -> None:
        self.log.append(("role", user_id, room_id, role, version))

    async def enter(self, room_id, user_id, role, version, capacity, *, user, joined):
        self.log.append(("enter", room_id, user_id, role, version, capacity, user.username, joined))
        return SimpleNamespace(refused=self.refused.get(room_id))

    async def begin_turn(self, room_id: int, user_id: int, role: str) -> None:
        self.log.append(("turn", room_id, user_id, role))

    # Broadcaster

    async def inform(self, user_ids: list[int], channel: str, note: bytes) -> None:
        self.log.append(("inform", user_ids, channel, type(decode_note(note))))

    async def publish_to_users(self, user_ids: list[int], push: RoomRemoved) -> None:
        self.told.append((user_ids, push))

    # Database and storage.live_rooms

    Stay = Stay

    @asynccontextmanager
    async def transaction(self, user_id: int):
        yield user_id

    async def may_stay(self, tx: int, pairs: list[tuple[int, int]]):
        return {(room_id, who): self.seats[room_id] for room_id, who in pairs if room_id in self.seats and who == tx}

    async def has_ended(self, tx: int, room_id: int) -> bool:
        return room_id in self.ended

    async def rejoin(self, *room_ids: int, missed_ids: tuple[str, ...] = ()):
        """User 1 comes back to these rooms, which they joined at 50, with the third claim of the session."""
        channels = {f"live:{room_id}": WatchedChannel(9, 50) for room_id in room_ids}
        return await self.hooks.rejoin(RecoveredClient(Socket(1, pid="pid"), user(1), 3, channels, missed_ids))


@pytest.fixture
def world(monkeypatch) -> World:
    world = World()
    monkeypatch.setattr(module, "live_rooms", world)
    return world


@pytest.mark.parametrize("may_come_back", [True, False])
def test_attendance_is_told_who_left_and_which_room_is_over(world, may_come_back):
    world.hooks.left(1, "live:7", may_come_back=may_come_back)
    world.hooks.emptied("live:7")
    assert world.log == [("left", 1, 7, may_come_back), ("emptied", 7)]


@pytest.mark.parametrize(("before", "must_leave"), [(100, False), (101, True)])
def test_a_user_who_is_ejected_leaves_unless_they_came_in_later(world, before, must_leave):
    assert world.hooks.informed(1, "live:7", encode_note(Ejected(before))) is must_leave
    assert world.log == [("ejected?", 1, 7, before)]


def test_a_user_whose_role_changes_stays(world):
    assert world.hooks.informed(1, "live:7", encode_note(RoleChanged("cohost", 5))) is False
    assert world.log == [("role", 1, 7, "cohost", 5)]


def test_a_recheck_tells_the_role_that_a_node_may_have_missed(world):
    world.hooks.stays(1, "live:7", SEAT)
    world.hooks.stays(1, "live:8", None)
    assert world.log == [("role", 1, 7, "speaker", 4)]


async def test_users_who_may_not_stay_are_told_why_and_once(world):
    phone, tablet, other = Socket(1), Socket(1), Socket(2)
    seats = [(phone, "live:7"), (tablet, "live:7"), (other, "live:7"), (phone, "live:8")]
    await world.hooks.lost(seats, {"live:8"}, "the cause")
    assert [(user_ids, push.room_id, push.reason, push.id) for user_ids, push in world.told] == [
        ([1], "7", "access", "room.removed:7:1:the cause"),
        ([2], "7", "access", "room.removed:7:2:the cause"),
        ([1], "8", "ended", "room.removed:8:1:the cause"),
    ]
    assert world.log == [
        ("inform", [1], "live:7", Ejected), ("inform", [2], "live:7", Ejected), ("inform", [1], "live:8", Ejected),
    ]  # fmt: skip


async def test_a_recovered_client_returns_to_the_roster_and_to_its_turn(world):
    world.seats = {7: SEAT, 8: SEAT._replace(role="listener")}
    assert await world.rejoin(7, 8) == ([], [])
    assert world.log == [
        ("enter", 7, 1, "speaker", 4, 10, "user1", 50), ("turn", 7, 1, "speaker"),
        ("enter", 8, 1, "listener", 4, 10, "user1", 50), ("turn", 8, 1, "listener"),
    ]  # fmt: skip


async def test_a_recovered_client_is_told_why_it_may_not_return(world):
    world.seats, world.refused, world.ended = {6: SEAT, 7: SEAT, 10: SEAT}, {7: "kicked"}, {8}
    rejoined = await world.rejoin(6, 7, 8, 9, 10)
    assert rejoined.refused == ["live:7", "live:8", "live:9"]
    assert [(written.event, written.id, written.channel) for written in rejoined.now] == [
        ("room.removed", "room.removed:7:pid:3", "live:7"),
        ("room.removed", "room.removed:8:pid:3", "live:8"),
        ("room.removed", "room.removed:9:pid:3", "live:9"),
    ]
    assert [
        f'"{reason}"'.encode() in written.json
        for written, reason in zip(rejoined.now, ("kicked", "ended", "access"), strict=True)
    ] == [True] * 3
    assert [entry[:2] for entry in world.log if entry[0] == "turn"] == [("turn", 6), ("turn", 10)]


async def test_a_client_that_is_told_by_the_replay_is_not_told_again(world):
    rejoined = await world.rejoin(7, 70, missed_ids=("room.removed:7:1:cause",))
    assert rejoined.refused == ["live:7", "live:70"]
    assert [written.channel for written in rejoined.now] == ["live:70"]
