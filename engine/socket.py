"""One client's Engine.IO socket, over polling or WebSocket.

States: polling → upgrading → websocket, or websocket from the start; then closed. Protocol:
https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aiohttp import WSCloseCode, web
from engineio import exceptions, packet

from engine.close_reasons import CloseReason
from engine.gathered_writes import GatheredWrites
from engine.metrics import CLOSED, DROPPED
from engine.polling import Mailbox, read_packets
from engine.probe import Probe
from engine.slow_reader import SlowReader
from engine.text_transport import TextTransport
from engine.web_socket import CLOSE_TIMEOUT_S, WebSocket
from protocol.packets import frame_payloads, websocket_frame

if TYPE_CHECKING:
    from engine.server import EngineServer

MAX_OUTBOUND = 1024 * 1024  # bytes
LINGER_S = 1.5
BYTES_COUNTED_AS_A_PACKET = 4_096
_CLOSE_FRAME = websocket_frame(0x81, b"1")
_PING_FRAME = websocket_frame(0x81, b"2")


class Bounds(NamedTuple):
    """The most that a client may send: bytes in a message, packets per second. A large packet counts as several."""

    payload: int
    packets_per_s: int


class Peer(Protocol):
    """The layer above a socket: it receives messages and the close."""

    def receive(self, data: str | bytes) -> None:
        """Handle one message from the client. Must neither raise nor block."""

    def closed(self) -> None:
        """The socket has closed."""


class EngineSocket:
    __slots__ = (
        "_awaits_pong", "_budget", "_mailbox", "_refilled_at", "_slow_reader", "_timer", "_transport", "_web_socket",
        "bounds", "closed", "connected", "is_text_only", "peer", "probed_by", "server", "sid", "upgraded", "upgrading",
    )  # fmt: skip

    def __init__(self, server: "EngineServer", sid: str, *, is_text_only: bool = False) -> None:
        self.server = server
        self.sid = sid
        self.is_text_only = is_text_only  # binary messages are sent as text, in base64
        self.bounds = server.first_bounds
        self.connected = False
        self.upgrading = False
        self.upgraded = False
        self.closed = False
        self.peer: Peer | None = None
        self.probed_by: Probe | None = None
        self._web_socket: WebSocket | None = None
        self._transport: asyncio.Transport | TextTransport | GatheredWrites | None = None
        self._mailbox: Mailbox | None = None
        self._slow_reader: SlowReader | None = None  # while the client reads too slowly
        self._budget = self.bounds.packets_per_s
        self._refilled_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_pong = False

    # ------------------------------------------------------------------------------------------ outbound

    def write(self, frame: bytes) -> None:
        """Write finished WebSocket frames that must arrive. Drops a client that leaves more than 1 MiB unread.

        The bound is checked before writing, so that an answer larger than the bound reaches a client that reads.
        """
        transport = self._transport
        if transport is None:
            self._post(frame)
        elif self._slow_reader is not None and transport.get_write_buffer_size() > MAX_OUTBOUND:
            self.drop(CloseReason.SLOW)
        else:
            transport.write(frame)

    def hold_writes(self) -> None:
        if self._web_socket is not None and not self.is_text_only:
            self._transport = GatheredWrites(self._web_socket.transport)

    def release_writes(self) -> None:
        if isinstance(self._transport, GatheredWrites):
            gathered, self._transport = self._transport, self._transport.transport
            gathered.flush()

    def write_or_drop(self, frame: bytes) -> None:
        """Write an ephemeral frame; it is not sent to a slow reader."""
        if self._slow_reader is None:
            self.write(frame)
        else:
            DROPPED.inc()

    def write_latest(self, key: Hashable, frame: bytes) -> None:
        """Write a frame that replaces older ones of its key: a slow reader gets only the newest, when it catches up."""
        if self._slow_reader is None:
            self.write(frame)
        else:
            self._slow_reader.keep_latest(key, frame)

    @property
    def outbound_bytes(self) -> int:
        """Bytes written that the network or the next GET has not taken yet."""
        if self._transport is not None:
            return self._transport.get_write_buffer_size()
        return self._mailbox.bytes_waiting if self._mailbox is not None else 0

    @property
    def is_behind(self) -> bool:
        """Whether the client reads more slowly than the server writes."""
        return self._slow_reader is not None

    async def caught_up(self) -> None:
        """Wait until the client has read nearly everything, or is gone."""
        if self._slow_reader is not None:
            await self._slow_reader.caught_up()

    def write_paused(self) -> None:
        self._slow_reader = SlowReader()

    def write_resumed(self) -> None:
        for frame in self._catch_up():
            self.write(frame)

    def _catch_up(self) -> Iterable[bytes]:
        slow_reader, self._slow_reader = self._slow_reader, None
        return () if slow_reader is None else slow_reader.end()

    def _post(self, frame: bytes) -> None:
        """Put a frame's messages into the mailbox of a polling client."""
        if self.closed or self._mailbox is None:
            return
        if self._mailbox.bytes_waiting > MAX_OUTBOUND:
            self.drop(CloseReason.SLOW)
        else:
            for payload in frame_payloads(frame):
                self._mailbox.put(packet.MESSAGE, payload)

    # ------------------------------------------------------------------------------------------ inbound

    def text_received(self, text: str) -> None:
        """Handle an Engine.IO packet from a text frame or a polling payload."""
        if not self._may_go_on(len(text)):
            return
        match text[:1]:
            case "4":
                self._message(text[1:])
            case "3":
                self._pong()
            case "b":
                self._message_in_base64(text[1:])
            case "1":
                self._close_by_client()
            case "6":
                return
            case _:
                self.drop(CloseReason.PROTOCOL)

    def bytes_received(self, data: bytes) -> None:
        if self._may_go_on(len(data)) and self.peer is not None:
            self.peer.receive(data)

    def control_received(self) -> None:
        """A WebSocket control frame or a fragment has arrived; it counts as a packet."""
        self._may_go_on()

    def broken(self, code: WSCloseCode) -> None:
        """The client does not keep to the WebSocket protocol."""
        self.finish(CloseReason.PROTOCOL, code)

    def _may_go_on(self, size: int = 0) -> bool:
        """Count a packet before handling it, and drop a client that exceeds its bounds. Returns whether to continue."""
        self._budget -= 1 + size // BYTES_COUNTED_AS_A_PACKET
        if self._budget > 0:
            return not self.closed
        now = asyncio.get_running_loop().time()
        if now - self._refilled_at < 1.0:
            self.drop(CloseReason.FLOOD)
            return False
        self._budget, self._refilled_at = self.bounds.packets_per_s, now
        return not self.closed

    def set_bounds(self, bounds: Bounds) -> None:
        """Set what the client may send, from the next message on."""
        self.bounds = bounds
        self._budget = bounds.packets_per_s
        if self._web_socket is not None:
            self._web_socket.set_max_payload(bounds.payload)

    def _message(self, data: str | bytes) -> None:
        if self.peer is not None and not self.closed:
            self.peer.receive(data)

    def _message_in_base64(self, text: str) -> None:
        """Handle a binary message of a client that sends only text; some clients wrap its lines."""
        try:
            data = b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            self.drop(CloseReason.PROTOCOL)
        else:
            self._message(data)

    def pause_reading(self) -> None:
        if self._web_socket is not None and not self._web_socket.transport.is_closing():
            self._web_socket.pause_reading()

    def resume_reading(self) -> None:
        if self._web_socket is not None and not self._web_socket.transport.is_closing():
            self._web_socket.resume_reading()

    # ------------------------------------------------------------------------------------------ over HTTP

    def start_polling(self) -> Mailbox:
        self._mailbox = Mailbox()
        self.connected = True
        return self._mailbox

    async def handle_get_request(self, environ: dict[str, Any]) -> "list[packet.Packet] | web.StreamResponse":
        """Handle a GET that fetches packets or upgrades to WebSocket. Raises EngineIOError."""
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            return await self._accept(environ["aiohttp.request"])
        if self.upgrading:
            return [packet.Packet(packet.NOOP)]
        assert self._mailbox is not None
        if self._mailbox.is_awaited:
            self._mailbox.put(packet.CLOSE)
            self.drop(CloseReason.TWO_POLLS)
            raise exceptions.EngineIOError("another GET is waiting already")
        try:
            packets = await self._mailbox.take(self.server.ping_interval + self.server.ping_timeout)
        except asyncio.CancelledError:
            self.drop(CloseReason.POLL_FAILED)
            raise
        if self._mailbox.is_drained:
            self._end()
        if not packets:
            raise exceptions.EngineIOError("nothing came")
        return packets

    async def receive_payload(self, request: web.Request) -> None:
        """Handle a polling client's POST. Raises UnreadablePayload."""
        for text in await read_packets(request, self.bounds):
            if self.closed:
                return
            self.text_received(text)

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        self.probed_by = None if self._mailbox is None else Probe(self)
        receiver = self.probed_by or self
        try:
            web_socket, response = await WebSocket.accept(request, receiver, self.bounds.payload)
        except BaseException:
            self.probed_by = None
            raise
        if self.closed:
            web_socket.transport.abort()
        else:
            receiver.take(web_socket)
        return response

    @property
    def has_web_socket(self) -> bool:
        """Whether a WebSocket is in use or probing."""
        return self.upgraded or self.probed_by is not None

    def take(self, web_socket: WebSocket) -> None:
        """Move to `web_socket`; packets that waited for a GET are written first."""
        self.connected = self.upgraded = True
        self.upgrading = False
        self.probed_by = None
        web_socket.receiver = self
        web_socket.set_max_payload(self.bounds.payload)
        self._web_socket, self._transport = web_socket, web_socket.transport
        if self.is_text_only:
            self._transport = TextTransport(web_socket.transport)
        if web_socket.is_behind:
            self.write_paused()
        waiting = self._mailbox.take_all() if self._mailbox is not None else []
        self._mailbox = None
        for each in waiting:
            encoded = each.encode()
            text = isinstance(encoded, str)
            self.write(websocket_frame(0x81 if text else 0x82, encoded.encode() if text else encoded))

    def probed(self) -> None:
        """The client has probed: end the waiting GET, and answer further ones with NOOP."""
        self.upgrading = True
        if self._mailbox is not None and self._mailbox.is_awaited:
            self._mailbox.put(packet.NOOP)

    # ------------------------------------------------------------------------------------------ time and end

    def open(self, opening: str) -> None:
        """Send OPEN. opening: the session's parameters as JSON."""
        if self._transport is not None:
            self._transport.write(websocket_frame(0x81, b"0" + opening.encode()))
        elif self._mailbox is not None:
            self._mailbox.put(packet.OPEN, opening)
        self._set_timer(self.server.ping_interval, self._ping)

    def _ping(self) -> None:
        if self._is_stuck():
            self.drop(CloseReason.SLOW)
            return
        self._awaits_pong = True
        if self._transport is not None:
            self._transport.write(_PING_FRAME)
        elif self._mailbox is not None:
            self._mailbox.put(packet.PING)
        self._set_timer(self.server.ping_timeout, self._time_out)

    def _pong(self) -> None:
        if not self._awaits_pong:
            return  # some clients send unsolicited pongs
        if self._is_stuck():
            self.drop(CloseReason.SLOW)
        else:
            self._awaits_pong = False
            self._set_timer(self.server.ping_interval, self._ping)

    def _time_out(self) -> None:
        self.drop(CloseReason.PING_TIMEOUT)

    def _is_stuck(self) -> bool:
        """Whether the client has been a slow reader for longer than a ping timeout, even if it answers pings."""
        return self._slow_reader is not None and self._slow_reader.is_older_than(self.server.ping_timeout)

    def _set_timer(self, seconds: float, work: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self.closed else asyncio.get_running_loop().call_later(seconds, work)

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Called by python-engineio alone, after a GET that could not be answered."""
        self.drop(CloseReason.POLL_FAILED)

    def linger(self, reason: CloseReason) -> None:
        """The peer is done; the client gets a moment to take what was written, and to close the socket itself.

        Then it gets CLOSE, for clients that would treat the end of a WebSocket as a lost network. It does not come
        earlier, because some clients drop an answer that they read together with it.
        """
        if self.peer is not None and not self.closed:
            self._leave_peer()
            self._set_timer(LINGER_S, lambda: self._end_lingering(reason))

    def _end_lingering(self, reason: CloseReason) -> None:
        if self._transport is not None:
            self._transport.write(_CLOSE_FRAME)
        self.finish(reason)

    def finish(self, reason: CloseReason, code: WSCloseCode = WSCloseCode.OK, last: int = packet.CLOSE) -> None:
        """Close after what has been written; the client is given two seconds to take it.

        code: of a WebSocket's close frame. last: the last packet of a polling client's waiting or next GET.
        """
        if self.closed or (self._mailbox is not None and self._mailbox.is_closed):
            return
        CLOSED.labels(reason.label).inc()
        if self._web_socket is not None:
            self._web_socket.close(code)
            self._end()
        elif self._mailbox is not None:
            self._mailbox.put(last)
            self._mailbox.close()  # the GET that empties it is the last
            self._leave_peer()
            self._set_timer(CLOSE_TIMEOUT_S, self._end)
        else:
            self._end()

    def drop(self, reason: CloseReason) -> None:
        """Close at once and free what waits to be read."""
        if self.closed:
            return
        CLOSED.labels(reason.label).inc()
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def web_socket_closed(self) -> None:
        """The client or the network has closed the WebSocket."""
        self._end()

    def _close_by_client(self) -> None:
        self.finish(CloseReason.CLIENT, last=packet.NOOP)

    def _end(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._web_socket is not None:
            self._web_socket.ignore_rest()
        self._transport = self._web_socket = None
        self._catch_up()
        if self._timer is not None:
            self._timer.cancel()
        if self._mailbox is not None:
            self._mailbox.close()
        self.server.sockets.pop(self.sid, None)
        self._leave_peer()

    def _leave_peer(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.closed()
