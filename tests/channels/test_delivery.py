"""Delivery of pushes to sockets and its order: alone, gathered, in slices, held back."""

import asyncio

import pytest
from msgspec.structs import replace

from channels import delivery as module
from channels.delivery import Delivery, Item, TooMuch
from channels.members import Hiding
from channels.messages import FOR_GOOD
from protocol.live_rooms import RoomAudience
from protocol.room_chat import RoomReacted
from tests.channels.people import Socket, act, members_in, stage

ROOM, LIVE = "post:1", "live:1"
ALWAYS = Hiding(FOR_GOOD, 0)


@pytest.fixture
def gathering(monkeypatch):
    """Make everything after the first write wait for the next loop turn."""
    monkeypatch.setattr(module, "HOT_WRITES", 1)


async def deliver(delivery: Delivery, *items: Item) -> None:
    for item in items:
        delivery.take(item)
    await delivery.settled()


def in_channel(*pushes) -> list[Item]:
    return [Item(each.channel, (), each) for each in pushes]


async def test_a_push_alone_is_written_at_once_to_its_room_or_users():
    members, [alice, bob] = members_in(ROOM, 1, 2)
    tablet, outside = Socket(1), Socket(3)
    members.add(tablet)
    members.add(outside)
    delivery = Delivery(members)
    delivery.take(Item(ROOM, (), act("to the channel")))
    delivery.take(Item("", (1, 3, 4), act("to people", "")))
    assert alice.heard == ["to the channel", "to people"]
    assert bob.heard == ["to the channel"]
    assert tablet.heard == outside.heard == ["to people"]


@pytest.mark.parametrize("people", [(), (1, 2, 3)])
async def test_pushes_of_hidden_actors_are_not_written(people):
    members, [alice, bob, carol] = members_in(ROOM, 1, 2, 3)
    members.set_hiding(1, 3, ALWAYS)
    delivery = Delivery(members)
    delivery.take(Item(ROOM, people, act("hers", actor_id=3)))
    delivery.take(Item(ROOM, people, act("nobody's")))
    assert alice.heard == ["nobody's"]
    assert bob.heard == carol.heard == ["hers", "nobody's"]


@pytest.mark.parametrize("people", [(), (1, 2, 3)])
async def test_pushes_for_one_age_reach_it_and_their_author_is_no_minor_to_them(people):
    members, [child, author, adult] = members_in(ROOM, 1, 2, 3)
    child.is_minor = author.is_minor = True
    delivery = Delivery(members)
    for ages in ("adults", "minors"):
        delivery.take(Item(ROOM, people, replace(act(ages, actor_id=2), ages=ages)))
    assert (child.heard, author.heard, adult.heard) == (["minors"], ["adults"], ["adults"])


async def test_hidden_users_are_removed_from_pushes_that_show_them():
    members, sockets = members_in(LIVE, 1, 2, 3, 4)
    alice, bob, carol, dina = sockets
    members.set_hiding(1, 7, ALWAYS)
    members.set_hiding(2, 7, ALWAYS)
    members.set_hiding(2, 8, ALWAYS)
    members.set_hiding(4, 9, ALWAYS)  # a user whom the push does not show
    delivery = Delivery(members)
    whole = stage("stage", LIVE, [7, 8])
    delivery.take(Item(LIVE, (), whole))
    shown = [[number for number in (b'"7"', b'"8"') if number in socket.received[0].json] for socket in sockets]
    assert shown == [[b'"8"'], [], [b'"7"', b'"8"'], [b'"7"', b'"8"']]
    assert carol.received[0] is whole  # not encoded again
    assert dina.received[0] is whole
    assert all(b"user7" not in socket.received[0].msgpack for socket in (alice, bob))


async def test_gathered_pushes_are_written_together_and_in_order(gathering):
    members, [alice, bob] = members_in(ROOM, 1, 2)
    delivery = Delivery(members)
    pushes = [act(f"push {number}") for number in range(5)]
    await deliver(delivery, *in_channel(*pushes))
    for socket in (alice, bob):
        first, rest = socket.received
        assert first is pushes[0]
        assert socket.heard == [f"push {number}" for number in range(5)]
        assert rest.msgpack == b"".join(each.msgpack for each in pushes[1:])
        assert rest.json == b"".join(each.json for each in pushes[1:])
        assert (rest.pushes, rest.offset, rest.flow, rest.channel) == (4, pushes[-1].offset, "recover", ROOM)


async def test_pushes_are_gathered_only_under_load(gathering):
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for number in range(1, 4):
        await deliver(delivery, *in_channel(act(f"a{number}"), act(f"b{number}")))
        delivery.take(Item(ROOM, (), act(f"c{number}")))
        assert alice.heard[-1] == f"b{number}"  # c waits, because many writes were made just now
    await delivery.settled()
    await asyncio.sleep(3 * module.GATHER_S)  # the timer runs out with nothing to do
    delivery.take(Item(ROOM, (), act("at once")))
    assert alice.heard[-1] == "at once"


