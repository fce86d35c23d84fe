"""From CONNECT to its answer: admit the client, join its session, replay missed pushes.

A handshake lives while its connection is CONNECTING. Steps: read `auth` → admit the token → join the session, claiming
the client's older one → write missed pushes, as fast as the client reads. Then the connection answers CONNECT.
Meanwhile the handshake holds the client's frames, which are handled after the answer, and the pushes that arrive. A new
client gets those after the answer. In a recovery, recoverable ones are replayed with the missed ones, in the order
of their offsets; conflated ones follow the snapshots, after the answer; ephemeral ones are dropped.
"""

from typing import NamedTuple, Protocol

import msgspec

from channels.members import Member
from channels.messages import Written
from channels.recovery import Offset
from engine.close_reasons import CloseReason
from engine.socket import EngineSocket
from gateway.admission import Admission, Refused
from gateway.replay import Recovered, Replay
from gateway.sessions import ReturningClient, Sessions, Welcome, new_pid
from handlers.call import Viewer
from protocol import errors, wire

PROTOCOL = 1
MOST_EARLY_PUSHES = 1_000
MOST_HELD = 100  # frames


class Entry(NamedTuple):
    """The objects with which all connections of a node let clients in."""

    admission: Admission
    sessions: Sessions
    replay: Replay


class ConnectAuth(msgspec.Struct):
    """`auth` of CONNECT. Unknown fields are ignored, and every value may be a string: some clients send no others.

    `pid` and `offset` come from a client that has been connected before.
    """

    token: str | None = None
    key: str | None = None  # of a service, instead of a token
    protocol: int | str | None = None
    pid: str | None = None
    offset: str | None = None


class Connecting(Member, Protocol):
    """The part of a connection that its handshake uses."""

    viewer: Viewer | None
    codec: wire.Codec
    address: str

    @property
    def is_closed(self) -> bool: ...

    async def join(self, returning: ReturningClient | None) -> Welcome:
        """Join the viewer's session. Raises Refused, Unavailable."""

    def write(self, written: Written) -> None: ...


class Handshake:
    __slots__ = ("_connection", "_early", "_entry", "_socket", "held", "is_revoked")

    def __init__(self, connection: Connecting, socket: EngineSocket, entry: Entry) -> None:
        self.held: list[str | bytes] = []  # the client's frames
        self.is_revoked = False
        self._connection = connection
        self._socket = socket
        self._entry = entry
        self._early: list[Written] = []

    async def run(self, packet: wire.Packet) -> Welcome | None:
        """Returns None if the client is anonymous, suspended, or has closed. Raises Refused, Unavailable."""
        connection = self._connection
        auth = _read_auth(connection.codec, packet)
        connection.viewer = await self._entry.admission.admit(auth.token, connection.address, auth.key)
        if connection.is_closed:
            return None
        connection.pid = new_pid()
        if connection.viewer is None:
            return None
        if connection.viewer.is_restricted:
            await self._entry.sessions.check_restricted(connection.viewer)
            return None
        welcome = await connection.join(_returning_client(auth))
        if welcome.offset is not None and welcome.recovered is not None:
            welcome = welcome._replace(offset=await self._replay(welcome.offset, welcome.recovered))
        return welcome

    # ------------------------------------------------------------------------------------------ while connecting

    def hold(self, frame: str | bytes) -> None:
        self.held.append(frame)
        if len(self.held) > MOST_HELD or sum(map(len, self.held)) > wire.MAX_PAYLOAD:
            self._socket.drop(CloseReason.FLOOD)

    def keep(self, written: Written) -> None:
        self._early.extend(written.parts or (written,))
        if len(self._early) > MOST_EARLY_PUSHES:
            self._socket.drop(CloseReason.SLOW)

    def take_early(self) -> list[Written]:
        """The pushes that have arrived so far and that the user may be shown."""
        early, self._early = self._early, []
        return self._entry.replay.as_shown(self._connection, early)

    # ------------------------------------------------------------------------------------------ replay

    async def _replay(self, last: Offset, recovered: Recovered) -> Offset:
        """Write missed pushes and those that arrived since, by offset. Returns the offset of the newest push written.

        Only recoverable pushes are written here. Conflated ones that arrived are sent after the snapshots, as they are
        newer; ephemeral ones are dropped.
        """
        replayed: set[str] = set()
        # Pushes that arrived while the logs were read may be in the logs, too; later ones are newer.
        batch = self.take_early() + recovered.missed
        while batch and not self._connection.is_closed:
            recovered.now.extend(written for written in batch if written.flow == "conflate")
            for written in sorted(batch, key=lambda each: each.offset):
                if written.offset and written.id not in replayed:
                    replayed.add(written.id)
                    self._connection.write(written)
                    last = max(last, Offset(written.shard, written.offset), key=lambda each: each.clock)
                    if self._socket.is_behind:
                        await self._socket.caught_up()
            batch = self.take_early()
        return last


def _read_auth(codec: wire.Codec, packet: wire.Packet) -> ConnectAuth:
    """Raises Refused."""
    try:
        auth = codec.decode_argument(packet.argument, ConnectAuth)
    except errors.CallError:
        raise Refused("UNAUTHENTICATED", "malformed") from None
    if auth.protocol not in (None, PROTOCOL, str(PROTOCOL)):
        raise Refused("FAILED_PRECONDITION", "protocol")
    return auth


def _returning_client(auth: ConnectAuth) -> ReturningClient | None:
    offset = Offset.parse(auth.offset) if auth.offset else None
    return ReturningClient(auth.pid, offset) if auth.pid and offset is not None else None
