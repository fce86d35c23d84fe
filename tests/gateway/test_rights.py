"""Rights in channels: what stays open to a user, and what happens to the sockets that lose a channel."""

from contextlib import asynccontextmanager

import pytest

from channels.hooks import Hooks, HooksByKind
from channels.kinds import Kind, Kinds, Membership
from gateway import rights as module
from gateway.rights import Rights
from storage.database import Conflict, DatabaseUnavailable
from tests.channels.people import Socket


class Books(Hooks):
    """A kind of channel whose rights and ends the test sets; it records what its hooks are told."""

    def __init__(self, prefix: str, log: list[tuple[object, ...]]) -> None:
        self.kind = Kind(prefix, on_change="recheck", may_be_in=self._may_be_in, ended_among=self._ended_among)
        self.open: set[Membership] = set()
        self.ended: set[str] = set()
        self.asked: list[tuple[str, list[Membership]]] = []
        self._log = log

    async def _may_be_in(self, tx, memberships):
        self.asked.append((tx, sorted(memberships)))
        return {membership: {"row of": membership} for membership in memberships if membership in self.open}

    async def _ended_among(self, tx, channels):
        self._log.append(("asked for ends", sorted(channels)))
        return self.ended & {*channels}

    def stays(self, user_id, channel, row):
        self._log.append(("stays", user_id, channel, row))

    def emptied(self, channel):
        self._log.append(("emptied", channel))

    async def lost(self, memberships, ended, cause):
        self._log.append(("lost", [(member.user_id, channel) for member, channel in memberships], {*ended}, cause))


class World:
    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.fails: Exception | None = None
        self.books, self.films = Books("book", self.log), Books("film", self.log)
        kinds = Kinds(self.books.kind, self.films.kind)
        hooks = HooksByKind(kinds, {self.books.kind: self.books, self.films.kind: self.films})
        self.rights = Rights(self, self, kinds, hooks)

    @asynccontextmanager
    async def transaction(self, viewer_id: int | None = None):
        if self.fails is not None:
            raise self.fails
        yield f"tx of {viewer_id}"

    def leave(self, member: Socket, channel: str) -> None:
        del member.channels[channel]
        self.log.append(("leaves", member.user_id, channel))

    def said(self, *words: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.log if entry[0] in words]


@pytest.fixture
def world() -> World:
    return World()


def sitting(user_id: int, *channels: str) -> Socket:
    return Socket(user_id, channels=dict.fromkeys(channels, 9))


async def test_the_channels_that_are_open_to_a_user(world):
    world.books.open, world.films.open = {(1, "book:1"), (2, "book:2")}, {(1, "film:1")}
    assert await world.rights.open_to(1, ["book:1", "book:2", "film:1"]) == {"book:1", "film:1"}
    assert world.books.asked == [("tx of 1", [(1, "book:1"), (1, "book:2")])]
    assert world.films.asked == [("tx of 1", [(1, "film:1")])]


async def test_without_channels_the_database_is_not_asked(world):
    world.fails = AssertionError()
    assert await world.rights.open_to(1, []) == set()


async def test_users_who_may_stay_are_not_disturbed(world):
    world.books.open = {(1, "book:1")}
    alice = sitting(1, "book:1")
    await world.rights.recheck([(alice, "book:1")])
    assert alice.channels == {"book:1": 9}
    assert world.log == [("stays", 1, "book:1", {"row of": (1, "book:1")})]
    assert world.books.asked == [("tx of None", [(1, "book:1")])]


async def test_sockets_that_may_not_stay_leave_before_users_are_told(world):
    world.books.open = {(1, "book:1")}
    alice, phone, tablet, carol = sitting(1, "book:1"), sitting(2, "book:1"), sitting(2, "book:1"), sitting(3, "film:1")
    memberships = [(alice, "book:1"), (phone, "book:1"), (tablet, "book:1"), (carol, "film:1")]
    await world.rights.recheck(memberships, "the cause")
    assert alice.channels == {"book:1": 9}
    assert phone.channels == tablet.channels == carol.channels == {}
    assert world.said("leaves", "lost", "emptied") == [
        ("leaves", 2, "book:1"), ("leaves", 2, "book:1"), ("leaves", 3, "film:1"),
        ("lost", [(2, "book:1"), (2, "book:1")], set(), "the cause"),
        ("lost", [(3, "film:1")], set(), "the cause"),
    ]  # fmt: skip
    assert sorted(world.said("asked for ends")) == [("asked for ends", ["book:1"]), ("asked for ends", ["film:1"])]


async def test_a_kind_whose_sockets_all_stay_is_not_told(world):
    world.books.open = {(1, "book:1")}
    await world.rights.recheck([(sitting(1, "book:1"), "book:1"), (sitting(3, "film:1"), "film:1")])
    assert world.said("lost") == [("lost", [(3, "film:1")], set(), "")]


async def test_an_ended_channel_is_emptied_once_and_before_its_sockets_leave(world):
    world.books.ended = {"book:1", "book:7"}
    memberships = [(sitting(1, "book:1"), "book:1"), (sitting(2, "book:1"), "book:1"), (sitting(3, "book:2"), "book:2")]
    await world.rights.recheck(memberships)
    assert world.said("emptied", "leaves") == [
        ("emptied", "book:1"), ("leaves", 1, "book:1"), ("leaves", 2, "book:1"), ("leaves", 3, "book:2"),
    ]  # fmt: skip
    assert world.said("lost") == [("lost", [(1, "book:1"), (2, "book:1"), (3, "book:2")], {"book:1"}, "")]


async def test_ends_are_found_in_every_kind(world):
    world.books.ended, world.films.ended = {"book:1"}, {"film:1"}
    await world.rights.recheck([(sitting(1, "book:1"), "book:1"), (sitting(1, "film:1"), "film:1")])
    assert world.said("lost") == [
        ("lost", [(1, "book:1")], {"book:1", "film:1"}, ""), ("lost", [(1, "film:1")], {"book:1", "film:1"}, ""),
    ]  # fmt: skip


async def test_a_socket_that_has_left_meanwhile_is_not_told(world):
    """It left while PostgreSQL was asked."""
    world.books.ended = {"book:1"}
    await world.rights.recheck([(sitting(1), "book:1")])
    assert world.said("leaves", "lost", "emptied") == []


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), Conflict(), TimeoutError()])
async def test_all_leave_if_the_database_does_not_answer(world, error):
    """It is not known whether the channel has ended, so nothing is forgotten of it."""
    world.fails, world.books.open, world.books.ended = error, {(1, "book:1")}, {"book:1"}
    alice = sitting(1, "book:1")
    await world.rights.recheck([(alice, "book:1")], "the cause")
    assert alice.channels == {}
    assert world.log == [("leaves", 1, "book:1"), ("lost", [(1, "book:1")], set(), "the cause")]


async def test_a_fault_is_not_taken_for_a_missing_answer(world):
    world.fails = RuntimeError()
    alice = sitting(1, "book:1")
    with pytest.raises(RuntimeError):
        await world.rights.recheck([(alice, "book:1")])
    assert alice.channels == {"book:1": 9}


async def test_seats_are_asked_in_pages(world, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    members = [sitting(number, "book:1") for number in range(5)]
    await world.rights.recheck([(member, "book:1") for member in members])
    assert [[user_id for user_id, _ in memberships] for _, memberships in world.books.asked] == [[0, 1], [2, 3], [4]]
    assert all(member.channels == {} for member in members)


async def test_without_seats_nothing_is_asked(world):
    world.fails = AssertionError()
    await world.rights.recheck([])
    assert world.log == []
