"""The index of a node's sockets: look-ups by each key, removal without leftovers, and hidden actors."""

import pytest

from channels import members as module
from channels.members import Hiding, Members
from channels.messages import FOR_GOOD
from gateway.channel_kinds import KINDS
from tests.channels.people import Socket

POST, AUTHOR, LIVE, OTHER = "post:1", "author:5", "live:1", "post:2"
ALWAYS, POSTS = Hiding(FOR_GOOD, 0), Hiding(0, FOR_GOOD)
NOW = 1_000.0


class Clock:
    """Replaces the module `time`."""

    now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def indexed(members: Members) -> list[int]:
    """Return the size of each index, to check that nothing stays behind."""
    return [len(index) for name, index in vars(members).items() if name not in ("_hiding_notes", "_kinds")]


def test_sockets_are_found_by_all_their_keys():
    members = Members(KINDS)
    phone, tablet, other = Socket(1, 11), Socket(1, 12), Socket(2, 21)
    assert members.add(phone)
    assert not members.add(tablet)
    assert members.add(other)
    assert {*members.of_user(1)} == {phone, tablet}
    assert {*members.of_session(12)} == {tablet}
    assert {*members.of_pid(other.pid)} == {other}
    assert {*members.all} == {phone, tablet, other}
    assert sorted(members.users) == [1, 2]
    for found in (members.of_user(9), members.of_session(9), members.of_pid("9"), members.in_channel("9")):
        assert not found
    assert not members.channels_of_owner(9)


def test_the_last_socket_of_a_user_leaves_nothing_behind():
    members = Members(KINDS)
    phone, tablet = Socket(1, 11), Socket(1, 11)
    members.add(phone)
    members.add(tablet)
    members.hide(1, {7: ALWAYS})
    for socket in (phone, tablet):
        members.join(socket, POST, 5)
    assert not members.remove(phone)
    assert phone.channels == {}
    assert {*members.in_channel(POST)} == {tablet}
    assert {*members.channels_of_owner(5)} == {POST}
    assert {*members.of_session(11)} == {tablet}
    assert {*members.hides_from(7, POST)} == {1}
    assert members.remove(tablet)
    assert not any(indexed(members))


def test_a_service_is_no_device_of_its_user():
    members, phone, service = Members(KINDS), Socket(1, 11), Socket(1, 12, is_device=False)
    members.add(service)
    members.hide(1, {7: ALWAYS})
    assert ({*members.of_user(1)}, members.has_device(1), members.users) == ({service}, False, [])
    members.add(phone)
    assert (members.has_device(1), members.users) == (True, [1])
    assert members.remove(phone)
    assert {*members.hides_from(7, POST)} == {1}
    assert not members.remove(service)
    assert not any(indexed(members))


def test_rooms_and_their_owners():
    members = Members(KINDS)
    one, two = Socket(1), Socket(2)
    members.add(one)
    members.add(two)
    assert members.join(one, POST, 5)
    assert members.join(two, POST, 5)
    assert members.join(one, OTHER, 5)
    assert one.channels == {POST: 5, OTHER: 5}
    assert {*members.channels_of_owner(5)} == {POST, OTHER}
    assert sorted(members.channels) == [POST, OTHER]
    members.leave(one, POST)
    assert {*members.in_channel(POST)} == {two}
    assert {*members.channels_of_owner(5)} == {POST, OTHER}
    members.leave(one, OTHER)
    assert members.channels == [POST]
    assert {*members.channels_of_owner(5)} == {POST}
    members.leave(one, OTHER)  # once more
    assert one.channels == {}


def test_a_socket_outside_the_index_joins_no_channel():
    members, gone, here = Members(KINDS), Socket(1), Socket(1)
    members.add(here)
    assert not members.is_here(gone)
    assert members.is_here(here)
    assert not members.join(gone, POST, 5)
    assert (gone.channels, [*members.in_channel(POST)], members.channels) == ({}, [], [])


def test_a_new_pid_replaces_the_first():
    members, here, gone = Members(KINDS), Socket(1, pid="first"), Socket(2, pid="first")
    members.add(here)
    members.change_pid(here, "second")
    assert here.pid == "second"
    assert not members.of_pid("first")
    assert {*members.of_pid("second")} == {here}
    members.change_pid(gone, "second")
    assert gone.pid == "second"
    assert {*members.of_pid("second")} == {here}


