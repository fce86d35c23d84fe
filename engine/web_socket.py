"""A WebSocket on a transport that aiohttp has upgraded and then lets go of.

aiohttp does the handshake and its compiled parser reads the frames. Everything else that it keeps for a request
(its task, parser, headers, response) is freed once the connection is ours: an idle socket costs little, and a frame
is handled inside the loop's read callback, with no queue or task between.
"""

import asyncio
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp._websocket.models import WebSocketError
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

_PONG = 0x8A
_CLOSE = 0x88


class Receiver(Protocol):
    """Who lives on the WebSocket. None of these may wait or raise."""

    def text_received(self, text: str) -> None: ...

    def bytes_received(self, data: bytes) -> None: ...

    def control_received(self) -> None:
        """A ping or pong of the WebSocket's own."""

    def write_paused(self) -> None:
        """The client reads more slowly than it is written to."""

    def write_resumed(self) -> None: ...

    def web_socket_closed(self) -> None: ...


class WebSocket(asyncio.Protocol):
    """From `accept` on it is the transport's protocol."""

    __slots__ = ("_parser", "data_received", "is_behind", "is_over", "receiver", "transport")

    def __init__(self, transport: asyncio.Transport, receiver: Receiver, max_payload: int) -> None:
        self.transport: asyncio.Transport = transport
        self.receiver = receiver
        self.is_behind = False
        self.is_over = False  # what comes still is not looked at
        self._parser = WebSocketReader(_Messages(self), max_payload, compress=False, decode_text=True)
        self.data_received = self._parser.feed_data  # type: ignore[assignment,method-assign] # called by the loop

    @classmethod
    async def accept(
        cls, request: web.Request, receiver: Receiver, max_payload: int
    ) -> "tuple[WebSocket, web.StreamResponse]":
        """Shake hands and take the connection away from aiohttp.

        The response is for aiohttp's handler to return: it has been sent. Raises HTTPBadRequest, ConnectionError.
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
        handler.transport = None  # aiohttp must not close what is no longer its own
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
        del self._parser, self.data_received  # which refer to us: no work for the garbage collector
        self.receiver.web_socket_closed()

    # ------------------------------------------------------------------------------------------ from the parser

    def message_received(self, message: WSMessage) -> None:
        kind = message[0]
        if self.is_over:
            raise WebSocketError(WSCloseCode.POLICY_VIOLATION, "it has been closed")  # ends the parsing
        if kind is WSMsgType.BINARY:
            self.receiver.bytes_received(message[1])
        elif kind is WSMsgType.TEXT:
            self.receiver.text_received(message[1])
        elif kind is WSMsgType.CLOSE:
            self.close(WSCloseCode.OK)
        else:
            self.receiver.control_received()
            if kind is WSMsgType.PING and not self.is_behind:
                self._write_control(_PONG, message[1])

    def broken(self, error: BaseException) -> None:
        self.close(error.code if isinstance(error, WebSocketError) else WSCloseCode.PROTOCOL_ERROR)

    # ------------------------------------------------------------------------------------------ outbound

    def close(self, code: int) -> None:
        """After what has been written already."""
        self._write_control(_CLOSE, code.to_bytes(2, "big"))
        self.transport.close()

    def _write_control(self, opcode: int, payload: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(bytes((opcode, len(payload))) + payload)


class _Handshake(web.WebSocketResponse):
    """aiohttp's handshake without the reading and closing that it would do afterwards.

    No compression: a broadcast would be compressed again for each recipient.
    """

    def _post_start(self, request: Any, protocol: str | None, writer: Any) -> None:
        self._writer = writer
        self._eof_sent = True


class _Messages(WebSocketDataQueue):
    """What aiohttp's parser takes for its queue: messages go straight on, so nothing ever waits in it."""

    def __init__(self, web_socket: WebSocket) -> None:
        # Without the base's own: its buffer would be the largest part of an idle connection.
        self._protocol = web_socket  # type: ignore[assignment]

    def feed_data(self, message: WSMessage, size: int) -> None:  # type: ignore[override]
        self._protocol.message_received(message)  # type: ignore[attr-defined]

    def set_exception(self, error: BaseException, cause: BaseException | None = None) -> None:
        self._protocol.broken(error)  # type: ignore[attr-defined]


class _Tail:
    """Takes what a client sent behind its handshake, before the connection was ours."""

    data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        return
