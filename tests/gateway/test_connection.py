"""A connection's states: what it answers, what it tells its session, and why it closes its socket."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace

import pytest
from msgspec import msgpack
from structlog.testing import capture_logs

from channels.members import NO_CLAIM
from channels.messages import Written
from channels.recovery import Offset
from engine.close_reasons import CloseReason
from engine.socket import Bounds
from gateway import connection as module
from gateway.admission import Refused, Unavailable
from gateway.calls import CallRate
from gateway.connection import Connection
from gateway.handshake import Entry
from gateway.observability import CONNECTIONS, SIGNED_IN
from gateway.replay import Recovered
from gateway.sessions import ReturningClient, Welcome
from handlers.call import Viewer
from protocol import wire
from protocol.live_rooms import RoomAudience
from protocol.room_chat import RoomReacted
from protocol.users import Relation, User
from storage.budgets import Budget, WorkRate
from tests.channels.people import act

ALICE = User("1", "alice", "Alice", None, False, "", False, 0, 0, 0, "2026", Relation(*[False] * 5))
VIEWER = Viewer(1, 2, datetime(2100, 1, 1, tzinfo=UTC))
SUSPENDED = Viewer(1, 2, datetime(2100, 1, 1, tzinfo=UTC), is_restricted=True)
BOUNDS = Bounds(1_000_000, 50)
OFFSET, NEXT = Offset(0, 1_700_000_000_000_000), Offset(0, 1_700_000_000_000_009)
CONNECT, CALL, ANSWER = '0{"token":"token"}', '21["note.take",{"text":"x"}]', '31[{"data":"taken","ok":true}]'


class Dispatcher:
    """Answers calls: at once, or once they `may_end`."""

    def __init__(self) -> None:
        self.method = SimpleNamespace(instant=True, overlaps=True)
        self.calls: list[tuple[str, int]] = []  # name and size
        self.may_end = asyncio.Event()
        self.budget = Budget(1, WorkRate(per_second=1e9, burst=1e9))

    def shed(self, method) -> None:
        return None

    def find(self, name: str) -> SimpleNamespace:
        if name == "broken":
            raise RuntimeError
        return self.method

    def budget_of(self, method: object, caller: Connection) -> Budget:
        return self.budget

    def answer_at_once(self, method: object, packet: wire.Packet, caller: Connection, budget: Budget) -> wire.Ok:
        self.calls.append((packet.name, packet.size))
        return wire.Ok("taken")

    async def answer(self, method: object, packet: wire.Packet, *_: object) -> SimpleNamespace:
        await self.may_end.wait()
        return SimpleNamespace(answer=self.answer_at_once(method, packet, *_[:2]), disconnects=False)

    async def finish(self, answered: object) -> None:
        """Nothing is left to do after an answer."""


class Peer:
    """The socket below a connection, and the entry above it; `log` records what is done."""

    is_behind = False

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.frames: list[bytes] = []
        self.viewer: Viewer | None = VIEWER
        self.welcome = Welcome(ALICE, OFFSET, None)
        self.fails: Exception | None = None
        self.may_join = asyncio.Event()
        self.may_join.set()
        self.dispatcher = Dispatcher()
        entry = Entry(self, self, self)
        rate = CallRate(per_second=1e9, burst=100)
        self.connection = Connection(self, self.dispatcher, entry, rate, BOUNDS, "192.0.2.1", "a browser")
        self.peer: Connection | None = self.connection

    @property
    def sent(self) -> list[str]:
        """The Socket.IO packets written, of the JSON codec."""
        return wire.frame_payloads(b"".join(self.frames))

    @property
    def pushed(self) -> list[list[object]]:
        return [json.loads(text[1:]) for text in self.sent if text.startswith("2")]

    def did(self, *steps: str) -> list[tuple[object, ...]]:
        return [entry for entry in self.log if entry[0] in steps]

    async def connected(self, first: str | bytes = CONNECT) -> Connection:
        self.connection.receive(first)
        await turns()
        return self.connection

    # The socket

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def write_or_drop(self, frame: bytes) -> None:
        self.log.append(("write or drop", frame))

    def write_latest(self, key: object, frame: bytes) -> None:
        self.log.append(("write latest", key, frame))

    def set_bounds(self, bounds: Bounds) -> None:
        self.log.append(("bounds", bounds))

    def pause_reading(self) -> None:
        self.log.append(("pause",))

    def resume_reading(self) -> None:
        self.log.append(("resume",))

    def linger(self, reason: CloseReason) -> None:
        self._close("linger", reason)

    def drop(self, reason: CloseReason) -> None:
        self._close("drop", reason)

    def finish(self, reason: CloseReason) -> None:
        self._close("finish", reason)

    def _close(self, how: str, reason: CloseReason) -> None:
        self.log.append((how, reason))
        self.closes()

    def closes(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.closed()

    # Admission, Sessions and Replay

    async def admit(self, token: str | None, address: str, key: str | None = None) -> Viewer | None:
        if isinstance(self.fails, Refused):
            raise self.fails
        return self.viewer if token else None

    async def check_restricted(self, viewer: Viewer) -> None:
        self.log.append(("check restricted", viewer.session_id))
        if self.fails is not None:
            raise self.fails

    async def join(self, member: Connection, back: ReturningClient | None) -> Welcome:
        self.log.append(("join", member.user_id, member.session_id, back))
        await self.may_join.wait()
        if self.fails is not None:
            raise self.fails
        return self.welcome

    async def enter_again(self, member: Connection) -> tuple[User, Offset]:
        self.log.append(("enter again",))
        if self.fails is not None:
            raise self.fails
        return ALICE, NEXT

    def as_shown(self, member: Connection, pushes: list[Written]) -> list[Written]:
        return pushes

    def leave(self, member: Connection, *, goodbye: bool) -> None:
        self.log.append(("leave", goodbye))

    def renew(self, member: Connection) -> None:
        self.log.append(("renew",))

    def forget(self, member: Connection) -> None:
        self.log.append(("forget",))

    async def watch(self, member: Connection, channels: dict[str, int]) -> None:
        self.log.append(("watch", channels))

    def unwatch(self, member: Connection, channel: str) -> None:
        self.log.append(("unwatch", channel))

    def leave_device(self, member: Connection, channel: str) -> bool:
        self.log.append(("leave device", channel))
        return True


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def timers() -> None:
    """Let timers run that are due, and what they begin."""
    await asyncio.sleep(0.001)
    await turns()


@pytest.fixture(autouse=True)
def logs():
    """Tracebacks are kept and not rendered, which takes long."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def peer() -> Peer:
    return Peer()