@pytest.mark.parametrize(("window_s", "waits"), [(60.0, True), (0.0, False)])
async def test_only_writes_within_a_window_count_as_load(monkeypatch, window_s, waits):
    monkeypatch.setattr(module, "HOT_WRITES", 3)
    monkeypatch.setattr(module, "GATHER_S", window_s)
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for number in range(4):
        delivery.take(Item(ROOM, (), act(f"push {number}")))
        await asyncio.sleep(0.001)  # the clock advances
    assert (alice.heard[-1] == "push 2") is waits
    delivery.hold()
    delivery.release((), lambda item: item)
    assert alice.heard == [f"push {number}" for number in range(4)]


@pytest.mark.parametrize("hidden", [0, 1, 2])
async def test_hiding_applies_to_gathered_pushes(gathering, hidden):
    """The hidden actor's push is the first, the last, or one between others."""
    members, [alice, bob] = members_in(ROOM, 1, 2)
    members.set_hiding(1, 9, ALWAYS)
    pushes = [act(f"push {number}", actor_id=9 if number == hidden else 8) for number in range(3)]
    await deliver(Delivery(members), *in_channel(act("before"), *pushes))
    assert alice.heard == ["before", *(f"push {number}" for number in range(3) if number != hidden)]
    assert bob.heard == ["before", "push 0", "push 1", "push 2"]


@pytest.mark.parametrize("place", [0, 1])
async def test_pushes_that_show_users_are_not_gathered(gathering, place):
    members, [alice, bob] = members_in(LIVE, 1, 2)
    members.set_hiding(1, 7, ALWAYS)
    pushes = [act("plain", LIVE)]
    pushes.insert(place, stage("stage", LIVE, [7, 8]))
    await deliver(Delivery(members), *in_channel(act("before", LIVE), *pushes))
    assert len(alice.received) == len(bob.received) == 3
    assert b"user7" not in b"".join(each.json for each in alice.received)
    assert b"user7" in b"".join(each.json for each in bob.received)


async def test_only_pushes_to_the_same_target_are_gathered(gathering):
    members, [alice, bob] = members_in(ROOM, 1, 2)
    members.join(alice, "post:2", 0)
    items = [
        *in_channel(act("before")),
        *in_channel(act("a"), act("b")),
        *in_channel(act("other channel", "post:2")),
        Item(ROOM, (1,), act("to alice")),
        Item(ROOM, (2,), act("to bob")),
        *in_channel(act("dropped 1", kind=RoomReacted), act("dropped 2", kind=RoomReacted)),
        *in_channel(act("newest 1", kind=RoomAudience), act("newest 2", kind=RoomAudience)),
    ]
    await deliver(Delivery(members), *items)
    assert [[part.id for part in each.parts or (each,)] for each in alice.received] == [
        ["before"], ["a", "b"], ["other channel"], ["to alice"], ["dropped 1", "dropped 2"], ["newest 1"], ["newest 2"],
    ]  # fmt: skip
    assert bob.heard == ["before", "a", "b", "to bob", "dropped 1", "dropped 2", "newest 1", "newest 2"]


async def test_the_bytes_of_one_write_are_bounded(gathering, monkeypatch):
    members, [alice] = members_in(ROOM, 1)
    pushes = [act(f"push {number}") for number in range(7)]
    monkeypatch.setattr(module, "MOST_BYTES_IN_ONE_WRITE", 2 * len(pushes[0].msgpack))
    await deliver(Delivery(members), *in_channel(*pushes))
    assert [each.pushes for each in alice.received] == [1, 2, 2, 2]
    assert alice.heard == [each.id for each in pushes]


@pytest.mark.parametrize("people", [2, 4, 7])
async def test_a_large_room_is_served_in_slices_and_no_socket_twice(monkeypatch, people):
    monkeypatch.setattr(module, "SLICE_WRITES", 2)
    members, sockets = members_in(ROOM, *range(1, people + 1))
    delivery = Delivery(members)
    delivery.take(Item(ROOM, (), act("first")))
    assert sum(len(socket.received) for socket in sockets) == 2
    await deliver(delivery, *in_channel(act("second")), Item("", (1,), act("third", "")))
    both = ["first", "second"]
    assert [socket.heard for socket in sockets] == [[*both, "third"], *[both] * (people - 1)]


async def test_a_slice_yields_to_the_event_loop(monkeypatch, gathering):
    monkeypatch.setattr(module, "SLICE_WRITES", 2)
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for number in range(6):
        delivery.take(Item(ROOM, (), act(f"push {number}", kind=RoomAudience)))
    seen: list[int] = []
    settled = asyncio.create_task(delivery.settled())
    while not settled.done():
        seen.append(len(alice.received))
        await asyncio.sleep(0)
    assert {1, 3, 5} <= {*seen}  # one at once, then two at a time
    assert len([number for number in seen if number > 1]) < 1_000  # turns of the loop: it does not poll
    assert alice.heard == [f"push {number}" for number in range(6)]


