"""Messages on the bus: which push reaches whom, what counts as heard, and what each control message does."""

import asyncio

import pytest
from msgspec.msgpack import encode
from structlog.testing import capture_logs

from channels.bus import Bus
from channels.delivery import Item, TooMuch
from channels.hooks import Hooks, HooksByKind
from channels.kinds import Kind, Kinds
from channels.members import Claim, Hiding, Members
from channels.messages import (
    FOR_GOOD,
    AgeCorrected,
    Closed,
    DeviceLeft,
    Emptied,
    Evicted,
    HidingChanged,
    Informed,
    Joined,
    Left,
    Revoked,
    RightsChanged,
    Superseded,
    encode_push,
)
from channels.redis_keys import RedisKeys
from channels.seen_pushes import SeenPushes
from channels.subscriptions import SubscriptionFailed
from protocol.notifications import NotificationCounted
from protocol.posts import PostDeleted
from protocol.room_chat import RoomReacted
from tests.channels import people
from tests.channels.shards import FakeShards

CLOCK = 1_700_000_000_000_009
STAMP = b"%d" % CLOCK
BODY = encode(encode_push(PostDeleted(id="push", post_id="1"), 7))
# Rights of books are the owner's alone, those of films are not; papers are left, notes kept.
BOOK, FILM = Kind("book", "recheck"), Kind("film", "recheck", owner_decides=False)
PAPER, NOTE = Kind("paper", "leave"), Kind("note", "keep")


class Socket(people.Socket):
    def revoke(self, reason: str) -> None:
        self.received.append(reason)

    def supersede(self) -> None:
        self.received.append("superseded")


class Node(Hooks):
    """The collaborators of a bus on a node with that many shards; it records their calls."""

    def __init__(self, amount: int = 1) -> None:
        kinds = Kinds(BOOK, FILM, PAPER, NOTE)
        hooks = HooksByKind(kinds, dict.fromkeys(kinds, self))
        self.shards = FakeShards(amount)
        self.members = Members(kinds)
        self.bus = Bus(
            self.shards,
            RedisKeys(self.shards),
            self.members,
            self,
            self,
            self,
            kinds,
            hooks,
            self._recheck,
            "node1",
        )
        self.items: list[Item] = []
        self.log: list[tuple[object, ...]] = []
        self.fails: Exception | None = None
        self.must_leave = True

    def socket(self, user_id: int, session_id: int = 0, **channels: int) -> Socket:
        """A socket in channels, `book_1` for `book:1`, with their owners."""
        socket = Socket(user_id, session_id)
        self.members.add(socket)
        for name, owner_id in channels.items():
            self.members.join(socket, name.replace("_", ":"), owner_id)
        return socket

    async def obey(self, control: object) -> None:
        self.bus.receive(b"control", b"C" + encode(control))
        for _ in range(3):
            await asyncio.sleep(0)

    async def _recheck(self, memberships, cause: str) -> None:
        assert all(channel in member.channels for member, channel in memberships)
        self.log.append(("recheck", sorted((member.user_id, channel) for member, channel in memberships), cause))

    # Delivery and Gaps

    def take(self, item: Item) -> None:
        if self.fails is not None:
            raise self.fails
        self.items.append(item)

    def hold(self) -> None:
        self.log.append(("hold",))

    def hear(self, shard: int, clock: int) -> None:
        self.log.append(("hear", shard, clock))

    def overflow(self) -> None:
        self.log.append(("overflow",))

    async def begin(self, shards) -> str:
        self.log.append(("begin", shards))
        return "gap"

    def leave_open(self, missed: str) -> None:
        self.log.append(("leave open", missed))

    async def close(self, missed: str) -> None:
        self.log.append(("close", missed))

    # Subscriptions

    async def resume(self, shards, own) -> None:
        self.log.append(("resume", shards, own))
        if self.fails is not None:
            raise self.fails

    async def join(self, member: Socket, channel: str, owner_id: int) -> None:
        self.log.append(("join", member.user_id, channel, owner_id))
        if self.fails is not None:
            raise self.fails

    def leave(self, member: Socket, channel: str) -> None:
        assert channel in member.channels
        self.members.leave(member, channel)
        self.log.append(("leave", member.user_id, channel))

    def leave_device(self, channel: str, session_id: int, before: float) -> None:
        self.log.append(("leave device", channel, session_id, before))

    def empty(self, channel: str, keeps: int, ages: str) -> None:
        self.log.append(("empty", channel, keeps, ages))

    # Hooks

    def emptied(self, channel: str) -> None:
        self.log.append(("emptied", channel))

    def informed(self, user_id: int, channel: str, note: bytes) -> bool:
        self.log.append(("informed", user_id, channel, note))
        return self.must_leave


@pytest.fixture
def node() -> Node:
    return Node()


# ---------------------------------------------------------------------------------------------- pushes