# ---------------------------------------------------------------------------------------------- connecting


async def test_an_anonymous_client_is_connected(peer):
    connection = await peer.connected("0")
    connect, ready = peer.sent
    answer = json.loads(connect[1:])
    assert (answer["pid"], len(answer["sid"])) == (connection.pid, 20)
    event, body = json.loads(ready[1:])
    assert (event, body["session_id"], body["user"], body["recovered"], body["protocol"]) == (
        "session.ready", None, None, False, 1,
    )  # fmt: skip
    assert (connection.user_id, connection.session_id, connection.is_closed) == (0, 0, False)
    assert peer.log == [("pause",), ("resume",)]


async def test_a_client_with_a_token_joins_its_session_and_gets_its_offset(peer):
    connection = await peer.connected()
    connect, _ = peer.sent
    [[event, body, offset]] = peer.pushed
    assert connect.startswith("0")
    assert (event, offset, body["session_id"], body["user"]["username"], body["recovered"]) == (
        "session.ready", OFFSET.text, "2", "alice", False,
    )  # fmt: skip
    assert len(body["id"]) == len("session.ready:") + 16
    assert (connection.user_id, connection.session_id) == (1, 2)
    assert peer.log == [("pause",), ("bounds", BOUNDS), ("join", 1, 2, None), ("resume",)]


async def test_the_public_id_is_a_hash_of_the_pid(peer):
    connection = await peer.connected()
    sid = json.loads(peer.sent[0][1:])["sid"]
    assert sid == sha256(connection.pid.encode()).hexdigest()[:20]


