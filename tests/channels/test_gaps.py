"""Gaps: from where a node reads after a lost link, what it delivers, and who must load afresh."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from redis.exceptions import RedisError

from channels import gaps as module
from channels.delivery import Delivery, Item
from channels.gaps import Gaps, Missed
from channels.kinds import Kind, Kinds
from channels.locations import RECOVERY_WINDOW_S
from channels.members import Members
from channels.messages import Written
from channels.recovery import BEGIN, Offset
from channels.redis_keys import RedisKeys
from tests.channels import people
from tests.channels.people import act
from tests.channels.shards import FakeShards

NOW, SINCE, END = 10_000.0, 500, 900  # s on the node; when the data began and the gap ended, by the shards' clocks
BOOK, NOISE = Kind("book", "keep"), Kind("noise", "keep", is_logged=False)


class Socket(people.Socket):
    delay: float | None = None

    def start_afresh(self, delay_s: float) -> None:
        self.delay = delay_s


def push(push_id: str, channel: str, clock: int, shard: int = 0) -> Written:
    return replace(act(push_id, channel), shard=shard, offset=clock)


class Node:
    """A node with so many shards, and the services of its gaps."""

    is_rechecked = True

    def __init__(self, amount: int = 1) -> None:
        self.now = NOW
        self.shards = FakeShards(amount)
        self.shards.answers[None, "INFO"] = b"# Server\r\nrun_id:abc\r\nport:1\r\n"
        self.shards.answers[None, BEGIN] = (b"%d" % END, b"%d" % SINCE)
        kinds = Kinds(BOOK, NOISE)
        self.members = Members(kinds)
        self.delivery = Delivery(self.members)
        self.gaps = Gaps(self.shards, RedisKeys(self.shards), self.members, self.delivery, self, kinds, self._recheck)
        self.log: list[tuple[object, ...]] = []
        self.logs: dict[str, list[Written] | None] = {}
        self.inboxes: dict[int, list[Written] | None] = {}
        self.fails: list[Exception] = []  # at the next readings
        self.on_recheck = lambda: None

    def monotonic(self) -> float:
        return self.now

    def socket(self, user_id: int, *channels: str) -> Socket:
        socket = Socket(user_id, pid=f"pid of {user_id}")
        self.members.add(socket)
        for channel in channels:
            self.members.join(socket, channel, 9)
        return socket

    def heard(self, clock: int = 700) -> None:
        for shard in range(self.shards.amount):
            self.gaps.hear(shard, clock)

    async def lose(self, *shards: int) -> Missed:
        missed = await self.gaps.begin([*shards] or [0])
        self.delivery.hold()
        return missed

    async def _recheck(self) -> bool:
        self.log.append(("recheck",))
        self.on_recheck()
        return self.is_rechecked

    async def read_channels(self, since: dict[str, Offset]) -> dict[str, list[Written] | None]:
        self.now += 1
        self.log.append(("read", since))
        if self.fails:
            raise self.fails.pop(0)
        return {channel: self.logs.get(channel, []) for channel in since}

    async def read_inboxes(self, since: dict[int, Offset]) -> dict[int, list[Written] | None]:
        self.log.append(("read inboxes", since))
        return {user_id: self.inboxes.get(user_id, []) for user_id in since}

    def forget(self, user_id: int, pid: str) -> None:
        self.log.append(("forget", user_id, pid))

    def did(self, *steps: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.log if entry[0] in steps]


@pytest.fixture
def make_node(monkeypatch):
    """Make a node with a clock of its own, which advances by a second each time that logs are read."""

    def make(amount: int = 1) -> Node:
        node = Node(amount)
        monkeypatch.setattr(module, "time", node)
        return node

    return make


@pytest.fixture
def node(make_node) -> Node:
    return make_node()


# ---------------------------------------------------------------------------------------------- beginning


async def test_a_gap_begins_at_the_newest_clock_that_was_heard(node):
    node.heard(700)
    node.gaps.hear(0, 600)  # a message that was under way
    assert await node.lose() == Missed({0: Offset(0, 700)}, {0: END}, {0: NOW})
    assert node.shards.log == [(0, "INFO", "server"), (0, BEGIN, ["0:clock"], ["abc"])]


async def test_the_servers_info_may_be_text(node):
    node.shards.answers[None, "INFO"] = "run_id:abc\r\n"
    await node.lose()
    assert node.shards.log[1][-1] == ["abc"]


async def test_every_shard_of_the_link_has_its_own_clocks(make_node):
    node = make_node(4)
    node.gaps.hear(2, 702)
    node.now += 5
    node.gaps.hear(3, 703)
    node.shards.answers[3, BEGIN] = (b"903", b"704")  # another server, which has lost something
    assert await node.lose(2, 3) == Missed({2: Offset(2, 702), 3: None}, {2: END, 3: 903}, {2: NOW, 3: NOW + 5})
    assert [entry[:2] for entry in node.shards.log] == [(2, "INFO"), (2, BEGIN), (3, BEGIN)]


@pytest.mark.parametrize(("clock", "is_whole"), [(SINCE - 1, False), (SINCE, True), (SINCE + 1, True)])
async def test_data_that_begin_after_what_was_heard_are_not_whole(node, clock, is_whole):
    node.heard(clock)
    assert (await node.lose()).since == {0: Offset(0, clock) if is_whole else None}


@pytest.mark.parametrize(("silence", "is_whole"), [(RECOVERY_WINDOW_S - 1, True), (RECOVERY_WINDOW_S, False)])
async def test_pushes_are_kept_only_for_the_window_of_recovery(node, silence, is_whole):
    node.heard(700)
    node.now += silence
    assert (await node.lose()).since == {0: Offset(0, 700) if is_whole else None}


async def test_a_node_that_has_heard_nothing_yet_has_missed_everything(node):
    assert (await node.lose()).since == {0: None}


async def test_a_link_that_is_lost_again_has_missed_everything_since_the_first_time(node):
    """A push that arrives while the gap is open does not close it."""
    node.heard(700)
    first = await node.lose()
    node.now += 5
    node.heard(800)
    second = await node.lose()
    assert (second.since, second.heard_at) == ({0: Offset(0, 700)}, {0: NOW})
    assert second is not first
    node.now = NOW + RECOVERY_WINDOW_S
    assert (await node.lose()).since == {0: None}
    node.now = NOW
    assert (await node.lose()).since == {0: None}


# ---------------------------------------------------------------------------------------------- closing


async def test_missed_pushes_are_delivered_in_order_before_waiting_ones(node):
    alice, bob = node.socket(1, "book:1", "book:2"), node.socket(2, "book:1")
    node.heard(700)
    missed = await node.lose()
    node.delivery.take(Item("book:1", (), push("newer", "book:1", 905)))
    node.logs = {"book:1": [push("two", "book:1", 802)], "book:2": [push("three", "book:2", 803)]}
    node.inboxes = {1: [push("one", "", 801)]}
    await node.gaps.close(missed)
    assert alice.heard == ["one", "two", "three", "newer"]
    assert bob.heard == ["two", "newer"]
    assert node.log == [
        ("read", dict.fromkeys(("book:1", "book:2"), Offset(0, 700))),
        ("read inboxes", dict.fromkeys((1, 2), Offset(0, 700))), ("recheck",),
    ]  # fmt: skip
    assert (alice.delay, bob.delay, node.delivery.is_held) == (None, None, False)


async def test_waiting_pushes_that_the_log_holds_too_are_delivered_once(node):
    alice, bob = node.socket(1, "book:1"), node.socket(2, "book:1")
    node.heard(700)
    missed = await node.lose()
    both, personal = push("both", "book:1", 801), push("personal", "", 802)
    waiting = (Item("book:1", (), both), Item("", (1, 2), personal), Item("", (1,), personal))
    for item in (*waiting, Item("book:1", (), push("newer", "book:1", 905)), Item("", (2,), push("his", "", 906))):
        node.delivery.take(item)
    node.logs, node.inboxes = {"book:1": [both]}, {1: [personal]}
    await node.gaps.close(missed)
    assert alice.heard == ["both", "personal", "newer"]
    assert bob.heard == ["both", "personal", "newer", "his"]


async def test_one_id_in_two_channels_is_two_pushes(node):
    alice = node.socket(1, "book:1", "book:2")
    node.heard(700)
    missed = await node.lose()
    node.delivery.take(Item("book:2", (), push("same", "book:2", 905)))
    node.logs, node.inboxes = {"book:1": [push("same", "book:1", 801)]}, {1: [push("same", "", 802)]}
    await node.gaps.close(missed)
    assert [written.channel for written in alice.received] == ["book:1", "", "book:2"]


async def test_channels_without_a_log_are_not_read(node):
    node.socket(1, "noise:1", "book:1")
    node.socket(2, "noise:2")
    node.heard(700)
    await node.gaps.close(await node.lose())
    assert node.did("read") == [("read", {"book:1": Offset(0, 700)})]


@pytest.mark.parametrize("kind", ["noise", "book"])
async def test_a_shard_whose_data_are_not_whole_makes_its_sockets_load_afresh(make_node, kind):
    node = make_node(2)
    reader, other = node.socket(2, f"{kind}:1"), node.socket(4, f"{kind}:2")
    node.gaps.hear(0, 700)
    missed = await node.lose(0, 1)
    assert missed.since == {0: Offset(0, 700), 1: None}
    node.on_recheck = lambda: node.log.append(("told", reader.delay))
    await node.gaps.close(missed)
    assert other.delay is None
    if kind == "book":
        # Its record is gone before `recheck` renews its place, and not once more after that.
        assert node.log[-3:] == [("forget", 2, "pid of 2"), ("recheck",), ("told", None)]
        assert reader.delay == 0
    else:
        assert (node.did("forget"), reader.delay) == ([], None)


async def test_only_the_lost_shards_are_read(make_node):
    node = make_node(4)
    node.heard(700)
    for user_id in (8, 9, 10):
        node.socket(user_id, "book:1", "book:2")
    await node.gaps.close(await node.lose(2))
    assert node.did("read", "read inboxes") == [
        ("read", {"book:2": Offset(2, 700)}), ("read inboxes", {10: Offset(2, 700)}),
    ]  # fmt: skip


async def test_users_whose_inboxes_are_not_whole_load_afresh(make_node):
    node = make_node(4)
    alice, bob = node.socket(8), node.socket(10)
    node.heard(700)
    node.shards.answers[2, BEGIN] = (b"%d" % END, b"800")
    await node.gaps.close(await node.lose(2))
    assert (alice.delay, bob.delay) == (None, 0)


async def test_sockets_whose_logs_do_not_reach_back_load_afresh_one_after_another(node):
    readers = [node.socket(user_id, "book:1") for user_id in (1, 2)]
    phone, other = node.socket(3), node.socket(4, "book:2")
    node.heard(700)
    node.logs, node.inboxes = {"book:1": None, "book:2": [push("two", "book:2", 801)]}, {3: None}
    await node.gaps.close(await node.lose())
    assert sorted(socket.delay for socket in (*readers, phone)) == [0, 0.001, 0.002]
    assert (other.delay, other.heard) == (None, ["two"])
    assert sorted(node.did("forget")) == [("forget", number, f"pid of {number}") for number in (1, 2, 3)]


async def test_if_rights_cannot_be_rechecked_nothing_is_replayed_and_all_load_afresh(node):
    alice = node.socket(1, "book:1")
    node.heard(700)
    node.logs, node.is_rechecked = {"book:1": [push("one", "book:1", 801)]}, False
    missed = await node.lose()
    node.delivery.take(Item("book:1", (), push("newer", "book:1", 905)))
    await node.gaps.close(missed)
    assert (alice.heard, alice.delay, node.did("forget")) == (["newer"], 0, [("forget", 1, "pid of 1")])


async def test_after_an_overflow_all_load_afresh_once(node):
    alice = node.socket(1, "book:1")
    node.heard(700)
    node.logs = {"book:1": [push("one", "book:1", 801)]}
    missed = await node.lose()
    node.gaps.overflow()
    await node.gaps.close(missed)
    assert (alice.heard, alice.delay) == ([], 0)
    alice.delay = None
    await node.gaps.close(await node.lose())
    assert (alice.heard, alice.delay) == (["one"], None)


async def test_a_closed_gap_is_forgotten_and_its_end_counts_as_heard(node):
    node.heard(700)
    await node.gaps.close(await node.lose())
    node.now += 50
    assert await node.lose() == Missed({0: Offset(0, END)}, {0: END}, {0: NOW})


@pytest.mark.parametrize("error", [RedisError("away"), OSError()])
async def test_a_server_that_does_not_answer_is_asked_again(node, monkeypatch, error):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    alice = node.socket(1, "book:1")
    node.heard(700)
    node.logs, node.fails = {"book:1": [push("one", "book:1", 801)]}, [error, error]
    await node.gaps.close(await node.lose())
    assert (alice.heard, alice.delay, slept) == (["one"], None, [module.RETRY_S] * 2)
    assert module.RETRY_S > 0
    assert len(node.did("recheck")) == 1


async def test_a_server_that_does_not_answer_for_long_makes_all_load_afresh(node, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0)
    alice = node.socket(1, "book:1")
    node.heard(700)
    node.fails = [RedisError("away")] * 99
    await node.gaps.close(await node.lose())
    assert alice.delay == 0
    assert len(node.did("read")) == module.CLOSE_WITHIN_S
    assert node.did("recheck") == []


async def test_a_fault_makes_all_load_afresh_at_once(node):
    alice = node.socket(1, "book:1")
    node.heard(700)
    node.fails = [RuntimeError()]
    await node.gaps.close(await node.lose())
    assert (alice.delay, len(node.did("read")), node.delivery.is_held) == (0, 1, False)


# ---------------------------------------------------------------------------------------------- lost again


async def test_a_gap_whose_link_is_lost_again_stays_open_and_drops_waiting_pushes(make_node):
    """Pushes of other shards that wait are delivered."""
    node = make_node(2)
    alice = node.socket(2, "book:1", "book:2")
    node.heard(700)
    missed = await node.lose(1)
    node.delivery.take(Item("book:1", (), push("in the log", "book:1", 905, shard=1)))
    node.delivery.take(Item("book:2", (), push("of another shard", "book:2", 906, shard=0)))
    node.shards.down, node.fails = {1}, [RedisError("away")]
    await node.gaps.close(missed)
    assert (alice.heard, alice.delay, node.delivery.is_held) == (["of another shard"], None, False)
    node.shards.down = set()
    assert (await node.lose(1)).since == {1: Offset(1, 700)}


async def test_a_push_to_a_user_that_was_dropped_so_is_told_by_the_next_gap(make_node):
    node = make_node(2)
    alice = node.socket(3, "book:1")
    node.heard(700)
    missed = await node.lose(1)
    node.delivery.take(Item("", (3,), push("one", "", 905, shard=1)))
    node.shards.down, node.fails = {1}, [RedisError("away")]
    await node.gaps.close(missed)
    assert alice.heard == []
    node.shards.down, node.inboxes = set(), {3: [push("one", "", 905, shard=1)]}
    await node.gaps.close(await node.lose(1))
    assert alice.heard == ["one"]


async def test_an_older_gap_leaves_everything_to_the_newer_one(node):
    alice = node.socket(1, "book:1")
    node.heard(700)
    older = await node.lose()
    newer = await node.lose()
    node.logs = {"book:1": [push("one", "book:1", 801)]}
    node.delivery.take(Item("book:1", (), push("newer", "book:1", 905)))
    await node.gaps.close(older)
    assert alice.heard == []
    await node.gaps.close(newer)
    assert alice.heard == ["one", "newer"]
    assert alice.delay is None


# ---------------------------------------------------------------------------------------------- hearing


async def test_time_counts_as_heard_while_nothing_is_published(make_node, monkeypatch):
    node, slept = make_node(4), []

    class Enough(Exception):
        """The test has seen enough rounds."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 2:
            raise Enough
        node.now += seconds

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(FakeShards, "by_link", [[0], [1], [2, 3]])
    node.shards.answers[None, "TIME"] = (b"7", b"12")
    node.shards.answers[1, "TIME"] = RedisError("away")
    node.shards.down = {0}
    with pytest.raises(Enough):
        await node.gaps.keep_hearing()
    assert slept == [module.HEARTBEAT_S] * 3
    assert node.shards.log == [(1, "TIME"), (2, "TIME")] * 2
    assert node.gaps._heard == [0, 0, 7_000_011, 7_000_011]
    assert node.gaps._heard_at == [0.0, 0.0, node.now, node.now]


async def test_reading_is_paged(node, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        node.socket(number, f"book:{number}")
    node.heard(700)
    await node.gaps.close(await node.lose())
    for what in ("read", "read inboxes"):
        assert [len(since) for _, since in node.did(what)] == [2, 2, 1]
        assert len({key for _, since in node.did(what) for key in since}) == 5
