"""The handshake: what CONNECT's `auth` may say, what is held back meanwhile, and the order of a replay."""

from datetime import UTC, datetime

import pytest
from msgspec import Raw
from msgspec.json import encode
from msgspec.structs import replace

from channels.messages import Written
from channels.recovery import Offset
from engine.close_reasons import CloseReason
from gateway import handshake as module
from gateway.admission import Refused
from gateway.handshake import Entry, Handshake
from gateway.replay import Recovered
from gateway.sessions import ReturningClient, Welcome
from handlers.call import Viewer
from protocol import wire
from protocol.live_rooms import RoomAudience
from protocol.room_chat import RoomReacted
from tests.channels.people import act

VIEWER = Viewer(1, 2, datetime(2026, 1, 1, tzinfo=UTC))
OFFSET = Offset(0, 100)


def push(push_id: str, clock: int) -> Written:
    return replace(act(push_id), offset=clock)


class Client:
    """A connection, its socket and the node's entry in one; it records what is done with it."""

    codec = wire.JSON
    address = "192.0.2.1"
    is_closed = False
    is_behind = False
    pid = ""
    viewer: Viewer | None = None

    def __init__(self, recovered: Recovered | None = None, viewer: Viewer | None = VIEWER) -> None:
        self.admits = viewer
        self.admitted: tuple[str | None, str] | None = None
        self.joined: list[ReturningClient | None] = []
        self.written: list[str] = []
        self.dropped: list[CloseReason] = []
        self.waits = 0
        self.welcome = Welcome("alice", OFFSET, recovered)
        self.handshake = Handshake(self, self, Entry(self, None, self))

    async def run(self, **auth: object) -> Welcome | None:
        return await self.handshake.run(wire.Packet(0, argument=Raw(encode(auth))))

    async def admit(self, token: str | None, address: str, key: str | None = None) -> Viewer | None:
        self.admitted = token, address
        return self.admits

    async def join(self, back: ReturningClient | None) -> Welcome:
        assert self.viewer is self.admits
        self.joined.append(back)
        return self.welcome

    def write(self, written: Written) -> None:
        self.written.append(written.id)

    def drop(self, reason: CloseReason) -> None:
        self.dropped.append(reason)

    async def caught_up(self) -> None:
        self.waits += 1

    def as_shown(self, member: "Client", pushes: list[Written]) -> list[Written]:
        assert member is self
        return [written for written in pushes if not written.id.startswith("hidden")]


async def test_a_new_client_joins_its_session():
    client = Client()
    assert await client.run(token="token") == client.welcome
    assert client.admitted == ("token", "192.0.2.1")
    assert client.joined == [None]
    assert client.viewer is VIEWER
    assert len(client.pid) == 24
    other = Client()
    await other.run(token="token")
    assert other.pid != client.pid


async def test_an_anonymous_client_joins_nothing_and_has_an_id():
    client = Client(viewer=None)
    assert await client.run() is None
    assert client.admitted == (None, "192.0.2.1")
    assert (client.joined, len(client.pid)) == ([], 24)


async def test_a_client_that_closes_while_it_is_admitted_joins_nothing():
    client = Client()
    client.is_closed = True
    assert await client.run(token="token") is None
    assert (client.joined, client.pid) == ([], "")


@pytest.mark.parametrize("protocol", [None, 1, "1"])
async def test_known_protocols(protocol):
    client = Client()
    assert await client.run(token="token", protocol=protocol) == client.welcome


@pytest.mark.parametrize("protocol", [0, 2, "2", "", "01"])
async def test_unknown_protocols_are_refused_before_the_token_is_looked_at(protocol):
    client = Client()
    with pytest.raises(Refused) as refused:
        await client.run(token="token", protocol=protocol)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "protocol")
    assert client.admitted is None


async def test_auth_of_a_wrong_type_is_refused():
    with pytest.raises(Refused) as refused:
        await Client().run(token=7)
    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", "malformed")