async def test_the_attributes_of_a_new_connection():
    before = time.time(), time.monotonic()
    connection = Peer().connection
    after = time.time(), time.monotonic()
    assert (connection.address, connection.user_agent, connection.pid) == ("192.0.2.1", "a browser", "")
    assert (connection.channels, connection.claim, connection.viewer) == ({}, NO_CLAIM, None)
    assert before[0] <= connection.connected_at <= after[0]
    assert before[1] <= connection.called_at <= after[1]


def test_the_bounds_are_the_documented_ones():
    assert (module.CONNECT_WITHIN_S, module.ANONYMOUS_FOR_S) == (10, 600)
    assert tuple(module.ANONYMOUS_BOUNDS) == (16 * 1024, 100)


async def test_the_first_frame_decides_the_codec(peer):
    connection = await peer.connected(msgpack.encode({"type": 0, "data": {"token": "token"}, "nsp": "/"}))
    assert connection.codec is wire.MSGPACK
    connect, ready = (msgpack.decode(payload) for payload in wire.frame_payloads(b"".join(peer.frames)))
    assert (connect["type"], ready["data"][0], ready["data"][2]) == (0, "session.ready", OFFSET.text)
    written = act("push")
    connection.deliver(written)
    assert peer.frames[-1] == written.msgpack
    connection.receive("21[]")
    assert peer.did("drop") == [("drop", CloseReason.UNREADABLE)]


async def test_a_recovered_client_gets_what_it_missed_before_the_answer_and_snapshots_behind_it(peer):
    peer.welcome = Welcome(ALICE, OFFSET, Recovered([act("missed")], [act("snapshot", kind=RoomAudience)]))
    await peer.connected()
    assert [event for event, *_ in peer.pushed] == ["post.deleted", "session.ready"]
    assert [text[0] for text in peer.sent] == ["2", "0", "2"]
    assert peer.pushed[1][1]["recovered"] is True
    assert [entry[0] for entry in peer.log[-2:]] == ["write latest", "resume"]


async def test_pushes_that_come_while_a_client_connects_follow_the_answer(peer):
    peer.may_join.clear()
    connection = await peer.connected()
    connection.deliver(act("early"))
    assert peer.frames == []
    peer.may_join.set()
    await turns()
    connection.deliver(act("late"))
    assert [push["id"] for _, push, _ in peer.pushed[1:]] == ["early", "late"]


async def test_frames_that_come_while_a_client_connects_are_handled_in_order(peer):
    peer.may_join.clear()
    connection = await peer.connected()
    connection.receive(CALL)
    connection.receive(CALL.replace("21", "22"))
    assert peer.dispatcher.calls == []
    peer.may_join.set()
    await turns()
    assert peer.sent[2:] == [ANSWER, ANSWER.replace("31", "32")]


async def test_a_refused_client_may_connect_again_on_the_same_socket(peer):
    peer.fails = Refused("UNAUTHENTICATED", "expired")
    connection = await peer.connected()
    [answer] = peer.sent
    assert json.loads(answer[1:]) == {
        "message": "UNAUTHENTICATED: expired", "data": {"code": "UNAUTHENTICATED", "reason": "expired"},
    }  # fmt: skip
    assert answer.startswith("4")
    assert (peer.log, connection.viewer) == ([("pause",), ("resume",)], None)
    peer.fails = None
    await peer.connected()
    assert peer.pushed[0][0] == "session.ready"


async def test_a_client_whose_session_has_ended_leaves_it_and_is_refused(peer):
    peer.may_join.clear()
    connection = await peer.connected()
    peer.fails = Refused("UNAUTHENTICATED", "revoked")
    peer.may_join.set()
    await turns()
    assert peer.did("leave") == [("leave", False)]
    assert (connection.viewer, len(peer.sent)) == (None, 1)


async def test_a_session_that_is_revoked_while_its_client_connects_is_refused(peer):
    peer.may_join.clear()
    connection = await peer.connected()
    connection.revoke("suspended")
    assert peer.frames == []
    peer.may_join.set()
    await turns()
    [answer] = peer.sent
    assert json.loads(answer[1:])["data"] == {"code": "UNAUTHENTICATED", "reason": "revoked"}
    assert peer.did("leave", "linger", "drop") == [("leave", False)]


