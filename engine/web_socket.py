"""A WebSocket on a transport that is detached from aiohttp after the handshake.

aiohttp does the handshake. Then the state of its request (task, parser, headers, response) is freed, so an idle socket
costs little. A frame is handled inside the loop's read callback, without a queue or a task.
"""

import asyncio
from typing import Any, Protocol

from aiohttp import WSCloseCode, web

from engine.frames import CLOSE, FINAL, PONG, FrameReader

CLOSE_TIMEOUT_S = 2.0


class Receiver(Protocol):
    """The layer above a WebSocket. None of these methods may block or raise."""

    def text_received(self, text: str) -> None: ...

    def bytes_received(self, data: bytes) -> None: ...

    def control_received(self) -> None:
        """A WebSocket ping or pong, or a fragment, has arrived."""

    def broken(self, code: WSCloseCode) -> None:
        """The client has broken the protocol: close with `code`."""

    def hold_writes(self) -> None:
        """More frames of the same read follow: writes may be held back until `release_writes`."""

    def release_writes(self) -> None: ...

    def write_paused(self) -> None:
        """The client reads more slowly than the server writes."""

    def write_resumed(self) -> None: ...

    def web_socket_closed(self) -> None: ...


class WebSocket(asyncio.Protocol):
    """The transport's protocol, from `accept` until the connection is lost."""

    __slots__ = ("_reader", "data_received", "is_behind", "receiver", "transport")

    def __init__(self, transport: asyncio.Transport, receiver: Receiver, max_payload: int) -> None:
        self.transport: asyncio.Transport = transport
        self.receiver = receiver
        self.is_behind = False
        self._reader = FrameReader(self, max_payload)
        self.data_received = self._reader.feed  # type: ignore[method-assign] # called by the loop

    @classmethod
    async def accept(
        cls, request: web.Request, receiver: Receiver, max_payload: int
    ) -> "tuple[WebSocket, web.StreamResponse]":
        """Do the handshake and detach the connection from aiohttp.

        Returns the WebSocket and the response, already sent, that aiohttp's handler must return. Raises
        HTTPBadRequest, ConnectionError.
        """
        handshake = _Handshake(compress=False)
        await handshake.prepare(request)
        handler, transport = request.protocol, request.transport
        if transport is None:
            raise ConnectionResetError
        web_socket = cls(transport, receiver, max_payload)
        transport.set_protocol(web_socket)
        early = _Tail()
        handler.set_parser(early)  # type: ignore[arg-type]
        handler.transport = None  # so that aiohttp does not close it
        handler.connection_lost(None)
        if early.data:
            asyncio.get_running_loop().call_soon(web_socket.data_received, early.data)
        return web_socket, handshake

    # ------------------------------------------------------------------------------------------ from the transport

    def pause_writing(self) -> None:
        self.is_behind = True
        self.receiver.write_paused()

    def resume_writing(self) -> None:
        self.is_behind = False
        self.receiver.write_resumed()

    def eof_received(self) -> None:
        return  # the transport closes itself

    def connection_lost(self, error: Exception | None) -> None:
        self.ignore_rest()
        self.receiver.web_socket_closed()
        del self._reader, self.data_received  # break reference cycles, so that no garbage collection is needed

    # ------------------------------------------------------------------------------------------ from the reader

    def hold_writes(self) -> None:
        self.receiver.hold_writes()

    def release_writes(self) -> None:
        self.receiver.release_writes()

    def text_received(self, text: str) -> None:
        self.receiver.text_received(text)

    def bytes_received(self, data: bytes) -> None:
        self.receiver.bytes_received(data)

    def part_received(self) -> None:
        self.receiver.control_received()

    def ping_received(self, payload: bytes) -> None:
        self.receiver.control_received()
        if not self.is_behind:
            self._write_control(PONG, payload)

    def pong_received(self) -> None:
        self.receiver.control_received()

    def close_received(self) -> None:
        self.close(WSCloseCode.OK)
        self.receiver.web_socket_closed()

    def broken(self, code: WSCloseCode) -> None:
        self.receiver.broken(code)

    def set_max_payload(self, max_payload: int) -> None:
        """Set the most bytes of one message, from the next message on."""
        self._reader.largest = max_payload

    def ignore_rest(self) -> None:
        """Ignore further input from the client."""
        self._reader.is_over = True

    def pause_reading(self) -> None:
        """Also of frames that have come already."""
        self._reader.is_paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._reader.is_paused = False
        self.transport.resume_reading()
        asyncio.get_running_loop().call_soon(self._reader.feed, b"")

    # ------------------------------------------------------------------------------------------ outbound

    def close(self, code: WSCloseCode) -> None:
        """Close after the client has read what was written, or after two seconds."""
        self.receiver.release_writes()
        self._write_control(CLOSE, code.to_bytes(2, "big"))
        self.transport.close()
        if self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def _write_control(self, opcode: int, payload: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(bytes((FINAL | opcode, len(payload))) + payload)


class _Handshake(web.WebSocketResponse):
    """aiohttp's handshake without its reading and closing afterwards.

    Compression is off: a broadcast would be compressed again for each recipient.
    """

    def _post_start(self, request: Any, protocol: str | None, writer: Any) -> None:
        self._writer = writer
        self._eof_sent = True


class _Tail:
    """Collects what the client sent after its handshake, before the transport had its new protocol."""

    data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        return