@pytest.mark.parametrize(
    ("auth", "back"),
    [
        ({"pid": "secret", "offset": OFFSET.text}, ReturningClient("secret", OFFSET)),
        ({"pid": "secret"}, None),
        ({"pid": "secret", "offset": "no offset"}, None),
        ({"pid": "secret", "offset": ""}, None),
        ({"offset": OFFSET.text}, None),
        ({"pid": "", "offset": OFFSET.text}, None),
    ],
)
async def test_a_client_recovers_by_its_pid_and_its_offset_only(auth, back):
    client = Client()
    await client.run(token="token", **auth)
    assert client.joined == [back]


# ---------------------------------------------------------------------------------------------- meanwhile


def test_frames_are_held_up_to_a_bound():
    client = Client()
    for number in range(module.MOST_HELD):
        client.handshake.hold(str(number))
    assert client.handshake.held == [str(number) for number in range(100)]
    assert client.dropped == []
    client.handshake.hold("one more")
    assert client.dropped == [CloseReason.FLOOD]


def test_held_frames_are_bounded_by_their_size():
    client = Client()
    client.handshake.hold("x" * (wire.MAX_PAYLOAD - 1))
    client.handshake.hold("x")
    assert client.dropped == []
    client.handshake.hold(b"x")
    assert client.dropped == [CloseReason.FLOOD]


def test_early_pushes_are_kept_one_by_one_and_given_once():
    client = Client()
    parts = (push("one", 1), push("hidden", 2), push("two", 3))
    client.handshake.keep(replace(push("gathered", 3), parts=parts))
    client.handshake.keep(push("three", 4))
    assert [written.id for written in client.handshake.take_early()] == ["one", "two", "three"]
    assert client.handshake.take_early() == []


def test_early_pushes_are_bounded():
    client = Client()
    for number in range(module.MOST_EARLY_PUSHES):
        client.handshake.keep(push(f"push {number}", number))
    assert client.dropped == []
    client.handshake.keep(push("one more", 1_000))
    assert client.dropped == [CloseReason.SLOW]


def test_the_bounds_are_the_documented_ones():
    assert (module.PROTOCOL, module.MOST_EARLY_PUSHES, module.MOST_HELD) == (1, 1_000, 100)
    assert Client().handshake.is_revoked is False


# ---------------------------------------------------------------------------------------------- replay


async def test_missed_and_early_pushes_are_written_once_and_by_offset():
    client = Client(Recovered([push("one", 201), push("three", 203)], []))
    client.handshake.keep(push("two", 202))
    client.handshake.keep(push("three", 203))
    welcome = await client.run(token="token")
    assert client.written == ["one", "two", "three"]
    assert (welcome.user, welcome.offset) == ("alice", Offset(0, 203))
    assert client.waits == 0


async def test_the_offset_of_a_session_that_missed_nothing_is_that_of_its_claim():
    for recovered in (None, Recovered([], []), Recovered([push("older than the claim", 99)], [])):
        client = Client(recovered)
        assert (await client.run(token="token")).offset == OFFSET


async def test_pushes_that_arrive_during_a_replay_follow_it():
    client = Client(Recovered([push("one", 201)], []))
    client.is_behind = True

    async def caught_up() -> None:
        client.waits += 1
        client.is_behind = client.waits < 2
        client.handshake.keep(push("one", 201))
        client.handshake.keep(push(f"later {client.waits}", 210 + client.waits))

    client.caught_up = caught_up
    welcome = await client.run(token="token")
    assert client.written == ["one", "later 1", "later 2"]
    assert (client.waits, welcome.offset.clock) == (2, 212)


async def test_pushes_without_an_offset_are_not_replayed_and_conflated_ones_follow_the_snapshots():
    recovered = Recovered([push("one", 201)], [act("snapshot", kind=RoomAudience)])
    client = Client(recovered)
    client.handshake.keep(act("newer", kind=RoomAudience))
    client.handshake.keep(act("dropped", kind=RoomReacted))
    welcome = await client.run(token="token")
    assert client.written == ["one"]
    assert [written.id for written in welcome.recovered.now] == ["snapshot", "newer"]


async def test_nothing_is_written_to_a_client_that_closed_while_it_joined():
    client = Client(Recovered([push("one", 201)], []))

    async def join(back: ReturningClient | None) -> Welcome:
        client.is_closed = True
        return client.welcome

    client.join = join
    await client.run(token="token")
    assert client.written == []