async def test_a_push_to_a_channel_has_the_offset_of_its_shard():
    node = Node(4)
    node.bus.receive(b"3:channel:book:3", b"R" + STAMP + BODY)
    [item] = node.items
    assert (item.channel, item.user_ids) == ("book:3", ())
    written = item.written
    assert (written.id, written.actor_id, written.channel, written.shard, written.offset) == (
        "push", 7, "book:3", 3, CLOCK,
    )  # fmt: skip
    assert node.log == [("hear", 3, CLOCK)]


async def test_an_ephemeral_push_has_no_offset_and_counts_as_nothing_heard(node):
    body = encode(encode_push(RoomReacted(id="reacted", room_id="1", counts={})))
    node.bus.receive(b"0:channel:book:3", b"E" + body)
    [item] = node.items
    assert (item.channel, item.written.id, item.written.offset) == ("book:3", "reacted", 0)
    assert node.log == []


@pytest.mark.parametrize("amount", [1, 2, 4])
async def test_a_push_to_users_has_the_offset_of_their_shard(amount):
    node = Node(amount)
    node.bus.receive(b"0:node:node1", b"P" + STAMP + b"7,11\n" + BODY)
    [item] = node.items
    assert (item.channel, item.user_ids, item.written.channel) == ("", [7, 11], "")
    assert (item.written.id, item.written.shard, item.written.offset) == ("push", 7 % amount, CLOCK)
    assert node.log == [("hear", 7 % amount, CLOCK)]
    node.bus.receive(b"0:node:node1", b"P" + STAMP + b"8\n" + BODY)
    assert node.items[1].user_ids == [8]


async def test_a_push_that_is_not_kept_reaches_no_user_of_the_node_twice(node):
    """A worker may repeat it after a fault."""
    counted = encode(encode_push(NotificationCounted(id="counted", unseen_count=1)))
    for user_ids in (b"7,8", b"7,9", b"8,9"):
        node.bus.receive(b"0:node:node1", b"P" + STAMP + user_ids + b"\n" + counted)
    assert [item.user_ids for item in node.items] == [[7, 8], [9]]


def test_pushes_seen_long_ago_are_forgotten():
    seen = SeenPushes(most=2)
    assert [seen.add("push", user_id) for user_id in (1, 2, 3, 1)] == [True, True, True, False]
    assert [seen.add("push", user_id) for user_id in (4, 5, 1, 5)] == [True, True, True, False]


async def test_a_push_beyond_the_bound_of_a_hold_is_reported_as_lost(node):
    node.fails = TooMuch()
    node.bus.receive(b"0:channel:book:3", b"R" + STAMP + BODY)
    assert node.log == [("hear", 0, CLOCK), ("overflow",)]


@pytest.mark.parametrize(
    "message", [b"R", b"R" + STAMP + b"torn", b"E\xc1", b"P" + STAMP + b"x\n" + BODY, b"C\xc1", b""]
)
async def test_a_message_that_cannot_be_read_stops_nothing(node, message):
    with capture_logs() as logs:
        node.bus.receive(b"0:channel:book:3", message)
    assert [entry["event"] for entry in logs] == ["could not decode a message of the bus"]
    assert node.items == []


# ---------------------------------------------------------------------------------------------- a lost link


async def test_pushes_are_held_while_a_gap_is_closed():
    """The node listens to its own channel on each shard."""
    node = Node(3)
    await node.bus.resume([1, 2])
    await asyncio.sleep(0)
    own = ((0, "0:node:node1"), (1, "1:node:node1"), (2, "2:node:node1"), (0, "0:control"))
    assert node.log == [
        ("begin", [1, 2]), ("hold",), ("resume", {1, 2}, own), ("close", "gap"),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [TimeoutError(), asyncio.CancelledError()])
async def test_a_gap_stays_open_if_the_node_cannot_subscribe(node, error):
    node.fails = error
    with pytest.raises(type(error)):
        await node.bus.resume([0])
    await asyncio.sleep(0)
    assert [entry[0] for entry in node.log] == ["begin", "hold", "resume", "leave open"]


# ---------------------------------------------------------------------------------------------- control messages


async def test_revoked_sessions_are_told_why(node):
    phone, tablet, other, free = node.socket(1, 5), node.socket(1, 5), node.socket(2, 6), node.socket(3, 7)
    await node.obey(Revoked([5, 6, 99], "suspended"))
    assert phone.received == tablet.received == other.received == ["suspended"]
    assert free.received == []


async def test_a_claim_closes_the_sockets_of_older_claims(node):
    older, newer, entering, other = (node.socket(1) for _ in range(4))
    for socket, claim in ((older, Claim(2)), (newer, Claim(3)), (entering, Claim(0))):
        node.members.change_pid(socket, "secret")
        socket.claim = claim
    await node.obey(Superseded("secret", 2))
    assert [socket.received for socket in (older, newer, entering, other)] == [["superseded"], [], [], []]
    assert (newer.claim, entering.claim, other.claim) == (Claim(3, 2), Claim(0, 2), Claim(1))


async def test_an_eviction_rechecks_the_owners_channels_and_those_where_others_decide(node):
    node.socket(1, book_1=9, book_2=8, film_1=8, paper_1=9, paper_2=8, note_1=9)
    node.socket(2, book_1=9)
    node.socket(3, film_1=9)
    await node.obey(Evicted([1, 3], 9, "the cause"))
    assert node.log == [
        ("leave", 1, "paper:1"),
        ("recheck", [(1, "book:1"), (1, "film:1"), (3, "film:1")], "the cause"),
    ]  # fmt: skip


