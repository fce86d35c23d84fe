"""A node subscribes once to each channel that a socket here is in, and no longer than that."""

import asyncio

import pytest
from redis.exceptions import RedisError

from channels import subscriptions as module
from channels.hooks import Hooks, HooksByKind
from channels.kinds import Kind, Kinds
from channels.members import Members
from channels.redis_keys import RedisKeys
from channels.subscriptions import SubscriptionFailed, Subscriptions
from tests.channels.people import Socket
from tests.channels.shards import FakeShards

BOOK = Kind("book", "keep")


class World(Hooks):
    """The services of subscriptions on a node with two shards, and the hooks of its channels."""

    is_held = False

    def __init__(self) -> None:
        self.shards = FakeShards(2)
        self.members = Members(Kinds(BOOK))
        hooks = HooksByKind(Kinds(BOOK), {BOOK: self})
        self.subscriptions = Subscriptions(self.shards, RedisKeys(self.shards), self.members, self, self, hooks)
        self.told: list[tuple[int, str, bool]] = []
        self.forgotten: list[tuple[int, str, str]] = []

    def left(self, user_id: int, channel: str, *, may_come_back: bool) -> None:
        self.told.append((user_id, channel, may_come_back))

    def forget_channel(self, user_id: int, pid: str, channel: str) -> None:
        self.forgotten.append((user_id, pid, channel))

    def socket(self, user_id: int = 1, **fields) -> Socket:
        socket = Socket(user_id, **fields)
        self.members.add(socket)
        return socket

    @property
    def subscribed(self) -> list[str]:
        """The SUBSCRIBEs (+) and UNSUBSCRIBEs (-), in order, by shard."""
        return [f"{sign}{shard} {channel}" for sign, shard, channel in self.shards.log]


@pytest.fixture
def world() -> World:
    return World()


async def pending(world: World, *sockets: Socket) -> list["asyncio.Task[None]"]:
    """Let sockets join `book:1`; Redis has not confirmed it yet."""
    world.shards.confirms = False
    joining = [asyncio.create_task(world.subscriptions.join(socket, "book:1", 9)) for socket in sockets]
    await asyncio.sleep(0)
    return joining


# ---------------------------------------------------------------------------------------------- joining


async def test_a_channel_is_subscribed_to_once_on_its_shard(world):
    alice, bob = world.socket(1), world.socket(2)
    for socket in (alice, bob):
        await world.subscriptions.join(socket, "book:1", 9)
    await world.subscriptions.join(alice, "book:2", 9)
    assert world.subscribed == ["+1 1:channel:book:1", "+0 0:channel:book:2"]
    assert alice.channels == {"book:1": 9, "book:2": 9}
    assert {*world.members.in_channel("book:1")} == {alice, bob}


async def test_a_socket_that_has_closed_joins_nothing(world):
    gone = Socket(1)
    await world.subscriptions.join(gone, "book:1", 9)
    assert (world.subscribed, gone.channels) == ([], {})


async def test_joining_waits_for_the_confirmation_which_two_sockets_share(world):
    joining = await pending(world, world.socket(1), world.socket(2))
    assert not any(task.done() for task in joining)
    [confirmation] = world.shards.confirmations
    confirmation.set_result(None)
    await asyncio.gather(*joining)
    await world.subscriptions.join(world.socket(3), "book:1", 9)
    assert world.subscribed == ["+1 1:channel:book:1"]


async def test_a_refused_subscription_fails_all_waiting_joins(world):
    alice, bob = world.socket(1), world.socket(2)
    joining = await pending(world, alice, bob)
    world.shards.confirmations[0].set_exception(RedisError("away"))
    ended = await asyncio.gather(*joining, return_exceptions=True)
    assert [str(error) for error in ended if isinstance(error, SubscriptionFailed)] == ["book:1", "book:1"]
    assert (alice.channels, bob.channels) == ({}, {})
    assert world.told == [(1, "book:1", False), (2, "book:1", False)]
    assert world.subscribed == ["+1 1:channel:book:1"]  # there is nothing to unsubscribe from
    world.shards.confirms = True
    await world.subscriptions.join(alice, "book:1", 9)
    assert world.subscribed == ["+1 1:channel:book:1"] * 2


async def test_without_a_link_nothing_is_joined(world):
    alice = world.socket(1)
    world.shards.down = {1}
    with pytest.raises(SubscriptionFailed):
        await world.subscriptions.join(alice, "book:1", 9)
    assert alice.channels == {}
    world.shards.down = set()
    await world.subscriptions.join(alice, "book:1", 9)
    assert world.subscribed == ["+1 1:channel:book:1"]


async def test_a_cancelled_join_does_not_cancel_other_joins(world):
    alice, bob = world.socket(1), world.socket(2)
    hers, his = await pending(world, alice, bob)
    hers.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hers
    assert (alice.channels, world.told) == ({}, [(1, "book:1", False)])
    world.shards.confirmations[0].set_result(None)
    await his
    assert bob.channels == {"book:1": 9}
    assert world.subscribed == ["+1 1:channel:book:1"]


async def test_a_channel_left_before_its_confirmation_is_unsubscribed(world):
    alice = world.socket(1)
    [joining] = await pending(world, alice)
    world.subscriptions.leave(alice, "book:1")
    assert world.subscribed == ["+1 1:channel:book:1"]
    world.shards.confirmations[0].set_result(None)
    await joining
    assert world.subscribed == ["+1 1:channel:book:1", "-1 1:channel:book:1"]


# ---------------------------------------------------------------------------------------------- leaving


