"""One client on one socket.

States: opened (waits for CONNECT) → connecting → connected, anonymous (10 minutes at most) or signed in (until its
access token has been expired for 60 s) → closed. The codec is what the client's first frame is written in.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec
import structlog

from channels import names
from channels.messages import Written
from channels.recovery import Offset
from engine.close_reasons import CloseReason
from engine.socket import Bounds, EngineSocket
from gateway.calls import CallRate, Calls
from gateway.dispatcher import Dispatcher
from gateway.observability import CONNECTIONS, SIGNED_IN
from gateway.sign_in import Recovered, Refused, Return, SignIn, Unavailable, Welcome, new_pid
from handlers.call import Viewer
from protocol import errors, wire
from protocol.auth import RevocationReason, SessionExpired, SessionReady, SessionRevoked
from protocol.presence import MOST_WATCHED
from protocol.pushes import Push
from protocol.timestamps import to_wire
from protocol.tokens import EXPIRY_GRACE
from protocol.users import User

PROTOCOL = 1
CONNECT_WITHIN_S = 10.0
ANONYMOUS_FOR_S = 600.0
MOST_CHANNELS = {"post": 200, "live": 10, "presence": MOST_WATCHED}  # of each kind
MOST_EARLY_PUSHES = 1_000
# Enough to sign in with. Whoever has not yet done so costs little.
ANONYMOUS_BOUNDS = Bounds(payload=16 * 1024, packets_per_s=100)
MOST_HELD = 100

_EVENTS = (wire.EVENT, wire.BINARY_EVENT)
_ACKS = (wire.ACK, wire.BINARY_ACK)

log = structlog.get_logger()


class ConnectAuth(msgspec.Struct):
    """`auth` of CONNECT. Unknown fields are ignored, and every value may be a string: some clients send no others.

    `pid` and `offset` are of a client that has been here before.
    """

    token: str | None = None
    protocol: int | str | None = None
    pid: str | None = None
    offset: str | None = None


class Connection:
    """A member of channels, the caller's socket for handlers, and the peer of an Engine.IO socket."""

    __slots__ = (
        "_afresh_due",
        "_bounds",
        "_calls",
        "_draining",
        "_early",
        "_held",
        "_incomplete",
        "_joined",
        "_revoked_early",
        "_sign_in",
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
        "pid",
        "superseded_claim",
        "user_agent",
        "viewer",
    )  # fmt: skip

    def __init__(
        self,
        socket: EngineSocket,
        dispatcher: Dispatcher,
        sign_in: SignIn,
        rate: CallRate,
        bounds: Bounds,
        address: str,
        user_agent: str | None,
    ) -> None:
        """bounds: of what the client may send once it has signed in."""
        self.channels: dict[str, int] = {}
        self.viewer: Viewer | None = None
        self.codec: wire.Codec = wire.JSON
        self.address = address
        self.user_agent = user_agent
        self.pid = ""
        self.claim = 0
        self.connected_at = time.time()
        self.called_at = time.monotonic()
        self.superseded_claim = 0
        self._socket = socket
        self._sign_in = sign_in
        self._bounds = bounds
        self._calls = Calls(dispatcher, self, rate)
        self._state: Literal["opened", "connecting", "connected", "closed"] = "opened"
        self._incomplete: wire.Packet | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._early: list[Written] | None = None
        self._held: list[str | bytes] | None = None  # what the client has sent behind its CONNECT
        self._revoked_early = False
        self._joined = False  # stands in the node's index of members
        self._draining = False
        self._afresh_due = False  # has lost pushes and is yet to be told
        self._timer = asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, socket.drop, CloseReason.NO_CONNECT)

    # ------------------------------------------------------------------------------------------ as a member

    @property
    def user_id(self) -> int:
        return self.viewer.id if self.viewer else 0

    @property
    def session_id(self) -> int:
        return self.viewer.session_id if self.viewer else 0

    def deliver(self, written: Written) -> None:
        if self._early is not None:
            self._keep_early(written)
        else:
            self._write(written)

    def _write(self, written: Written) -> None:
        frame = written.msgpack if self.codec is wire.MSGPACK else written.json
        if written.flow == "recover":
            self._socket.write(frame)
        elif written.flow == "drop":
            self._socket.write_or_drop(frame)
        else:
            self._socket.write_latest(written.replaces, frame)

    def revoke(self, reason: RevocationReason) -> None:
        if self._state == "connecting":
            self._revoked_early = True  # told by CONNECT_ERROR
            return
        self._push(SessionRevoked(id=f"session.revoked:{self.session_id}", reason=reason))
        self.disconnect(CloseReason.REVOKED)

    def start_afresh(self, delay_s: float) -> None:
        self._afresh_due = True
        if self._state == "connected":  # else once it is
            asyncio.get_running_loop().call_later(delay_s, self._spawn_afresh)

    def supersede(self) -> None:
        self._socket.drop(CloseReason.SUPERSEDED)

    # ------------------------------------------------------------------------------------------ as the caller's socket

    def sign_in(self, viewer: Viewer) -> None:
        if self._state == "closed":
            return
        extends = self.viewer is not None
        self.viewer = viewer
        self._socket.set_bounds(self._bounds)
        self._set_timer()
        if extends:
            self._sign_in.renew(self)
        else:
            self._spawn(self._settle())

    def forget_recovery(self) -> None:
        if self._joined:
            self._sign_in.forget(self)

    def is_in(self, channel: str) -> bool:
        return channel in self.channels

    async def watch(self, channels: Mapping[str, int]) -> None:
        kinds = Counter(names.kind(channel) for channel in {*self.channels, *channels})
        for kind, most in MOST_CHANNELS.items():
            if kinds[kind] > most:
                raise errors.failed_precondition(f"a socket is in no more than {most} channels of a kind: leave some")
        watching = (self._sign_in.watch(self, channel, owner_id) for channel, owner_id in channels.items())
        ended = await asyncio.gather(*watching, return_exceptions=True)  # none of them goes on behind a failure
        failed = [error for error in ended if error is not None]
        if failed:
            try:
                raise failed[0]
            finally:
                del ended, failed  # the exception's traceback holds this frame

    async def unwatch(self, channel: str) -> None:
        self._sign_in.unwatch(self, channel)

    async def leave(self, channel: str) -> bool:
        return self._sign_in.leave_device(self, channel)

    # ------------------------------------------------------------------------------------------ as the calls' owner

    def reply(self, call_id: int | None, answer: wire.Ok | wire.Failed) -> None:
        if call_id is not None and self._state != "closed":
            self._socket.write(self.codec.ack(call_id, answer))

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        if not self._draining:
            self._socket.resume_reading()

    def disconnect(self, reason: CloseReason) -> None:
        """A server disconnect: official clients do not come back by themselves.

        The socket lingers, so that the last answer reaches clients that close as soon as they are told.
        """
        self._socket.write(self.codec.disconnect())
        self._socket.linger(reason)

    def drop(self, reason: CloseReason) -> None:
        self._socket.drop(reason)

    def drain(self) -> None:
        """Close, once its calls have been answered, so that the client goes to another node. Without DISCONNECT."""
        self.pause_reading()
        self._draining = True
        self._calls.when_idle(lambda: self._socket.finish(CloseReason.DRAINING))

    # ------------------------------------------------------------------------------------------ from the engine

    def receive(self, data: str | bytes) -> None:
        if self._held is not None:
            self._held.append(data)
            if len(self._held) > MOST_HELD or sum(map(len, self._held)) > wire.MAX_PAYLOAD:
                self._socket.drop(CloseReason.FLOOD)
            return
        try:
            if self._state == "opened":
                self.codec = wire.MSGPACK if isinstance(data, bytes) else wire.JSON
            if self._incomplete is not None:
                packet = self._completed(data)
                if packet is None:
                    return
            else:
                packet = self.codec.decode(data)
                packet.size = len(data)
                if packet.missing_attachments:
                    if self._state != "connected":
                        raise wire.Unreadable("attachments before CONNECT")
                    self._incomplete = packet
                    return
            self._handle(packet)
        except wire.Unreadable as error:
            log.info("an unreadable frame", error=str(error)[:200], user_id=self.user_id or None)
            self._socket.drop(CloseReason.UNREADABLE)
        except Exception:
            log.exception("a connection broke", user_id=self.user_id or None)
            self._socket.drop(CloseReason.BROKEN)

    def closed(self) -> None:
        was, self._state = self._state, "closed"
        self._timer.cancel()
        if was == "connected":
            CONNECTIONS.labels(self.codec.name).dec()
        self._leave()
        self._calls.let_go()

    def _completed(self, data: str | bytes) -> wire.Packet | None:
        packet = self._incomplete
        if packet is None or not isinstance(data, bytes):
            raise wire.Unreadable("a packet where an attachment was due")
        if not wire.add_attachment(packet, data):
            return None
        self._incomplete = None
        return packet

    def _handle(self, packet: wire.Packet) -> None:
        if packet.type in _EVENTS and self._state == "connected" and packet.namespace == "/":
            self._calls.take(packet)
        elif packet.type == wire.CONNECT:
            self._begin_connecting(packet)
        elif packet.type == wire.DISCONNECT and packet.namespace != "/":
            return
        elif packet.type == wire.DISCONNECT:
            self._leave(goodbye=True)
            self._socket.linger(CloseReason.CLIENT)
        elif packet.type not in _ACKS:  # we ask for none, but some clients send them
            raise wire.Unreadable(f"a packet of type {packet.type} in state {self._state}")

    # ------------------------------------------------------------------------------------------ connecting

    def _begin_connecting(self, packet: wire.Packet) -> None:
        if packet.namespace != "/":
            self._socket.write(self.codec.connect_error("Invalid namespace", None, packet.namespace))
            return
        if self._state != "opened":
            raise wire.Unreadable("a second CONNECT")
        self._state = "connecting"
        self._early, self._held = [], []
        self.pause_reading()
        self._spawn(self._connect(packet))

    async def _connect(self, packet: wire.Packet) -> None:
        try:
            auth = self.codec.decode_argument(packet.argument, ConnectAuth)
            if auth.protocol not in (None, PROTOCOL, str(PROTOCOL)):
                raise Refused("FAILED_PRECONDITION", "protocol")
            self.viewer = await self._sign_in.admit(auth.token, self.address)
            if self._state != "connecting":  # closed meanwhile
                return
            self.pid = new_pid()
            welcome = None
            if self.viewer is not None:
                self._socket.set_bounds(self._bounds)
                welcome = await self._join(_back(auth))
        except errors.CallError:
            self._refuse(Refused("UNAUTHENTICATED", "malformed"))
            return
        except Refused as refused:
            self._refuse(refused)
            return
        except Unavailable as refused:
            # Without CONNECT_ERROR: after one, official clients would not come back by themselves.
            self._socket.drop(refused.reason)
            return
        if welcome is not None and welcome.recovered is not None:
            welcome = welcome._replace(offset=await self._replay(welcome.offset, welcome.recovered))
        if self._state == "connecting":  # else closed meanwhile
            self._welcome(welcome)
            self._read_on()

    def _read_on(self) -> None:
        held, self._held = self._held or [], None
        self.resume_reading()
        for data in held:
            self.receive(data)

    async def _replay(self, last: Offset, recovered: Recovered) -> Offset:
        """Write what was missed, as fast as the client reads. Answers the offset that it ends at.

        How things stand has changed where such a push comes meanwhile: it goes behind what was to be told of that.
        """
        replayed: set[str] = set()
        # What came while the logs were read may be in them too; what comes while this is written is newer.
        batch = self._take_early() + recovered.missed
        while batch and self._state == "connecting":
            recovered.now.extend(written for written in batch if written.flow == "conflate")
            for written in sorted(batch, key=lambda each: each.offset):
                if written.offset and written.id not in replayed:
                    replayed.add(written.id)
                    self._write(written)
                    last = max(last, Offset(written.shard, written.offset), key=lambda each: each.clock)
                    if self._socket.is_behind:
                        await self._socket.caught_up()
            batch = self._take_early()
        return last

    def _take_early(self) -> list[Written]:
        """What has come so far and may be shown; what is not kept for anybody waits for no CONNECT."""
        early, self._early = self._early or [], []
        return self._sign_in.as_shown(self, early)

    def _welcome(self, welcome: Welcome | None) -> None:
        """CONNECT, which a recovered client expects behind what it has missed, and session.ready."""
        self._state = "connected"
        CONNECTIONS.labels(self.codec.name).inc()
        self._set_timer()
        early = self._take_early()
        self._early = None
        self._socket.write(self.codec.connect(_public_id(self.pid), self.pid))
        if welcome is None:
            self._announce_ready(None, None, recovered=False)
            return
        self._announce_ready(welcome.user, welcome.offset, recovered=welcome.recovered is not None)
        for written in [*(welcome.recovered.now if welcome.recovered else ()), *early]:
            self._write(written)
        if self._afresh_due:
            self._spawn_afresh()

    def _keep_early(self, written: Written) -> None:
        """What comes between the index and CONNECT follows CONNECT."""
        assert self._early is not None
        self._early.extend(written.parts or (written,))
        if len(self._early) > MOST_EARLY_PUSHES:
            self._socket.drop(CloseReason.SLOW)

    def _refuse(self, refused: Refused) -> None:
        if self._state != "connecting":
            return
        self._state = "opened"
        self.viewer = self._early = None
        self._revoked_early = False
        data = {"code": refused.code, "reason": refused.reason}
        self._socket.write(self.codec.connect_error(f"{refused.code}: {refused.reason}", data))
        self._read_on()

    async def _settle(self) -> None:
        """After a sign-in on a live socket, which may have closed by now."""
        if self._state == "closed":
            return
        try:
            welcome = await self._join(None)
        except Refused:
            self.revoke("revoked")
        except Unavailable as refused:
            self._socket.drop(refused.reason)
        else:
            self._announce_ready(welcome.user, welcome.offset, recovered=False)

    def _spawn_afresh(self) -> None:
        if self._state == "connected":
            self._spawn(self._afresh())

    async def _afresh(self) -> None:
        try:
            user, offset = await self._sign_in.enter_again(self)
        except Refused:
            self.revoke("revoked")
            return
        except Unavailable as refused:
            self._socket.drop(refused.reason)
            return
        self._afresh_due = False
        self._announce_ready(user, offset, recovered=False)

    async def _join(self, back: Return | None) -> Welcome:
        """Stand in the index of members, so that pushes find this socket. Raises Refused, Unavailable."""
        self._joined = True
        SIGNED_IN.inc()
        try:
            welcome = await self._sign_in.join(self, back)
            if self._revoked_early:
                raise Refused("UNAUTHENTICATED", "revoked")
        except (Refused, Unavailable):
            self._leave()
            raise
        return welcome

    def _leave(self, *, goodbye: bool = False) -> None:
        if self._joined:
            self._joined = False
            SIGNED_IN.dec()
            self._sign_in.leave(self, goodbye=goodbye or self._afresh_due)

    def _announce_ready(self, user: User | None, offset: Offset | None, *, recovered: bool) -> None:
        ready = SessionReady(
            id=f"session.ready:{secrets.token_hex(8)}",
            session_id=str(self.viewer.session_id) if self.viewer else None,
            user=user,
            server_time=to_wire(datetime.now(UTC)),
            recovered=recovered,
            protocol=PROTOCOL,
        )
        if offset is None:
            self._push(ready)
        else:
            self._socket.write(self.codec.add_offset(self.codec.push_before_offset(ready), offset.text.encode()))

    # ------------------------------------------------------------------------------------------ time

    def _set_timer(self) -> None:
        self._timer.cancel()
        loop = asyncio.get_running_loop()
        if self.viewer is None:
            self._timer = loop.call_later(ANONYMOUS_FOR_S, self._socket.drop, CloseReason.ANONYMOUS)
        else:
            left = (self.viewer.expires_at + EXPIRY_GRACE - datetime.now(UTC)).total_seconds()
            self._timer = loop.call_later(max(left, 0), self._expire)

    def _expire(self) -> None:
        self._push(SessionExpired(id=f"session.expired:{secrets.token_hex(8)}"))
        self.disconnect(CloseReason.EXPIRED)

    def _push(self, push: Push) -> None:
        self._socket.write(self.codec.push(push))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection broke", user_id=self.user_id or None, exc_info=task.exception())
            self._socket.drop(CloseReason.BROKEN)


def _public_id(pid: str) -> str:
    """What the client knows as its socket's `id`: a recovered socket has its old pid, and so its old id."""
    return sha256(pid.encode()).hexdigest()[:20]


def _back(auth: ConnectAuth) -> Return | None:
    offset = Offset.parse(auth.offset) if auth.offset else None
    return Return(auth.pid, offset) if auth.pid and offset is not None else None