async def test_an_eviction_that_concerns_no_channel_asks_nothing(node):
    node.socket(1, note_1=9, book_1=8)
    await node.obey(Evicted([1, 4], 9))
    assert node.log == []


@pytest.mark.parametrize(
    ("what", "asked", "left"),
    [
        ("all", [(1, "book:1"), (2, "book:1"), (2, "film:1")], [("leave", 1, "paper:1")]),
        ("book", [(1, "book:1"), (2, "book:1")], []),
    ],
)
async def test_narrowed_rights_recheck_all_sockets_in_the_owners_channels(node, what, asked, left):
    node.socket(1, book_1=9, paper_1=9, note_1=9)
    node.socket(2, book_1=9, film_1=9, book_2=8)
    node.bus._obey(Closed(9, what, "the cause"))  # not received: only names of real kinds can be decoded
    await asyncio.sleep(0)
    assert node.log == [*left, ("recheck", asked, "the cause")]


async def test_joined_users_are_in_the_channel_at_once_and_then_subscribed(node):
    phone, tablet, other = node.socket(1), node.socket(1), node.socket(2)
    node.bus.receive(b"control", b"C" + encode(Joined([1, 99], "book:1", 9)))
    assert phone.channels == tablet.channels == {"book:1": 9}
    assert (other.channels, node.log) == ({}, [])
    await asyncio.sleep(0)
    assert node.log == [("join", 1, "book:1", 9)] * 2


async def test_a_user_who_is_told_to_leave_at_once_is_not_subscribed(node):
    phone = node.socket(1)
    node.bus.receive(b"control", b"C" + encode(Joined([1], "book:1", 9)))
    await node.obey(Left([1], "book:1"))
    assert (phone.channels, node.log) == ({}, [("leave", 1, "book:1")])


async def test_a_channel_that_cannot_be_joined_is_no_fault(node):
    node.socket(1)
    node.fails = SubscriptionFailed()
    with capture_logs() as logs:
        await node.obey(Joined([1], "book:1", 9))
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [("warning", "could not join a channel")]


async def test_users_and_devices_leave(node):
    phone, tablet, other = (node.socket(user_id, book_1=9) for user_id in (1, 1, 2))
    await node.obey(Left([1], "book:1"))
    assert (phone.channels, tablet.channels, other.channels) == ({}, {}, {"book:1": 9})
    await node.obey(DeviceLeft([2], "book:1", 5, 12.5))
    assert node.log[2:] == [("leave device", "book:1", 5, 12.5)]


async def test_a_kind_learns_that_a_channel_is_over_before_its_sockets_leave(node):
    await node.obey(Emptied("book:1"))
    assert node.log == [("emptied", "book:1"), ("empty", "book:1", 0, "all")]


async def test_a_channel_goes_on_that_minors_alone_leave(node):
    await node.obey(Emptied("book:1", 1, "minors"))
    assert node.log == [("empty", "book:1", 1, "minors")]


async def test_the_rights_of_a_user_who_turns_out_to_be_a_minor_are_checked(node):
    phone, other = node.socket(1, book_1=9, paper_2=9, note_3=9), node.socket(2, book_1=9)
    await node.obey(AgeCorrected([1], True, "the cause"))
    assert (phone.is_minor, other.is_minor) == (True, False)
    assert node.log == [("leave", 1, "paper:2"), ("recheck", [(1, "book:1")], "the cause")]
    node.log.clear()
    await node.obey(AgeCorrected([1], False, "the cause"))
    assert (phone.is_minor, node.log) == (False, [])


@pytest.mark.parametrize("must_leave", [True, False])
async def test_a_note_may_make_users_leave(node, must_leave):
    node.must_leave = must_leave
    node.socket(1, book_1=9)
    node.socket(1, book_2=9)
    node.socket(2, book_1=9)
    await node.obey(Informed([1, 99], "book:1", b"note"))
    told = [("informed", 1, "book:1", b"note"), ("informed", 99, "book:1", b"note")]
    left = [("leave", 1, "book:1")]
    assert node.log == [told[0], *(left if must_leave else []), told[1]]


async def test_doubted_users_in_the_channel_are_rechecked(node):
    node.socket(1, book_1=9)
    node.socket(1, book_2=9)
    node.socket(2, book_1=9)
    await node.obey(RightsChanged([1, 99], "book:1", "the cause"))
    assert node.log == [("recheck", [(1, "book:1")], "the cause")]


async def test_a_change_of_hiding_also_reaches_sign_ins_under_way(node):
    for user_id in (1, 2, 3):
        node.socket(user_id)
    with node.members.loading_hiding(1) as changes:
        await node.obey(HidingChanged([1, 2], 7, FOR_GOOD, 0))
    assert changes == [(7, Hiding(FOR_GOOD, 0))]
    assert {*node.members.hides_from(7, "book:1")} == {1, 2}