async def test_waiting_pushes_are_bounded(gathering, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for number in range(3):
        delivery.take(Item(ROOM, (), act(f"push {number}")))
    assert alice.heard == ["push 0"]
    delivery.take(Item(ROOM, (), act("push 3")))
    assert alice.heard == ["push 0", "push 1", "push 2", "push 3"]


async def test_held_pushes_are_delivered_after_those_of_the_log():
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    assert not delivery.is_held
    delivery.hold()
    assert delivery.is_held
    for name in ("both", "new", "dropped"):
        delivery.take(Item(ROOM, (), act(name)))
    settled = asyncio.create_task(delivery.settled())
    await asyncio.sleep(0)
    assert alice.heard == []
    assert not settled.done()
    first = in_channel(act("missed"), act("both"))
    delivery.release(first, lambda item: None if item.written.id in ("both", "dropped") else item)
    await settled
    assert alice.heard == ["missed", "both", "new"]
    assert not delivery.is_held
    delivery.take(Item(ROOM, (), act("at once")))
    assert alice.heard[-1] == "at once"


async def test_pushes_from_before_the_hold_stay_first(gathering):
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for name in ("at once", "waited"):
        delivery.take(Item(ROOM, (), act(name)))
    delivery.hold()
    delivery.take(Item(ROOM, (), act("held")))
    delivery.release(in_channel(act("missed")), lambda item: item if item.written.id != "waited" else None)
    await delivery.settled()
    assert alice.heard == ["at once", "waited", "missed", "held"]


async def test_an_earlier_timer_delivers_nothing_during_a_hold(gathering):
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    for name in ("at once", "waits"):
        delivery.take(Item(ROOM, (), act(name)))
    delivery.hold()
    await asyncio.sleep(3 * module.GATHER_S)
    assert alice.heard == ["at once"]
    delivery.release((), lambda item: item)
    assert alice.heard == ["at once", "waits"]


async def test_delivery_continues_after_an_empty_hold(gathering):
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    delivery.take(Item(ROOM, (), act("before")))
    delivery.hold()
    delivery.release((), lambda item: item)
    delivery.take(Item(ROOM, (), act("after")))
    assert alice.heard == ["before", "after"]


async def test_two_holds_need_two_releases_and_keep_their_order():
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    delivery.hold()
    delivery.take(Item(ROOM, (), act("held 1")))
    delivery.hold()
    delivery.take(Item(ROOM, (), act("held 2")))
    delivery.release(in_channel(act("missed 1")), lambda item: item)
    assert delivery.is_held
    assert alice.heard == []
    delivery.release(in_channel(act("missed 2")), lambda item: item)
    assert not delivery.is_held
    assert alice.heard == ["missed 1", "missed 2", "held 1", "held 2"]


async def test_held_back_pushes_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    delivery.hold()
    for name in ("1", "2"):
        delivery.take(Item(ROOM, (), act(name)))
    with pytest.raises(TooMuch):
        delivery.take(Item(ROOM, (), act("3")))
    delivery.release((), lambda item: item)
    assert alice.heard == ["1", "2"]


async def test_gathered_pushes_wait_for_milliseconds(gathering):
    members, _ = members_in(ROOM, 1)
    delivery = Delivery(members)
    delivery.take(Item(ROOM, (), act("at once")))
    assert 0 < delivery._timer.when() - asyncio.get_running_loop().time() <= 0.01


async def test_settled_waits_only_for_pushes_already_taken(gathering):
    members, [alice] = members_in(ROOM, 1)
    delivery = Delivery(members)
    await delivery.settled()
    delivery.take(Item(ROOM, (), act("at once")))
    delivery.take(Item(ROOM, (), act("waits")))
    waiting = asyncio.create_task(delivery.settled())
    gone = asyncio.create_task(delivery.settled())
    await asyncio.sleep(0)
    gone.cancel()
    await waiting
    assert alice.heard == ["at once", "waits"]


async def test_a_push_of_sums_is_left_to_others_for_those_who_hide_users():
    members, [alice, bob, carol] = members_in(ROOM, 1, 2, 3)
    members.set_hiding(1, 9, ALWAYS)
    members.set_hiding(2, 9, ALWAYS)
    members.set_hiding(2, 9, Hiding(0, 0))
    left: list[tuple[list[int], str]] = []
    own = {"post.deleted": lambda to, written: left.append(([each.user_id for each in to], written.id))}
    delivery = Delivery(members, own)
    delivery.take(Item(ROOM, (), act("sums")))
    delivery.take(Item(ROOM, (), act("its author is hidden", actor_id=9)))
    assert left == [([1], "sums"), ([], "its author is hidden")]
    assert alice.heard == []
    assert bob.heard == carol.heard == ["sums", "its author is hidden"]
