"""One client on one socket.

    OPENED ──CONNECT──▶ CONNECTING ──▶ CONNECTED ──▶ CLOSED
       ▲                    │
       └──CONNECT_ERROR─────┘

OPENED waits for CONNECT, for 10 s at most. While CONNECTING, a `Handshake` holds the client's frames and the pushes
to it. A CONNECTED client is anonymous, for 10 minutes at most, or signed in, until its access token has been
expired for 60 s. Every state may become CLOSED, the last one. The client's first frame decides the codec.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from hashlib import sha256
from typing import Any

import structlog

from channels.members import NO_CLAIM
from channels.messages import Written
from channels.recovery import Offset
from engine.close_reasons import CloseReason
from engine.socket import Bounds, EngineSocket
from gateway.admission import Refused, Unavailable
from gateway.calls import CallRate, Calls
from gateway.dispatcher import Dispatcher
from gateway.handshake import PROTOCOL, Entry, Handshake
from gateway.observability import CONNECTIONS, SIGNED_IN
from gateway.sessions import ReturningClient, Welcome
from handlers.call import Viewer
from protocol import wire
from protocol.auth import RevocationReason, SessionExpired, SessionReady, SessionRevoked
from protocol.pushes import Push
from protocol.timestamps import to_wire
from protocol.tokens import EXPIRY_GRACE
from protocol.users import User

CONNECT_WITHIN_S = 10.0
ANONYMOUS_FOR_S = 600.0
SUSPENSION_CHECK_S = 10.0
AFRESH_AGAIN_S, AFRESH_AGAIN_AT_MOST_S = 1.0, 30.0
# Enough to sign in with: a client that has not yet done so must cost little.
ANONYMOUS_BOUNDS = Bounds(payload=16 * 1024, packets_per_s=100)

_REVOCATIONS = {"suspended": CloseReason.SUSPENDED, "banned": CloseReason.BANNED}  # other reasons: REVOKED
_EVENTS = (wire.EVENT, wire.BINARY_EVENT)
_ACKS = (wire.ACK, wire.BINARY_ACK)

log = structlog.get_logger()


class State(Enum):
    OPENED = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    CLOSED = auto()


class Connection:
    """A member of channels, the caller's socket for handlers, and the peer of an Engine.IO socket."""

    __slots__ = (
        "_bounds",
        "_calls",
        "_draining",
        "_entry",
        "_handshake",
        "_incomplete",
        "_is_member",
        "_must_load_afresh",
        "_socket",
        "_state",
        "_tasks",
        "_timer",
        "address",
        "called_at",
        "channels",
        "claim",
        "codec",
        "connected_at",
        "is_minor",
        "pid",
        "user_agent",
        "viewer",
    )  # fmt: skip

    def __init__(
        self,
        socket: EngineSocket,
        dispatcher: Dispatcher,
        entry: Entry,
        rate: CallRate,
        bounds: Bounds,
        address: str,
        user_agent: str | None,
    ) -> None:
        """bounds: what the client may send once it has signed in."""
        self.channels: dict[str, int] = {}
        self.viewer: Viewer | None = None
        self.codec: wire.Codec = wire.JSON
        self.address = address
        self.user_agent = user_agent
        self.pid = ""
        self.claim = NO_CLAIM
        self.connected_at = time.time()
        self.called_at = time.monotonic()
        self.is_minor = True
        self._socket = socket
        self._entry = entry
        self._bounds = bounds
        self._calls = Calls(dispatcher, self, rate)
        self._state = State.OPENED
        self._handshake: Handshake | None = None  # while CONNECTING
        self._incomplete: wire.Packet | None = None  # waits for its attachments
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_member = False  # stands in the node's index of members
        self._must_load_afresh = False  # pushes were lost, and the client does not know it yet
        self._draining = False
        self._timer = asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, socket.drop, CloseReason.NO_CONNECT)

    # ------------------------------------------------------------------------------------------ as a member

    @property
    def user_id(self) -> int:
        return self.viewer.id if self.viewer else 0

    @property
    def session_id(self) -> int:
        return self.viewer.session_id if self.viewer else 0

    @property
    def is_device(self) -> bool:
        return self.viewer is None or self.viewer.methods is None

    @property
    def is_closed(self) -> bool:
        return self._state is State.CLOSED

    def deliver(self, written: Written) -> None:
        if self._handshake is not None:
            self._handshake.keep(written)
        else:
            self.write(written)

    def write(self, written: Written) -> None:
        frame = written.msgpack if self.codec is wire.MSGPACK else written.json
        if written.flow == "recover":
            self._socket.write(frame)
        elif written.flow == "drop":
            self._socket.write_or_drop(frame)
        else:
            self._socket.write_latest(written.replaces, frame)

    def revoke(self, reason: RevocationReason) -> None:
        if self._handshake is not None:
            self._handshake.is_revoked = True  # CONNECT_ERROR informs the client
            return
        self._push(SessionRevoked(id=f"session.revoked:{self.session_id}", reason=reason))
        self.disconnect(_REVOCATIONS.get(reason, CloseReason.REVOKED))

    def start_afresh(self, delay_s: float) -> None:
        self._must_load_afresh = True
        if self._state is State.CONNECTED:  # else `_open` does it
            asyncio.get_running_loop().call_later(delay_s, self._spawn_afresh, AFRESH_AGAIN_S)

    def supersede(self) -> None:
        self._socket.drop(CloseReason.SUPERSEDED)

    # ------------------------------------------------------------------------------------------ as the caller's socket

    def sign_in(self, viewer: Viewer) -> None:
        if self.is_closed:
            return
        before, self.viewer = self.viewer, viewer
        self._set_timer()
        if viewer.is_restricted:
            if before is None:
                self._announce_ready(None, None, recovered=False)
        elif before is not None and not before.is_restricted:
            self._entry.sessions.renew(self)
        else:
            self._spawn(self._settle())

    def forget_recovery(self) -> None:
        if self._is_member:
            self._entry.sessions.forget(self)

    def is_in(self, channel: str) -> bool:
        return channel in self.channels

    async def watch(self, channels: Mapping[str, int]) -> "asyncio.Future[list[object]]":
        return await self._entry.sessions.watch(self, channels)

    async def unwatch(self, channel: str) -> None:
        self._entry.sessions.unwatch(self, channel)

    async def leave(self, channel: str) -> bool:
        return self._entry.sessions.leave_device(self, channel)

    # ------------------------------------------------------------------------------------------ as what calls come from

    def reply(self, call_id: int | None, answer: wire.Ok | wire.Failed) -> None:
        if call_id is not None and self._state is not State.CLOSED:
            self._socket.write(self.codec.ack(call_id, answer))

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        if not self._draining:
            self._socket.resume_reading()

    def disconnect(self, reason: CloseReason) -> None:
        """Send DISCONNECT, after which official clients do not reconnect by themselves.

        The socket lingers, so that the last answer reaches clients that close at DISCONNECT.
        """
        self._socket.write(self.codec.disconnect())
        self._socket.linger(reason)

    def drop(self, reason: CloseReason) -> None:
        self._socket.drop(reason)

    def drain(self) -> None:
        """Close once all calls are answered, without DISCONNECT: the client reconnects, to another node."""
        self.pause_reading()
        self._draining = True
        self._calls.when_idle(lambda: self._socket.finish(CloseReason.DRAINING))

    # ------------------------------------------------------------------------------------------ from the engine

    def receive(self, data: str | bytes) -> None:
        if self._handshake is not None:
            self._handshake.hold(data)
            return
        try:
            if self._state is State.OPENED:
                self.codec = wire.MSGPACK if isinstance(data, bytes) else wire.JSON
            if self._incomplete is not None:
                packet = self._incomplete
                if not isinstance(data, bytes):
                    raise wire.Unreadable("a packet where an attachment was due")
                if not wire.add_attachment(packet, data):
                    return
                self._incomplete = None
            else:
                packet = self.codec.decode(data)
                packet.size = len(data)
                if packet.missing_attachments:
                    if self._state is not State.CONNECTED:
                        raise wire.Unreadable("attachments before CONNECT")
                    self._incomplete = packet
                    return
            self._handle(packet)
        except wire.Unreadable as error:
            log.info("could not decode a frame", error=str(error)[:200], user_id=self.user_id or None)
            self._socket.drop(CloseReason.UNREADABLE)
        except Exception:
            log.exception("a connection failed", user_id=self.user_id or None)
            self._socket.drop(CloseReason.BROKEN)

    def closed(self) -> None:
        was, self._state = self._state, State.CLOSED
        self._timer.cancel()
        if was is State.CONNECTED:
            CONNECTIONS.labels(self.codec.name).dec()
        self._leave()
        del self._calls  # calls under way keep this connection; nothing else does, so that it is freed at once

    def _handle(self, packet: wire.Packet) -> None:
        if packet.type in _EVENTS and self._state is State.CONNECTED and packet.namespace == "/":
            self._calls.take(packet)
        elif packet.type == wire.CONNECT:
            self._begin_handshake(packet)
        elif packet.type == wire.DISCONNECT and packet.namespace != "/":
            return
        elif packet.type == wire.DISCONNECT:
            self._leave(goodbye=True)
            self._socket.linger(CloseReason.CLIENT)
        elif packet.type not in _ACKS:  # pushes ask for none, but some clients send them
            raise wire.Unreadable(f"a packet of type {packet.type} in state {self._state.name}")

    # ------------------------------------------------------------------------------------------ connecting

    def _begin_handshake(self, packet: wire.Packet) -> None:
        if packet.namespace != "/":
            self._socket.write(self.codec.connect_error("Invalid namespace", None, packet.namespace))
            return
        if self._state is not State.OPENED:
            raise wire.Unreadable("a second CONNECT")
        self._state = State.CONNECTING
        self._handshake = Handshake(self, self._socket, self._entry)
        self.pause_reading()
        self._spawn(self._connect(self._handshake, packet))

    async def _connect(self, handshake: Handshake, packet: wire.Packet) -> None:
        try:
            welcome = await handshake.run(packet)
        except Refused as refused:
            self._refuse(refused)
        except Unavailable as unavailable:
            self._socket.drop(unavailable.reason)
            return
        else:
            self._open(handshake, welcome)
        if not self.is_closed:
            self.resume_reading()
            for frame in handshake.held:
                self.receive(frame)

    def _open(self, handshake: Handshake, welcome: Welcome | None) -> None:
        """Answer CONNECT, which recovered clients expect after the missed pushes, and send session.ready."""
        if self.is_closed:
            return
        early = handshake.take_early()
        self._state, self._handshake = State.CONNECTED, None
        CONNECTIONS.labels(self.codec.name).inc()
        self._set_timer()
        self._socket.write(self.codec.connect(_public_id(self.pid), self.pid))
        if welcome is None:
            self._announce_ready(None, None, recovered=False)
            return
        self._announce_ready(welcome.user, welcome.offset, recovered=welcome.recovered is not None)
        for written in [*(welcome.recovered.now if welcome.recovered else ()), *early]:
            self.write(written)
        if self._must_load_afresh:
            self._spawn_afresh(AFRESH_AGAIN_S)

    def _refuse(self, refused: Refused) -> None:
        """Send CONNECT_ERROR. The client may send another CONNECT on the same socket."""
        if self.is_closed:
            return
        self._state, self._handshake = State.OPENED, None
        self.viewer = None
        data = {"code": refused.code, "reason": refused.reason}
        self._socket.write(self.codec.connect_error(f"{refused.code}: {refused.reason}", data))

    async def join(self, returning: ReturningClient | None) -> Welcome:
        """Join the viewer's session, so that pushes find this socket. Raises Refused, Unavailable."""
        self._socket.set_bounds(self._bounds)
        self._is_member = True
        SIGNED_IN.inc()
        try:
            welcome = await self._entry.sessions.join(self, returning)
            if self._handshake is not None and self._handshake.is_revoked:
                raise Refused("UNAUTHENTICATED", "revoked")
        except (Refused, Unavailable):
            self._leave()
            raise
        return welcome

    async def _settle(self) -> None:
        """Join the session after a sign-in on a live socket, which may have closed by now."""
        if self.is_closed:
            return
        try:
            welcome = await self.join(None)
        except Refused:
            self.revoke("revoked")
        except Unavailable as unavailable:
            self._socket.drop(unavailable.reason)
        else:
            self._announce_ready(welcome.user, welcome.offset, recovered=False)

    def _leave(self, *, goodbye: bool = False) -> None:
        if self._is_member:
            self._is_member = False
            SIGNED_IN.dec()
            self._entry.sessions.leave(self, goodbye=goodbye or self._must_load_afresh)

    def _announce_ready(self, user: User | None, offset: Offset | None, *, recovered: bool) -> None:
        ready = SessionReady(
            id=f"session.ready:{secrets.token_hex(8)}",
            session_id=str(self.viewer.session_id) if self.viewer else None,
            is_restricted=self.viewer is not None and self.viewer.is_restricted,
            user=user,
            server_time=to_wire(datetime.now(UTC)),
            recovered=recovered,
            protocol=PROTOCOL,
        )
        if offset is None:
            self._push(ready)
        else:
            self._socket.write(self.codec.add_offset(self.codec.push_before_offset(ready), offset.text.encode()))

    # ------------------------------------------------------------------------------------------ after lost pushes

    def _spawn_afresh(self, again_s: float) -> None:
        if self._state is State.CONNECTED:
            self._spawn(self._afresh(again_s))

    async def _afresh(self, again_s: float) -> None:
        """Push to the client that it must load everything again, with an offset that later pushes follow.

        If PostgreSQL or Redis is lost again, after `again_s`: the socket outlives that.
        """
        try:
            user, offset = await self._entry.sessions.enter_again(self)
        except Refused:
            self.revoke("revoked")
        except Unavailable as unavailable:
            if unavailable.reason is not CloseReason.DEPENDENCY:
                self._socket.drop(unavailable.reason)
                return
            later = min(again_s * 2, AFRESH_AGAIN_AT_MOST_S)
            asyncio.get_running_loop().call_later(again_s * random.uniform(0.5, 1.5), self._spawn_afresh, later)
        else:
            self._must_load_afresh = False
            self._announce_ready(user, offset, recovered=False)

    # ------------------------------------------------------------------------------------------ time

    def _set_timer(self) -> None:
        self._timer.cancel()
        loop, viewer = asyncio.get_running_loop(), self.viewer
        if viewer is None:
            self._timer = loop.call_later(ANONYMOUS_FOR_S, self._socket.drop, CloseReason.ANONYMOUS)
        else:
            left = (viewer.expires_at + EXPIRY_GRACE - datetime.now(UTC)).total_seconds()
            if viewer.is_restricted and left > SUSPENSION_CHECK_S:
                self._timer = loop.call_later(SUSPENSION_CHECK_S, lambda: self._spawn(self._check_suspension(viewer)))
            else:
                self._timer = loop.call_later(left, self._expire)

    async def _check_suspension(self, viewer: Viewer) -> None:
        """Make the client of a suspended user reconnect with a new token once the suspension has ended."""
        has_ended = False
        try:
            await self._entry.sessions.check_restricted(viewer)
        except Unavailable:
            pass  # ask again later
        except Refused:
            has_ended = True
        if self.is_closed or self.viewer is not viewer:
            return  # the client has a new token already
        if has_ended:
            self._expire()
        else:
            self._set_timer()

    def _expire(self) -> None:
        self._push(SessionExpired(id=f"session.expired:{secrets.token_hex(8)}"))
        self.disconnect(CloseReason.EXPIRED)

    def _push(self, push: Push) -> None:
        self._socket.write(self.codec.push(push))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection failed", user_id=self.user_id or None, exc_info=task.exception())
            self._socket.drop(CloseReason.BROKEN)


def _public_id(pid: str) -> str:
    """The socket's `id` as the client knows it: a recovered socket keeps its pid, and so its id."""
    return sha256(pid.encode()).hexdigest()[:20]