async def test_a_service_that_does_not_answer_closes_without_an_answer(peer):
    peer.fails = Unavailable(CloseReason.DEPENDENCY)
    await peer.connected()
    assert peer.did("leave", "drop", "resume") == [("leave", False), ("drop", CloseReason.DEPENDENCY)]
    assert peer.sent == []


async def test_a_client_that_closes_while_it_connects_is_not_answered(peer):
    for fails in (None, Refused("UNAUTHENTICATED", "revoked")):
        other = Peer()
        other.may_join.clear()
        connection = await other.connected()
        other.closes()
        other.fails = fails
        other.may_join.set()
        await turns()
        assert (other.sent, connection.is_closed) == ([], True)
        assert other.did("resume", "drop", "leave") == [("leave", False)]


async def test_a_fault_while_a_client_connects_closes_it(peer):
    peer.fails = RuntimeError()
    await peer.connected()
    assert peer.did("drop") == [("drop", CloseReason.BROKEN)]


async def test_a_task_that_is_cancelled_is_no_fault(peer):
    """As at the end of the process."""
    faults = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    peer.may_join.clear()
    connection = await peer.connected()
    [task] = connection._tasks
    task.cancel()
    await turns()
    loop.set_exception_handler(None)
    assert (faults, peer.did("drop"), connection._tasks) == ([], [], set())


# ---------------------------------------------------------------------------------------------- signing in later


async def anonymous(peer: Peer) -> Connection:
    connection = await peer.connected("0")
    peer.log.clear()
    peer.frames.clear()
    return connection


async def test_a_client_that_signs_in_later_joins_its_session(peer):
    connection = await anonymous(peer)
    connection.sign_in(VIEWER)
    await turns()
    assert peer.log == [("bounds", BOUNDS), ("join", 1, 2, None)]
    [[event, body, offset]] = peer.pushed
    assert (event, body["session_id"], body["recovered"], offset) == ("session.ready", "2", False, OFFSET.text)


async def test_a_client_that_is_signed_in_extends_its_session(peer):
    connection = await peer.connected()
    peer.log.clear()
    later = Viewer(1, 2, datetime(2101, 1, 1, tzinfo=UTC))
    connection.sign_in(later)
    await turns()
    assert (peer.log, connection.viewer) == ([("renew",)], later)


async def test_a_suspended_user_joins_nothing_until_the_suspension_ends(peer):
    peer.viewer = SUSPENDED
    connection = await peer.connected()
    assert peer.did("check restricted", "join") == [("check restricted", 2)]
    other = await anonymous(second := Peer())
    other.sign_in(SUSPENDED)
    await turns()
    assert second.did("join") == []
    for each in (peer, second):
        [[event, body, *_]] = each.pushed
        assert (event, body["session_id"], body["is_restricted"]) == ("session.ready", "2", True)
    connection.sign_in(VIEWER)
    await turns()
    assert peer.did("join", "renew") == [("join", 1, 2, None)]


async def test_a_socket_that_has_closed_does_not_sign_in(peer):
    connection = await anonymous(peer)
    connection.sign_in(VIEWER)
    peer.closes()
    await turns()
    other = await anonymous(second := Peer())
    second.closes()
    other.sign_in(VIEWER)
    await turns()
    assert (peer.log, second.log, other.viewer) == ([], [], None)


async def test_a_session_that_ends_while_a_client_signs_in_is_told(peer):
    connection = await anonymous(peer)
    peer.fails = Refused("UNAUTHENTICATED", "revoked")
    connection.sign_in(VIEWER)
    await turns()
    [[event, body]] = peer.pushed
    assert (event, body["reason"]) == ("session.revoked", "revoked")
    assert peer.did("leave", "linger") == [("leave", False), ("linger", CloseReason.REVOKED)]


async def test_a_sign_in_without_its_services_closes_the_socket(peer):
    connection = await anonymous(peer)
    peer.fails = Unavailable(CloseReason.DEPENDENCY)
    connection.sign_in(VIEWER)
    await turns()
    assert (peer.did("leave", "drop"), peer.sent) == ([("leave", False), ("drop", CloseReason.DEPENDENCY)], [])