async def test_a_socket_that_leaves_is_forgotten_in_its_session_and_the_last_one_unsubscribes(world):
    alice, bob = world.socket(1, pid="hers"), world.socket(2, pid="his")
    for socket in (alice, bob):
        await world.subscriptions.join(socket, "book:1", 9)
    world.subscriptions.leave(alice, "book:1")
    assert (alice.channels, world.forgotten, world.told) == ({}, [(1, "hers", "book:1")], [(1, "book:1", False)])
    assert world.subscribed == ["+1 1:channel:book:1"]
    world.subscriptions.leave(bob, "book:1")
    assert world.subscribed[1:] == ["-1 1:channel:book:1"]
    await world.subscriptions.join(bob, "book:1", 9)
    assert world.subscribed[2:] == ["+1 1:channel:book:1"]


async def test_leaving_a_channel_that_the_socket_is_not_in_still_ends_its_recovery(world):
    alice = world.socket(1, pid="hers")
    world.subscriptions.leave(alice, "book:1")
    assert (world.told, world.forgotten) == ([], [(1, "hers", "book:1")])


async def test_older_sockets_of_a_session_leave_with_a_device(world):
    old, same, new = (world.socket(1, session_id=5) for _ in range(3))
    other, outside = world.socket(1, session_id=6), world.socket(1, session_id=5)
    for socket, connected_at in ((old, 1.0), (same, 2.0), (new, 3.0), (other, 1.0), (outside, 1.0)):
        socket.connected_at = connected_at
        if socket is not outside:
            await world.subscriptions.join(socket, "book:1", 9)
    assert world.subscriptions.leave_device("book:1", 5, 2.0) is True
    assert {*world.members.in_channel("book:1")} == {same, new, other}
    assert world.forgotten == [(1, old.pid, "book:1")]
    assert world.subscriptions.leave_device("book:1", 5, 2.0) is False


async def test_an_emptied_channel_is_unsubscribed_and_stays_in_the_sessions(world):
    """A client that reconnects must learn what became of the channel."""
    for user_id in (1, 2):
        await world.subscriptions.join(world.socket(user_id), "book:1", 9)
    world.subscriptions.empty("book:1")
    assert not world.members.in_channel("book:1")
    assert world.subscribed == ["+1 1:channel:book:1", "-1 1:channel:book:1"]
    assert (world.told, world.forgotten) == ([], [])


async def test_users_of_one_age_leave_a_channel(world):
    child, author, adult = world.socket(1), world.socket(2), world.socket(3)
    child.is_minor = author.is_minor = True
    for socket in (child, author, adult):
        await world.subscriptions.join(socket, "book:1", 9)
    world.subscriptions.empty("book:1", keeps=2, ages="minors")
    assert {*world.members.in_channel("book:1")} == {author, adult}


async def test_a_closed_socket_leaves_all_its_channels_and_may_come_back(world):
    phone, tablet = world.socket(1), world.socket(1)
    for socket in (phone, tablet):
        await world.subscriptions.join(socket, "book:1", 9)
    await world.subscriptions.join(phone, "book:2", 9)
    assert world.subscriptions.remove(phone) is False
    assert world.subscribed[2:] == ["-0 0:channel:book:2"]
    assert not world.members.is_here(phone)
    assert world.subscriptions.remove(tablet) is True
    assert world.subscribed[3:] == ["-1 1:channel:book:1"]
    assert world.forgotten == []


async def test_the_kind_of_a_channel_is_told_that_a_closed_socket_may_come_back(world):
    alice = world.socket(1)
    for channel in ("book:1", "book:2"):
        await world.subscriptions.join(alice, channel, 9)
    world.subscriptions.remove(alice)
    assert sorted(world.told) == [(1, "book:1", True), (1, "book:2", True)]


# ---------------------------------------------------------------------------------------------- after a lost link


async def test_after_a_lost_link_the_node_subscribes_again_to_its_channels(world):
    alice = world.socket(1)
    for channel in ("book:1", "book:2", "book:3"):
        await world.subscriptions.join(alice, channel, 9)
    world.shards.log.clear()
    await world.subscriptions.resume({1}, [(1, "1:node:n"), (0, "0:control")])
    assert sorted(world.subscribed) == ["+1 1:channel:book:1", "+1 1:channel:book:3", "+1 1:node:n"]


async def test_channels_joined_while_the_link_was_down_count_as_subscribed_after_it(world):
    alice, bob = world.socket(1), world.socket(2)
    world.members.join(alice, "book:1", 9)
    await world.subscriptions.resume({1}, [])
    await world.subscriptions.join(bob, "book:1", 9)
    assert world.subscribed == ["+1 1:channel:book:1"]


async def test_subscribing_again_is_paged_and_waits_for_all(world, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    world.shards.confirms = False
    alice = world.socket(1)
    for number in range(1, 10, 2):
        world.members.join(alice, f"book:{number}", 9)
    resuming = asyncio.create_task(world.subscriptions.resume({1}, []))
    seen = []
    while not resuming.done():
        await asyncio.sleep(0)
        if waiting := [each for each in world.shards.confirmations if not each.done()]:
            seen.append(len(waiting))
            for each in waiting:
                each.set_result(None)
    assert seen == [2, 2, 1]
    assert len({*world.subscribed}) == 5


async def test_a_link_that_is_lost_again_while_it_subscribes_is_reported(world):
    world.members.join(world.socket(1), "book:1", 9)
    world.shards.down = {1}
    with pytest.raises(RedisError):
        await world.subscriptions.resume({1}, [])


@pytest.mark.parametrize(
    ("down", "is_held", "is_whole"), [((), False, True), ((1,), False, False), ((), True, False), ((1,), True, False)]
)
def test_a_node_is_whole_while_its_links_are_up_and_no_gap_is_being_closed(world, down, is_held, is_whole):
    world.shards.down, world.is_held = {*down}, is_held
    assert world.subscriptions.is_whole is is_whole