def test_channels_left_during_a_load_are_recorded_even_if_not_joined():
    members, one, two = Members(KINDS), Socket(1), Socket(2)
    for socket in (one, two):
        members.add(socket)
        members.join(socket, POST, 5)
    with members.noting_left(one) as left:
        members.leave(one, POST)
        members.leave(one, OTHER)
        members.leave(two, POST)
        with members.noting_left(one) as later:
            members.leave(one, LIVE)
        members.leave(one, AUTHOR)
    members.leave(one, POST)
    assert left == [POST, OTHER, LIVE, AUTHOR]
    assert later == [LIVE]


def test_no_changes_are_recorded_after_the_last_load():
    members = Members(KINDS)
    with pytest.raises(RuntimeError), members.loading_hiding(1):
        raise RuntimeError
    with members.noting_left(Socket(1)):
        pass
    assert not any(map(len, (members._hiding_notes, members._leaving_notes)))


def test_changes_are_recorded_for_all_concurrent_loads_and_apply_at_once():
    members = Members(KINDS)
    members.add(Socket(1))
    with members.loading_hiding(1) as first, members.loading_hiding(1) as second, members.loading_hiding(2) as others:
        members.change_hiding(1, 7, ALWAYS)
        members.set_hiding(1, 8, ALWAYS)  # loaded, not changed
    assert first == second == [(7, ALWAYS)]
    assert others == []
    assert {*members.hides_from(7, LIVE)} == {*members.hides_from(8, LIVE)} == {1}


@pytest.mark.parametrize(
    ("hiding", "of_posts", "elsewhere"), [(ALWAYS, True, True), (POSTS, True, False), (Hiding(0, 0), False, False)]
)
def test_a_mute_of_posts_hides_in_posts_alone(hiding, of_posts, elsewhere):
    members = Members(KINDS)
    members.add(Socket(1))
    members.set_hiding(1, 7, hiding)
    for channel, hides in ((POST, of_posts), (AUTHOR, of_posts), (LIVE, elsewhere), ("", elsewhere)):
        assert (1 in members.hides_from(7, channel)) is hides, channel
        assert members.hidden_from(1, [7, 8], channel) == ({7} if hides else set()), channel
    assert members.hidden_from(2, [7], POST) == set()


def test_hiding_ends_when_the_longest_of_it_does(clock):
    members = Members(KINDS)
    members.add(Socket(1))
    members.set_hiding(1, 7, Hiding(NOW + 10, NOW + 20))
    members.set_hiding(1, 8, Hiding(NOW + 20, NOW + 10))

    def hiding() -> list[set[int]]:
        found = [{actor for actor in (7, 8) if members.hides_from(actor, channel)} for channel in (POST, LIVE)]
        assert found == [members.hidden_from(1, [7, 8], channel) for channel in (POST, LIVE)]
        return found

    assert hiding() == [{7, 8}, {7, 8}]
    clock.now = NOW + 10
    assert hiding() == [{7, 8}, {8}]
    clock.now = NOW + 20
    assert hiding() == [set(), set()]


def test_loaded_hiding_replaces_earlier_hiding():
    members = Members(KINDS)
    members.add(Socket(1))
    members.add(Socket(2))
    members.hide(1, {7: ALWAYS, 8: ALWAYS})
    members.hide(2, {7: ALWAYS})
    members.hide(1, {8: ALWAYS, 9: Hiding(0, 0)})
    assert [{*members.hides_from(actor, LIVE)} for actor in (7, 8, 9)] == [{2}, {1}, set()]
    members.set_hiding(1, 8, Hiding(0, 0))
    members.set_hiding(2, 7, Hiding(0, 0))
    members.set_hiding(2, 6, Hiding(0, 0))
    assert not members._hiding
    assert not any(members._hidden_from.values())


def test_nothing_is_kept_about_users_without_a_socket():
    members = Members(KINDS)
    members.change_hiding(1, 7, ALWAYS)
    members.hide(1, {8: ALWAYS})
    assert not any(indexed(members))
