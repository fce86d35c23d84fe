"""python-socketio with its paths per packet replaced: no queue, no task and no copy between a push and a socket.

The libraries keep what they are good at: HTTP handshake, session ids, CORS, long polling. Ours are the packets
(two codecs, decoded by `protocol.wire`), direct writes of finished frames with a bound on what waits for a slow
reader, and one timer a socket for pings.
"""

import asyncio
import base64
from collections.abc import Callable
from typing import Any, Protocol

import engineio
import socketio
from aiohttp import WSMsgType, web
from engineio import exceptions, packet
from engineio.async_socket import AsyncSocket

from gateway.observability import CLOSED
from protocol.wire import MAX_PAYLOAD, frame_payload

MAX_OUTBOUND = 1024 * 1024
CLOSE_TIMEOUT_S = 2.0
SEPARATOR = "\x1e"  # between the packets of a polling payload


class Peer(Protocol):
    """What lives on an Engine.IO socket."""

    async def receive(self, data: str | bytes) -> None:
        """One message from the client. Never raises."""

    def closed(self) -> None:
        """The socket is gone."""


class EngineSocket(AsyncSocket):  # type: ignore[misc]
    """States: polling → upgrading → websocket, or websocket from the start; then closed.

    Over WebSocket, frames go straight into the transport's buffer. Over polling they wait in the queue for the
    next GET.
    """

    def __init__(self, server: "EngineServer", sid: str) -> None:
        super().__init__(server, sid)
        self.connected: bool = False
        self.upgrading: bool = False
        self.upgraded: bool = False
        self.closed: bool = False
        self.peer: Peer | None = None
        self._web_socket: web.WebSocketResponse | None = None
        self._transport: asyncio.Transport | None = None
        self._queued_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------ outbound

    def write(self, frame: bytes) -> None:
        """A finished WebSocket frame; a reader who has left more than 1 MiB unread is cut off.

        One frame always passes, so that an answer larger than the bound reaches who reads.
        """
        if self.closed:
            return
        if self._transport is not None:
            if self._transport.get_write_buffer_size() > MAX_OUTBOUND:
                self.drop("slow")
            elif not self._transport.is_closing():
                self._transport.write(frame)
        else:
            if self._queued_bytes > MAX_OUTBOUND:
                self.drop("slow")
            else:
                self._queued_bytes += len(frame)
                self.queue.put_nowait(packet.Packet(packet.MESSAGE, frame_payload(frame)))

    async def send(self, pkt: packet.Packet) -> None:
        """Engine.IO's own packets: OPEN, PING, NOOP, CLOSE."""
        if self._transport is None:
            self.queue.put_nowait(pkt)
        elif not self._transport.is_closing():
            text = pkt.encode().encode()
            self._transport.write(bytes((0x81, len(text))) + text if len(text) < 126 else _long_text(text))

    async def poll(self) -> list[packet.Packet]:
        packets: list[packet.Packet] = await super().poll()
        if self._transport is None:
            self._queued_bytes = 0
        return packets

    # ------------------------------------------------------------------------------------------ inbound

    async def handle_post_request(self, environ: dict[str, Any]) -> None:
        """A polling client's packets. An EngineIOError makes the server close the socket."""
        request: web.Request = environ["aiohttp.request"]
        try:
            async with asyncio.timeout(self.server.ping_timeout):
                body = (await request.read()).decode()
            for part in body.split(SEPARATOR):
                if part[:1] == "b":
                    await self._message(base64.b64decode(part[1:], validate=True))
                else:
                    await self._packet(part)
        except (ValueError, TimeoutError, ConnectionError, web.HTTPRequestEntityTooLarge) as error:
            raise exceptions.EngineIOError("unreadable payload") from error

    async def _packet(self, text: str) -> None:
        """An Engine.IO packet in a text frame or a polling payload."""
        match text[:1]:
            case "4":
                await self._message(text[1:])
            case "3":
                self.schedule_ping()
            case "1":
                self.drop("client")
            case "6":
                return
            case _:
                self.drop("protocol")

    async def _message(self, data: str | bytes) -> None:
        if self.peer is not None:
            await self.peer.receive(data)

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> Any:
        if self.upgrading or self.upgraded or self.closed:
            return self.server._bad_request("this session has a WebSocket already")
        self.upgrading = self.connected
        # No compression: a broadcast would be compressed again for each recipient.
        web_socket = web.WebSocketResponse(max_msg_size=MAX_PAYLOAD, compress=False, timeout=CLOSE_TIMEOUT_S)
        request: web.Request = environ["aiohttp.request"]
        await web_socket.prepare(request)
        if self.connected and not await self._take_over(web_socket):
            await web_socket.close()
            return web_socket  # polling goes on
        try:
            self.connected = self.upgraded = True
            self._web_socket = web_socket
            await self._flush_queue(web_socket)
            self._transport = request.transport
            await self._read(web_socket)
        finally:
            self._end("transport")
        return web_socket

    async def _take_over(self, web_socket: web.WebSocketResponse) -> bool:
        """The upgrade from polling: probe, answer, and the client's word that it has moved."""
        try:
            async with asyncio.timeout(self.server.ping_timeout):
                if await _text(web_socket) != "2probe":
                    return False
                await web_socket.send_str("3probe")
                self.queue.put_nowait(packet.Packet(packet.NOOP))  # ends the GET that waits
                return await _text(web_socket) == "5"
        except (TimeoutError, OSError):
            return False
        finally:
            self.upgrading = False

    async def _flush_queue(self, web_socket: web.WebSocketResponse) -> None:
        """What was queued for polling goes first; what is written meanwhile queues up behind it."""
        while not self.queue.empty():
            waiting = self.queue.get_nowait()
            if waiting is not None and waiting.packet_type != packet.NOOP:
                encoded = waiting.encode()
                if isinstance(encoded, bytes):
                    await web_socket.send_bytes(encoded)
                else:
                    await web_socket.send_str(encoded)

    async def _read(self, web_socket: web.WebSocketResponse) -> None:
        while not self.closed:
            message = await web_socket.receive()
            if message.type is WSMsgType.TEXT:
                await self._packet(message.data)
            elif message.type is WSMsgType.BINARY:
                await self._message(message.data)
            else:
                return

    # ------------------------------------------------------------------------------------------ time and end

    def schedule_ping(self) -> None:
        self._set_timer(self.server.ping_interval, self._ping)

    def _ping(self) -> None:
        if self._transport is not None:
            if not self._transport.is_closing():
                self._transport.write(b"\x81\x012")
        else:
            self.queue.put_nowait(packet.Packet(packet.PING))
        self._set_timer(self.server.ping_timeout, lambda: self.drop("ping timeout"))

    def _set_timer(self, seconds: float, work: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self.closed else asyncio.get_running_loop().call_later(seconds, work)

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """python-engineio's way to end a socket; ours is `finish` and `drop`."""
        self.drop(reason or "server")

    def finish(self, reason: str) -> None:
        """Close after what has been written; the client is given two seconds to take it."""
        CLOSED.labels(reason).inc()
        if self._web_socket is not None and self._transport is not None:
            _in_background(self._web_socket.close())
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
        self._end(reason)

    def drop(self, reason: str) -> None:
        """Close at once and free what waits to be read."""
        if not self.closed:
            CLOSED.labels(reason).inc()
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.queue.put_nowait(None)  # ends a GET that waits, after what was queued
        self.server.sockets.pop(self.sid, None)
        if self.peer is not None:
            self.peer.closed()


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """Accepts sockets; `accept` says who lives on one, or None where the handshake is refused."""

    accept: Callable[[EngineSocket, web.Request], Peer | None]

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        sid = self.generate_id()
        socket = EngineSocket(self, sid)
        socket.peer = self.accept(socket, environ["aiohttp.request"])
        if socket.peer is None:
            return {
                "status": "503 SERVICE UNAVAILABLE",
                "headers": [("Retry-After", "1")],
                "response": b"try again",
            }
        self.sockets[sid] = socket
        opening = {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1_000),
            "pingInterval": int(self.ping_interval * 1_000),
            "maxPayload": MAX_PAYLOAD,
        }
        await socket.send(packet.Packet(packet.OPEN, opening))
        socket.schedule_ping()
        if transport == "websocket":
            return await socket.handle_get_request(environ)
        socket.connected = True
        return self._ok(await socket.poll(), jsonp_index=jsonp_index)


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO endpoint of one node."""

    def __init__(
        self,
        accept: Callable[[EngineSocket, web.Request], Peer | None],
        *,
        ping_interval: float,
        ping_timeout: float,
        allowed_origins: list[str] | str | None,
        polling: bool,
    ) -> None:
        super().__init__(
            async_mode="aiohttp",
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_http_buffer_size=MAX_PAYLOAD,
            cors_allowed_origins=allowed_origins,
            transports=["polling", "websocket"] if polling else ["websocket"],
            monitor_clients=False,
            http_compression=False,
        )
        self.eio.accept = accept

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    @property
    def sockets(self) -> list[EngineSocket]:
        return list(self.eio.sockets.values())


async def _text(web_socket: web.WebSocketResponse) -> str | None:
    message = await web_socket.receive()
    return message.data if message.type is WSMsgType.TEXT else None


def _long_text(text: bytes) -> bytes:
    return bytes((0x81, 126)) + len(text).to_bytes(2, "big") + text


_background: set[asyncio.Task[Any]] = set()


def _in_background(work: Any) -> None:
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_background.discard)
