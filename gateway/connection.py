"""One client on one socket.

States: opened (waits for CONNECT) → anonymous (10 minutes at most) → signed in (until its access token has been
expired for 60 s) → closed. The codec is what the client's first frame is written in.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from gateway.dispatcher import Dispatcher
from gateway.observability import CONNECTIONS, PUSHES, SIGNED_IN
from gateway.sign_in import Refused, SignIn, Unavailable
from gateway.socket_server import EngineSocket
from handlers.call import Viewer
from protocol import errors, wire
from protocol.pushes import Push, RevocationReason, SessionExpired, SessionReady, SessionRevoked
from protocol.timestamps import to_wire
from protocol.tokens import EXPIRY_GRACE
from protocol.users import User
from rooms import names
from rooms.messages import Frames, encode_push
from rooms.redis_adapter import RedisAdapter

PROTOCOL = 1
CONNECT_WITHIN_S = 10.0
ANONYMOUS_FOR_S = 600.0
MOST_CALLS_AT_ONCE = 32
MOST_ROOMS = 200
MOST_EARLY_PUSHES = 100

log = structlog.get_logger()


class ConnectAuth(msgspec.Struct):
    """`auth` of CONNECT; unknown fields are ignored."""

    token: str | None = None
    protocol: int | None = None


class CallRate(msgspec.Struct, frozen=True):
    """A token bucket: `burst` calls at once, refilled at `per_second`."""

    per_second: float
    burst: float


class Connection:
    """Is what a room's member is, what handlers know of the caller's socket, and what lives on an Engine.IO socket."""

    def __init__(
        self,
        socket: EngineSocket,
        dispatcher: Dispatcher,
        sign_in: SignIn,
        adapter: RedisAdapter,
        rate: CallRate,
        address: str,
        user_agent: str | None,
    ) -> None:
        self.rooms: dict[str, int] = {}
        self.viewer: Viewer | None = None
        self.codec: wire.Codec = wire.JSON
        self._socket = socket
        self._dispatcher = dispatcher
        self._sign_in = sign_in
        self._adapter = adapter
        self._rate = rate
        self._address = address
        self._user_agent = user_agent
        self._state = "opened"
        self._incomplete: wire.Packet | None = None
        self._turn = asyncio.Lock()
        self._slots = asyncio.Semaphore(MOST_CALLS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens = rate.burst
        self._refilled_at = time.monotonic()
        self._early: deque[Frames] = deque(maxlen=MOST_EARLY_PUSHES)
        self._revoked_early = False
        self._joined = False  # stands in the node's index of members
        self._timer = asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, socket.drop, "no CONNECT")

    # ------------------------------------------------------------------------------------------ as a member

    @property
    def user_id(self) -> int:
        return self.viewer.id if self.viewer else 0

    @property
    def session_id(self) -> int:
        return self.viewer.session_id if self.viewer else 0

    def deliver(self, frames: Frames) -> None:
        if self._state == "connecting":
            self._early.append(frames)  # what comes between the index and CONNECT follows CONNECT
            return
        PUSHES.labels(frames.event).inc()
        self._socket.write(frames.msgpack if self.codec is wire.MSGPACK else frames.json)

    def revoke(self, reason: RevocationReason) -> None:
        if self._state == "connecting":
            self._revoked_early = True  # told by CONNECT_ERROR
            return
        self._push(SessionRevoked(id=f"session.revoked:{self.session_id}", reason=reason))
        self._disconnect("revoked")

    # ------------------------------------------------------------------------------------------ as the caller's socket

    def sign_in(self, viewer: Viewer) -> None:
        if self._state == "closed":
            return
        extends = self.viewer is not None
        self.viewer = viewer
        self._set_timer()
        if not extends:
            self._spawn(self._settle())

    async def watch(self, room: str, owner_id: int) -> None:
        if sum(map(names.is_post, self.rooms)) >= MOST_ROOMS:
            raise errors.failed_precondition(f"a socket watches no more than {MOST_ROOMS} things: unwatch some")
        await self._adapter.join(self, room, owner_id)

    async def unwatch(self, room: str) -> None:
        await self._adapter.leave(self, room)

    # ------------------------------------------------------------------------------------------ from the engine

    async def receive(self, data: str | bytes) -> None:
        try:
            if self._state == "opened":
                self.codec = wire.MSGPACK if isinstance(data, bytes) else wire.JSON
            if self._incomplete is not None:
                if not isinstance(data, bytes):
                    raise wire.Unreadable("a packet where an attachment was due")
                packet = self._incomplete
                if not wire.add_attachment(packet, data):
                    return
                self._incomplete = None
            else:
                packet = self.codec.decode(data)
                if packet.missing_attachments:
                    self._incomplete = packet
                    return
            await self._handle(packet)
        except wire.Unreadable as error:
            log.info("an unreadable frame", error=str(error)[:200], user_id=self.user_id or None)
            self._socket.drop("unreadable")
        except Exception:
            log.exception("a connection broke", user_id=self.user_id or None)
            self._socket.drop("broken")

    def closed(self) -> None:
        was, self._state = self._state, "closed"
        self._timer.cancel()
        if was == "connected":
            CONNECTIONS.labels(self.codec.name).dec()
        if self._joined:
            _outlive(self._leave())

    async def _handle(self, packet: wire.Packet) -> None:
        if packet.type == wire.CONNECT:
            await self._connect(packet)
        elif packet.type == wire.EVENT and self._state == "connected" and packet.namespace == "/":
            await self._start_call(packet)
        elif packet.type == wire.DISCONNECT:
            self._socket.finish("client")
        elif packet.type != wire.ACK:
            raise wire.Unreadable(f"a packet of type {packet.type} in state {self._state}")

    # ------------------------------------------------------------------------------------------ connecting

    async def _connect(self, packet: wire.Packet) -> None:
        if packet.namespace != "/":
            self._socket.write(self.codec.connect_error("Invalid namespace", None, packet.namespace))
            return
        if self._state != "opened":
            raise wire.Unreadable("a second CONNECT")
        self._state = "connecting"
        try:
            auth = self.codec.decode_argument(packet.argument, ConnectAuth)
            if auth.protocol not in (None, PROTOCOL):
                raise Refused("FAILED_PRECONDITION", "protocol")
            self.viewer = await self._sign_in.admit(auth.token, self._address)
            user = await self._join() if self.viewer is not None else None
        except errors.CallError:
            self._refuse(Refused("UNAUTHENTICATED", "malformed"))
            return
        except Refused as refused:
            self._refuse(refused)
            return
        except Unavailable as reason:
            # Without CONNECT_ERROR: after one, official clients would not come back by themselves.
            self._socket.drop(str(reason))
            return
        if self._state != "connecting":  # closed meanwhile
            return
        self._state = "connected"
        CONNECTIONS.labels(self.codec.name).inc()
        self._set_timer()
        self._socket.write(self.codec.connect(secrets.token_urlsafe(15)))
        self._announce_ready(user)
        for frames in self._early:
            self.deliver(frames)
        self._early.clear()

    def _refuse(self, refused: Refused) -> None:
        if self._state != "connecting":
            return
        self._state = "opened"
        self.viewer = None
        data = {"code": refused.code, "reason": refused.reason}
        self._socket.write(self.codec.connect_error(f"{refused.code}: {refused.reason}", data))

    async def _settle(self) -> None:
        """After a sign-in on a live socket, which may have closed by now."""
        if self._state == "closed":
            return
        try:
            self._announce_ready(await self._join())
        except Refused:
            self.revoke("revoked")
        except Unavailable as reason:
            self._socket.drop(str(reason))

    async def _join(self) -> User:
        """Stand in the index of members, so that pushes find this socket. Raises Refused, Unavailable."""
        self._joined = True
        SIGNED_IN.inc()
        try:
            user = await self._sign_in.join(self)
            if self._revoked_early:
                raise Refused("UNAUTHENTICATED", "revoked")
        except Refused:
            await self._leave()
            raise
        return user

    async def _leave(self) -> None:
        if self._joined:
            self._joined = False
            SIGNED_IN.dec()
            await self._sign_in.leave(self)

    def _announce_ready(self, user: User | None) -> None:
        self._push(
            SessionReady(
                id=f"session.ready:{secrets.token_hex(8)}",
                session_id=str(self.viewer.session_id) if self.viewer else None,
                user=user,
                server_time=to_wire(datetime.now(UTC)),
                recovered=False,
                protocol=PROTOCOL,
            )
        )

    # ------------------------------------------------------------------------------------------ calls

    async def _start_call(self, packet: wire.Packet) -> None:
        """Waiting here for a slot stops the reading of this socket alone."""
        wait_ms = self._take_token()
        if wait_ms:
            refusal = errors.exhausted("too many calls on this connection", wait_ms)
            self._reply(packet, wire.Failed(refusal.body(secrets.token_hex(8))))
            return
        await self._slots.acquire()
        self._spawn(self._run_call(packet))

    async def _run_call(self, packet: wire.Packet) -> None:
        try:
            answered = await self._dispatcher.answer(
                packet, self.codec, self, lambda: self.viewer, self._address, self._user_agent, self._turn
            )
        finally:
            self._slots.release()
        self._reply(packet, answered.answer)
        if answered.disconnects:
            self._disconnect("logout")
        await self._dispatcher.finish(answered)

    def _reply(self, packet: wire.Packet, answer: Any) -> None:
        if packet.id is not None:
            self._socket.write(self.codec.ack(packet.id, answer))

    def _take_token(self) -> int:
        """0 when the call may run, else the milliseconds to wait."""
        now = time.monotonic()
        refill = (now - self._refilled_at) * self._rate.per_second
        self._tokens = min(self._tokens + refill, self._rate.burst)
        self._refilled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return max(int((1 - self._tokens) / self._rate.per_second * 1_000), 1)

    # ------------------------------------------------------------------------------------------ time and end

    def _set_timer(self) -> None:
        self._timer.cancel()
        loop = asyncio.get_running_loop()
        if self.viewer is None:
            self._timer = loop.call_later(ANONYMOUS_FOR_S, self._socket.drop, "anonymous")
        else:
            left = (self.viewer.expires_at + EXPIRY_GRACE - datetime.now(UTC)).total_seconds()
            self._timer = loop.call_later(max(left, 0), self._expire)

    def _expire(self) -> None:
        self._push(SessionExpired(id=f"session.expired:{secrets.token_hex(8)}"))
        self._disconnect("expired")

    def _disconnect(self, reason: str) -> None:
        """A server disconnect: official clients do not come back by themselves."""
        self._socket.write(self.codec.disconnect())
        self._socket.finish(reason)

    def _push(self, push: Push) -> None:
        self.deliver(encode_push(push))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection broke", user_id=self.user_id or None, exc_info=task.exception())
            self._socket.drop("broken")


_outliving: set[asyncio.Future[None]] = set()


def _outlive(work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)
    _outliving.add(task)
    task.add_done_callback(_outliving.discard)
