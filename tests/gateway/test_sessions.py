"""A socket joins its session and leaves it: in which order, and what is undone when something fails or closes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from redis.exceptions import RedisError

from channels.kinds import Kind, Kinds
from channels.members import FIRST_CLAIM, NO_CLAIM, Claim, Hiding, Members
from channels.messages import FOR_GOOD, Superseded
from channels.metrics import RECOVERIES
from channels.recovery import Claimed, Offset, WatchedChannel
from channels.subscriptions import SubscriptionFailed
from engine.close_reasons import CloseReason
from gateway import sessions as module
from gateway.admission import Refused, Unavailable
from gateway.replay import Recovered
from gateway.sessions import ReturningClient, Sessions
from presence.reports import Chosen
from protocol.errors import CallError
from storage.database import Conflict, DatabaseUnavailable
from tests.channels.people import Socket

ENTERED, CLAIMED, LAST = Offset(0, 200), Offset(0, 300), Offset(0, 100)
BACK = ReturningClient("secret", LAST)
RECOVERED = Recovered([], [])
ROW = {
    "id": 1, "username": "alice", "display_name": "Alice", "avatar_url": None, "is_verified": False, "bio": "",
    "is_private": False, "follower_count": 0, "following_count": 0, "post_count": 0,
    "created_at": datetime(2026, 1, 1, tzinfo=UTC), "follows": False, "followed_by": False, "requested": False,
    "blocks": False, "mutes": False, "presence_status": "busy", "presence_text": "in a call", "presence_version": 4,
    "hidden": [7], "hidden_until": [FOR_GOOD], "posts_hidden_until": [0], "is_minor": False,
}  # fmt: skip
HIS = Kind("his", "keep", at_sign_in=lambda row: {"his:1": 5, "his:2": 6})
BOOK = Kind("book", "keep", most_per_socket=3)


class World:
    """The services of a session. `log` tells their order; `on` runs something at a step, which may fail."""

    is_whole = True

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.on: dict[str, Callable[[], None]] = {}
        self.claimed: Claimed | None = None
        self.recovered: Recovered | None = None
        self.row: dict[str, object] | None = ROW
        kinds = Kinds(HIS, BOOK)
        self.members = Members(kinds)
        services = SimpleNamespace(presence=self, broadcaster=self)
        self.sessions = Sessions(services, self.members, self, self, self, self, self, kinds)
        self.socket = Socket(1, session_id=2, pid="new", claim=NO_CLAIM, is_minor=True)

    def _step(self, *entry: object) -> None:
        self.log.append(entry)
        if entry[0] in self.on:
            self.on[entry[0]]()

    def closes(self) -> None:
        """The socket closes during a step, as `Connection.closed` handles it."""
        self.sessions.leave(self.socket, goodbye=False)
        self.log.clear()

    def did(self, *steps: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.log if entry[0] in steps]

    # Recovery

    async def enter(self, user_id: int, session_id: int, pid: str) -> Offset:
        self._step("enter", user_id, session_id, pid)
        return ENTERED

    async def claim(self, user_id: int, session_id: int, pid: str, last: Offset):
        self._step("claim", user_id, session_id, pid, last)
        return self.claimed and (self.claimed, Superseded(pid, self.claimed.number - 1), "older node")

    def remember_channel(self, user_id: int, pid: str, channel: str, owner_id: int) -> "asyncio.Future[None]":
        self._step("remember", user_id, pid, channel, owner_id)
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(None)
        return answer

    def renew(self, user_id: int, pid: str) -> None:
        self._step("renew", user_id, pid)

    def forget(self, user_id: int, pid: str) -> None:
        self._step("forget", user_id, pid)

    # Subscriptions, and Recovery and Sessions for `leave`

    def leave(self, *what: object, goodbye: bool | None = None) -> None:
        if goodbye is None:
            member, channel = what
            self.members.leave(member, channel)
            self._step("leave channel", channel)
        else:
            self._step("leave session", *what, goodbye)

    def leave_device(self, channel: str, session_id: int, before: float) -> bool:
        self._step("leave device", channel, session_id, before)
        return self.older_was_in

    async def join(self, member: Socket, channel: str, owner_id: int) -> None:
        self._step("join", channel, owner_id)
        self.members.join(member, channel, owner_id)

    def remove(self, member: Socket) -> bool:
        return self.members.remove(member)

    # SignIns, Replay, Delivery, Tracker, Broadcaster

    async def load(self, session_id: int, user_id: int):
        self._step("load", session_id, user_id)
        return self.row

    async def recover(self, member: Socket, claimed: Claimed, last: Offset, user):
        self._step("recover", claimed, last, user.username)
        return self.recovered

    async def settled(self) -> None:
        self._step("settled")

    def came(self, user_id: int, chosen: Chosen) -> None:
        self._step("came", user_id, chosen)

    def went(self, user_id: int) -> None:
        self._step("went", user_id)

    async def send_to_node(self, node: str, control: object) -> None:
        self._step("tell", node, control)


@pytest.fixture
def world() -> World:
    return World()


def claimed(*channels: str) -> Claimed:
    return Claimed(CLAIMED, 3, {channel: WatchedChannel(5, 50) for channel in channels}, [])


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


# ---------------------------------------------------------------------------------------------- joining


async def test_a_new_socket_stands_in_redis_before_its_user_is_loaded(world):
    welcome = await world.sessions.join(world.socket, None)
    assert world.log == [
        ("enter", 1, 2, "new"), ("load", 2, 1), ("join", "his:1", 5), ("join", "his:2", 6), ("settled",),
        ("came", 1, Chosen("busy", "in a call", 4)),
    ]  # fmt: skip
    assert (welcome.user.username, welcome.offset, welcome.recovered) == ("alice", ENTERED, None)
    assert world.socket.channels == {"his:1": 5, "his:2": 6}
    assert (world.socket.pid, world.socket.claim, world.socket.is_minor) == ("new", FIRST_CLAIM, False)
    assert world.members.is_here(world.socket)


async def test_a_service_has_no_record_and_joins_no_channel_by_itself(world):
    world.claimed, world.socket.is_device = claimed("book:1"), False
    welcome = await world.sessions.join(world.socket, BACK)
    assert (welcome.user.username, welcome.offset, welcome.recovered) == ("alice", None, None)
    assert (world.socket.pid, world.socket.channels) == ("new", {})
    assert [*world.members.of_session(2)] == [world.socket]
    assert (await world.sessions.enter_again(world.socket))[1] is None
    assert world.did("enter", "claim", "join") == []


async def test_hiding_is_loaded_and_changes_during_the_query_win(world):
    until = Hiding(FOR_GOOD, 0)
    world.members.set_hiding(1, 9, until)  # nobody is here yet: not kept
    world.on["load"] = lambda: [
        world.members.change_hiding(1, 7, Hiding(0, 0)), world.members.change_hiding(1, 8, until),
    ]  # fmt: skip
    await world.sessions.join(world.socket, None)
    assert [{*world.members.hides_from(actor_id, "book:1")} for actor_id in (7, 8, 9)] == [set(), {1}, set()]


async def test_a_channel_that_the_socket_is_told_to_leave_while_its_user_is_loaded_is_not_joined(world):
    world.on["load"] = lambda: world.members.leave(world.socket, "his:1")
    await world.sessions.join(world.socket, None)
    assert world.socket.channels == {"his:2": 6}


async def test_rows_of_unequal_length_are_not_taken_for_hiding(world):
    world.row = {**ROW, "hidden_until": []}
    with pytest.raises(ValueError):
        await world.sessions.join(world.socket, None)


async def test_an_ended_session_is_refused(world):
    world.row = None
    with pytest.raises(Refused) as refused:
        await world.sessions.join(world.socket, None)
    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", "revoked")
    assert world.did("join", "came") == []


@pytest.mark.parametrize("error", [RedisError(), DatabaseUnavailable(), Conflict(), TimeoutError()])
@pytest.mark.parametrize("step", ["enter", "load", "join", "settled"])
async def test_a_service_that_does_not_answer_lets_the_client_reconnect(world, step, error):
    world.on[step] = failing(SubscriptionFailed() if step == "join" else error)
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(world.socket, None)
    assert refused.value.reason is CloseReason.DEPENDENCY
    assert world.did("came") == []


async def test_the_sockets_of_a_session_are_bounded(world):
    assert module.MOST_SOCKETS_OF_A_SESSION == 20
    for _ in range(19):
        world.members.add(Socket(1, session_id=2))
    await world.sessions.join(world.socket, None)
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(Socket(1, session_id=2), None)
    assert refused.value.reason is CloseReason.TOO_MANY_SOCKETS
    await world.sessions.join(Socket(1, session_id=3), None)
    assert len(world.members.of_user(1)) == 21


# ---------------------------------------------------------------------------------------------- recovering


async def test_a_client_that_reconnects_recovers_its_session(world):
    world.claimed, world.recovered = claimed("book:1"), RECOVERED
    welcome = await world.sessions.join(world.socket, BACK)
    assert world.log == [
        ("claim", 1, 2, "secret", LAST), ("tell", "older node", Superseded("secret", 2)), ("load", 2, 1),
        ("join", "his:1", 5), ("join", "his:2", 6), ("recover", world.claimed, LAST, "alice"), ("settled",),
        ("came", 1, Chosen("busy", "in a call", 4)),
    ]  # fmt: skip
    assert (welcome.offset, welcome.recovered) == (CLAIMED, RECOVERED)
    assert (world.socket.pid, world.socket.claim) == ("secret", Claim(3, 0))
    assert {*world.members.of_pid("secret")} == {world.socket}


async def test_a_session_that_cannot_be_claimed_begins_anew_with_another_pid(world):
    welcome = await world.sessions.join(world.socket, BACK)
    [(*_, pid)] = world.did("enter")
    assert pid == world.socket.pid
    assert pid not in ("secret", "new")
    assert len(pid) == 24
    assert {*world.members.of_pid(pid)} == {world.socket}
    assert not world.members.of_pid("secret")
    assert (welcome.offset, welcome.recovered, world.socket.claim) == (ENTERED, None, FIRST_CLAIM)
    assert world.did("tell", "recover") == []


async def test_a_session_that_cannot_be_replayed_begins_anew_outside_its_channels(world):
    world.claimed = claimed("book:1", "book:2")
    world.on["recover"] = lambda: world.members.join(world.socket, "book:1", 5)
    welcome = await world.sessions.join(world.socket, BACK)
    [(*_, pid)] = world.did("enter")
    assert world.log.index(("enter", 1, 2, pid)) < world.log.index(("leave channel", "book:1"))
    assert world.did("leave channel") == [("leave channel", "book:1"), ("leave channel", "book:2")]
    assert world.socket.channels == {"his:1": 5, "his:2": 6}
    assert (welcome.offset, welcome.recovered) == (ENTERED, None)
    assert (world.socket.pid, world.socket.claim) == (pid, FIRST_CLAIM)


async def test_reconnecting_clients_are_counted_by_outcome(world):
    def counts() -> list[float]:
        return [RECOVERIES.labels(outcome)._value.get() for outcome in ("fresh", "recovered")]

    fresh, recovered = counts()
    await world.sessions.join(world.socket, None)
    assert counts() == [fresh, recovered]
    await world.sessions.join(Socket(1, session_id=2), BACK)
    assert counts() == [fresh + 1, recovered]
    world.claimed, world.recovered = claimed(), RECOVERED
    await world.sessions.join(Socket(1, session_id=2), BACK)
    assert counts() == [fresh + 1, recovered + 1]


@pytest.mark.parametrize("step", ["claim", "tell", "recover"])
async def test_a_recovery_without_redis_lets_the_client_reconnect(world, step):
    world.claimed, world.recovered, world.on[step] = claimed(), RECOVERED, failing(RedisError())
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(world.socket, BACK)
    assert refused.value.reason is CloseReason.DEPENDENCY


# ---------------------------------------------------------------------------------------------- closed meanwhile


async def test_a_socket_that_closes_while_it_enters_leaves_no_place_in_redis(world):
    world.on["enter"] = world.closes
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(world.socket, None)
    assert refused.value.reason is CloseReason.CLIENT
    # The place was made after `leave` had already tried to remove it. A client may still recover from it.
    assert world.log == [("leave session", 1, "new", 1, False)]


async def test_a_claimed_socket_that_closes_while_it_claims_leaves_with_the_number_of_its_claim(world):
    world.claimed, world.on["tell"] = claimed(), world.closes
    with pytest.raises(Unavailable):
        await world.sessions.join(world.socket, BACK)
    assert world.log == [("leave session", 1, "secret", 3, False)]


async def test_a_client_that_reconnects_again_during_recovery_closes_the_older_socket(world):
    world.claimed = claimed()

    def reconnects_again() -> None:
        world.socket.claim = world.socket.claim.end(3)

    world.on["tell"] = reconnects_again
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(world.socket, BACK)
    assert refused.value.reason is CloseReason.SUPERSEDED
    assert world.did("load") == []


async def test_a_socket_that_closes_while_it_begins_anew_leaves_no_place_in_redis(world):
    world.claimed, world.on["enter"] = claimed("book:1"), world.closes
    with pytest.raises(Unavailable) as refused:
        await world.sessions.join(world.socket, BACK)
    assert refused.value.reason is CloseReason.CLIENT
    assert world.did("leave session") == [("leave session", 1, world.socket.pid, 1, False)]


async def test_the_user_of_a_socket_that_closes_at_the_end_does_not_come_online(world):
    world.on["settled"] = world.closes
    await world.sessions.join(world.socket, None)
    assert world.did("came") == []


# ---------------------------------------------------------------------------------------------- leaving


@pytest.mark.parametrize(
    ("goodbye", "is_whole", "is_forgotten"),
    [(False, True, False), (True, True, True), (False, False, True), (True, False, True)],
)
async def test_a_closed_session_is_kept_unless_its_client_said_goodbye_or_pushes_wait(
    world, goodbye, is_whole, is_forgotten
):
    await world.sessions.join(world.socket, None)
    world.log.clear()
    world.is_whole = is_whole
    world.sessions.leave(world.socket, goodbye=goodbye)
    assert world.log == [("went", 1), ("leave session", 1, "new", 1, is_forgotten)]
    assert not world.members.is_here(world.socket)


async def test_a_user_with_another_socket_here_stays_online(world):
    world.members.add(Socket(1, session_id=3))
    await world.sessions.join(world.socket, None)
    world.sessions.leave(world.socket, goodbye=False)
    assert world.did("went") == []


# ---------------------------------------------------------------------------------------------- afterwards


async def test_a_session_whose_pushes_were_lost_begins_anew_with_its_pid(world):
    world.claimed, world.recovered = claimed(), RECOVERED
    await world.sessions.join(world.socket, BACK)
    world.log.clear()
    user, offset = await world.sessions.enter_again(world.socket)
    assert world.log == [("enter", 1, 2, "secret"), ("load", 2, 1)]
    assert (user.username, offset, world.socket.claim) == ("alice", ENTERED, FIRST_CLAIM)


async def test_starting_afresh_can_fail_as_joining_can(world):
    await world.sessions.join(world.socket, None)
    world.on["load"] = failing(DatabaseUnavailable())
    with pytest.raises(Unavailable) as refused:
        await world.sessions.enter_again(world.socket)
    assert refused.value.reason is CloseReason.DEPENDENCY
    world.on["load"], world.row = lambda: None, None
    with pytest.raises(Refused):
        await world.sessions.enter_again(world.socket)
    world.on["load"], world.row = world.closes, ROW
    with pytest.raises(Unavailable) as refused:
        await world.sessions.enter_again(world.socket)
    assert refused.value.reason is CloseReason.CLIENT


def test_a_session_is_renewed_and_forgotten_by_its_pid(world):
    world.sessions.renew(world.socket)
    world.sessions.forget(world.socket)
    assert world.log == [("renew", 1, "new"), ("forget", 1, "new")]


async def test_a_channel_is_remembered_before_it_is_joined(world):
    world.members.add(world.socket)
    await world.sessions.watch(world.socket, {"book:1": 5, "book:2": 6})
    for channel, owner_id in (("book:1", 5), ("book:2", 6)):
        remembered, joined = ("remember", 1, "new", channel, owner_id), ("join", channel, owner_id)
        assert world.log.index(remembered) < world.log.index(joined)
    world.sessions.unwatch(world.socket, "book:1")
    assert world.socket.channels == {"book:2": 6}
    assert world.log[-1] == ("leave channel", "book:1")


@pytest.mark.parametrize(("here", "wanted"), [((), 4), (("book:7", "book:8"), 2)])
async def test_the_channels_of_a_socket_are_bounded_together(world, here, wanted):
    world.members.add(world.socket)
    for channel in here:
        world.members.join(world.socket, channel, 5)
    with pytest.raises(CallError) as refused:
        await world.sessions.watch(world.socket, {f"book:{number}": 5 for number in range(wanted)})
    assert refused.value.code == "FAILED_PRECONDITION"
    assert world.log == []
    await world.sessions.watch(world.socket, {"book:7": 5})


async def test_a_watch_that_fails_in_part_waits_for_its_other_parts(world):
    world.members.add(world.socket)
    join = world.join

    async def join_slowly(member: Socket, channel: str, owner_id: int) -> None:
        if channel == "book:1":
            raise SubscriptionFailed(channel)
        for _ in range(5):
            await asyncio.sleep(0)
        if channel == "book:3":
            raise RedisError
        await join(member, channel, owner_id)

    world.join = join_slowly
    with pytest.raises(SubscriptionFailed) as failed:
        await world.sessions.watch(world.socket, {f"book:{number}": 5 for number in (1, 2, 3)})
    assert world.did("join") == [("join", "book:2", 5)]
    frame = failed.value.__traceback__.tb_next.tb_frame
    assert frame.f_code.co_name == "watch"
    assert "failed" not in frame.f_locals  # otherwise frame and exception hold each other


@pytest.mark.parametrize(("is_in", "older_was_in", "answer"), [(1, 0, 1), (0, 1, 1), (0, 0, 0), (1, 1, 1)])
async def test_a_device_leaves_with_its_older_sockets(world, is_in, older_was_in, answer):
    world.members.add(world.socket)
    world.socket.connected_at, world.older_was_in = 12.0, bool(older_was_in)
    if is_in:
        world.members.join(world.socket, "book:1", 5)
    assert world.sessions.leave_device(world.socket, "book:1") is bool(answer)
    assert world.log == [("leave channel", "book:1"), ("leave device", "book:1", 2, 12.0)]
    assert world.socket.channels == {}