# ---------------------------------------------------------------------------------------------- calls and pushes


async def test_calls_are_answered_and_those_without_an_id_are_not(peer):
    connection = await peer.connected()
    connection.receive(CALL)
    connection.receive(CALL.replace("21", "2"))
    assert peer.sent[2:] == [ANSWER]
    assert peer.dispatcher.calls == [("note.take", len(CALL)), ("note.take", len(CALL) - 1)]


async def test_a_call_that_ends_after_its_socket_is_not_answered(peer):
    connection = await peer.connected()
    peer.dispatcher.method = SimpleNamespace(instant=False, overlaps=True)
    connection.receive(CALL)
    await turns()
    peer.closes()
    peer.dispatcher.may_end.set()
    await turns()
    assert (len(peer.dispatcher.calls), len(peer.sent)) == (1, 2)


async def test_a_call_with_attachments_waits_for_them(peer):
    connection = await peer.connected()
    connection.receive('52-1["note.take",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    connection.receive(b"one")
    assert peer.dispatcher.calls == []
    connection.receive(b"two")
    [(name, size)] = peer.dispatcher.calls
    assert (name, size) == ("note.take", 77 + 6)
    connection.receive(CALL)
    assert len(peer.dispatcher.calls) == 2


async def test_pushes_are_written_by_their_flow(peer):
    connection = await peer.connected()
    recoverable, dropped, conflated = act("one"), act("two", kind=RoomReacted), act("three", kind=RoomAudience)
    for written in (recoverable, dropped, conflated):
        connection.deliver(written)
    assert peer.frames[-1] == recoverable.json
    assert peer.did("write or drop", "write latest") == [
        ("write or drop", dropped.json), ("write latest", conflated.replaces, conflated.json),
    ]  # fmt: skip


async def test_handlers_watch_and_leave_channels_through_the_session(peer):
    connection = await peer.connected()
    peer.log.clear()
    connection.channels["book:1"] = 9
    assert (connection.is_in("book:1"), connection.is_in("book:2")) == (True, False)
    await connection.watch({"book:2": 9})
    await connection.unwatch("book:2")
    assert await connection.leave("book:1") is True
    connection.forget_recovery()
    assert peer.log == [
        ("watch", {"book:2": 9}), ("unwatch", "book:2"), ("leave device", "book:1"), ("forget",),
    ]  # fmt: skip


async def test_a_socket_without_a_session_has_no_recovery_to_forget(peer):
    connection = await anonymous(peer)
    connection.forget_recovery()
    assert peer.log == []


# ---------------------------------------------------------------------------------------------- unreadable


@pytest.mark.parametrize(
    "frames",
    [
        ["no packet"],
        [CALL],
        ["0", "0"],
        ["0", "4{}"],
        ["0", "2/other,1" + CALL[2:]],
        ['51-1["note.take",{"_placeholder":true,"num":0}]'],
        ["0", '51-1["note.take",{"_placeholder":true,"num":0}]', CALL],
    ],
)
async def test_packets_that_are_not_allowed_close_the_socket(peer, frames):
    for frame in frames:
        await peer.connected(frame)
    assert peer.did("drop") == [("drop", CloseReason.UNREADABLE)]
    assert peer.dispatcher.calls == []


async def test_a_fault_closes_the_socket(peer):
    connection = await peer.connected()
    connection.receive('21["broken"]')
    assert peer.did("drop") == [("drop", CloseReason.BROKEN)]


async def test_acknowledgements_and_packets_of_other_namespaces_are_harmless(peer):
    connection = await peer.connected("0/other,{}")
    assert peer.sent == ['4/other,{"message":"Invalid namespace"}']
    await peer.connected()
    for harmless in ("31[]", '61-1["x"]', b"attachment", "1/other,"):
        connection.receive(harmless)
    connection.receive(CALL)
    assert peer.sent[-1] == ANSWER
    assert peer.did("drop", "linger", "leave") == []


# ---------------------------------------------------------------------------------------------- closing


async def test_nothing_is_kept_for_a_client_that_sends_disconnect(peer):
    connection = await peer.connected()
    connection.receive("1")
    assert peer.did("leave", "linger") == [("leave", True), ("linger", CloseReason.CLIENT)]
    assert connection.is_closed


async def test_a_socket_that_closes_leaves_its_session_once_and_lets_go_of_its_calls(peer):
    connection = await peer.connected()
    peer.closes()
    assert (peer.did("leave"), connection.is_closed) == ([("leave", False)], True)
    assert not hasattr(connection, "_calls")  # otherwise both wait for the collector
    assert connection._timer.cancelled()


async def test_connected_sockets_and_signed_in_ones_are_counted(peer):
    def counts() -> tuple[float, float]:
        return CONNECTIONS.labels("json")._value.get(), SIGNED_IN._value.get()

    connections, signed_in = counts()
    await peer.connected()
    assert counts() == (connections + 1, signed_in + 1)
    peer.closes()
    Peer().closes()  # it has not connected
    assert counts() == (connections, signed_in)


async def test_an_anonymous_socket_that_closes_leaves_nothing(peer):
    await anonymous(peer)
    peer.closes()
    assert peer.log == []


async def test_a_revoked_session_is_told_why(peer):
    connection = await peer.connected()
    connection.revoke("password_changed")
    event, body = peer.pushed[-1]
    assert (event, body["reason"], body["id"]) == ("session.revoked", "password_changed", "session.revoked:2")
    assert peer.sent[-1] == "1"
    assert peer.did("linger", "leave") == [("linger", CloseReason.REVOKED), ("leave", False)]


async def test_an_older_socket_of_a_recovered_client_is_closed(peer):
    connection = await peer.connected()
    connection.supersede()
    assert peer.did("drop") == [("drop", CloseReason.SUPERSEDED)]


async def test_a_drop_has_its_reason(peer):
    peer.connection.drop(CloseReason.FLOOD)
    assert peer.log == [("drop", CloseReason.FLOOD)]


async def test_a_node_that_stops_closes_sockets_once_their_calls_are_answered(peer):
    connection = await peer.connected()
    peer.dispatcher.method = SimpleNamespace(instant=False, overlaps=True)
    connection.receive(CALL)
    peer.log.clear()
    connection.drain()
    connection.resume_reading()
    await turns()
    assert peer.log == [("pause",)]
    peer.dispatcher.may_end.set()
    await turns()
    assert peer.sent[-1] == ANSWER
    assert peer.did("finish", "resume") == [("finish", CloseReason.DRAINING)]


# ---------------------------------------------------------------------------------------------- after lost pushes


async def test_a_client_that_lost_pushes_is_told_to_load_everything_again(peer):
    connection = await peer.connected()
    peer.log.clear()
    connection.start_afresh(0)
    await timers()
    assert peer.log == [("enter again",)]
    event, body, offset = peer.pushed[-1]
    assert (event, body["recovered"], offset) == ("session.ready", False, NEXT.text)
    peer.closes()
    assert peer.did("leave") == [("leave", False)]


async def test_a_client_that_closes_before_it_is_told_that_it_lost_pushes_cannot_recover(peer):
    connection = await peer.connected()
    connection.start_afresh(0)
    peer.closes()
    await timers()
    assert peer.did("leave", "enter again") == [("leave", True)]


async def test_a_client_that_lost_pushes_while_it_connected_is_told_afterwards(peer):
    peer.may_join.clear()
    connection = await peer.connected()
    connection.start_afresh(0)
    await timers()
    assert peer.did("enter again") == []
    peer.may_join.set()
    await turns()
    assert peer.did("enter again") == [("enter again",)]
    assert [body["recovered"] for _, body, _ in peer.pushed] == [False, False]


@pytest.mark.parametrize(
    ("fails", "how", "reason"),
    [
        (Refused("UNAUTHENTICATED", "revoked"), "linger", CloseReason.REVOKED),
        (Unavailable(CloseReason.SUPERSEDED), "drop", CloseReason.SUPERSEDED),
    ],
)
async def test_a_client_that_cannot_load_again_is_closed(peer, fails, how, reason):
    connection = await peer.connected()
    peer.fails = fails
    connection.start_afresh(0)
    await timers()
    assert peer.did(how, "leave") == [(how, reason), ("leave", True)]
    assert (peer.pushed[-1][0] == "session.revoked") is (how == "linger")


async def test_a_client_that_lost_pushes_is_told_once_all_answers_again(peer, monkeypatch):
    """Its socket outlives a dependency that is lost once more meanwhile."""
    monkeypatch.setattr(module, "AFRESH_AGAIN_S", 0)
    connection = await peer.connected()
    peer.fails = Unavailable(CloseReason.DEPENDENCY)
    connection.start_afresh(0)
    await timers()
    assert len(peer.did("enter again")) > 1
    assert (peer.did("drop", "leave"), [body["recovered"] for _, body, _ in peer.pushed]) == ([], [False])
    peer.fails = None
    await timers()
    assert [body["recovered"] for _, body, _ in peer.pushed] == [False, False]
    peer.log.clear()
    await timers()
    assert peer.did("enter again") == []


# ---------------------------------------------------------------------------------------------- time


def minutes_left(connection: Connection) -> int:
    return round((connection._timer.when() - asyncio.get_running_loop().time()) / 60)


@pytest.mark.parametrize(("state", "reason"), [("opened", "NO_CONNECT"), ("anonymous", "ANONYMOUS")])
async def test_a_client_that_does_not_connect_or_sign_in_in_time_is_closed(monkeypatch, state, reason):
    monkeypatch.setattr(module, "CONNECT_WITHIN_S", 0 if state == "opened" else 60)
    monkeypatch.setattr(module, "ANONYMOUS_FOR_S", 0)
    peer = Peer()
    if state == "anonymous":
        await peer.connected("0")
    await timers()
    assert peer.did("drop") == [("drop", CloseReason[reason])]


async def test_a_socket_lives_until_its_token_has_been_expired_for_a_minute(peer):
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    peer.viewer = Viewer(1, 2, in_an_hour)
    connection = await peer.connected()
    assert minutes_left(connection) == 61  # a minute of grace
    first = connection._timer
    connection.sign_in(Viewer(1, 2, in_an_hour + timedelta(hours=1)))
    assert minutes_left(connection) == 121
    assert first.cancelled()


async def test_the_client_of_a_suspended_user_is_told_that_the_suspension_has_ended(peer, monkeypatch):
    monkeypatch.setattr(module, "SUSPENSION_CHECK_S", 0)
    peer.viewer = SUSPENDED
    connection = await peer.connected()
    peer.log.clear()
    peer.fails = Unavailable(CloseReason.DEPENDENCY)
    await timers()
    await timers()
    assert len(peer.did("check restricted")) > 1  # it goes on while PostgreSQL does not answer
    assert not connection.is_closed
    peer.fails = Refused("UNAUTHENTICATED", "revoked")
    await timers()
    assert peer.pushed[-1][0] == "session.expired"
    assert peer.did("linger") == [("linger", CloseReason.EXPIRED)]


async def test_a_client_that_signs_in_again_while_its_suspension_is_checked_stays(peer, monkeypatch):
    monkeypatch.setattr(module, "SUSPENSION_CHECK_S", 0)
    peer.viewer = SUSPENDED
    connection = await peer.connected()
    check = connection._check_suspension(SUSPENDED)
    connection.sign_in(VIEWER)
    peer.fails = Refused("UNAUTHENTICATED", "revoked")
    await check
    assert (connection.viewer, peer.did("linger")) == (VIEWER, [])


async def test_a_client_whose_token_has_expired_is_told(peer):
    peer.viewer = Viewer(1, 2, datetime(2000, 1, 1, tzinfo=UTC))
    await peer.connected()
    await timers()
    event, body = peer.pushed[-1]
    assert (event, len(body["id"])) == ("session.expired", len("session.expired:") + 16)
    assert peer.sent[-1] == "1"
    assert peer.did("linger") == [("linger", CloseReason.EXPIRED)]
