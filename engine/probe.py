"""Upgrade from polling to WebSocket: the client sends a probe, gets an answer, and confirms the upgrade."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode

from engine.close_reasons import CloseReason
from engine.metrics import CLOSED
from engine.web_socket import WebSocket
from protocol.packets import websocket_frame

if TYPE_CHECKING:
    from engine.socket import EngineSocket


class Probe:
    """The WebSocket of a polling session until the upgrade completes. It implements the WebSocket's Receiver."""

    def __init__(self, socket: "EngineSocket") -> None:
        self._socket = socket
        self._web_socket: WebSocket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def take(self, web_socket: WebSocket) -> None:
        self._web_socket = web_socket
        timeout = self._socket.server.ping_timeout
        self._timer = asyncio.get_running_loop().call_later(timeout, web_socket.transport.abort)

    def text_received(self, text: str) -> None:
        assert self._web_socket is not None
        self._socket.control_received()
        if text == "2probe" and not self._socket.upgraded and not self._socket.upgrading:
            self._web_socket.transport.write(websocket_frame(0x81, b"3probe"))
            self._socket.probed()
        elif text == "5" and self._socket.upgrading and not self._socket.closed:
            self._stop_timer()
            self._socket.take(self._web_socket)
        else:
            self._web_socket.transport.abort()

    def bytes_received(self, data: bytes) -> None:
        self.text_received("")

    def control_received(self) -> None:
        self._socket.control_received()

    def broken(self, code: WSCloseCode) -> None:
        assert self._web_socket is not None
        CLOSED.labels(CloseReason.PROTOCOL.label).inc()
        self._web_socket.close(code)

    def hold_writes(self) -> None:
        return

    def release_writes(self) -> None:
        return

    def write_paused(self) -> None:
        return

    def write_resumed(self) -> None:
        return

    def web_socket_closed(self) -> None:
        """The upgrade was abandoned; the session continues by polling."""
        self._stop_timer()
        if self._socket.probed_by is self:
            self._socket.upgrading = False
            self._socket.probed_by = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
