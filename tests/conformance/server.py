"""A small server on DAIRA's engine, for Socket.IO's own protocol test suites.

The suites are in the `socketio/socket.io` repository under `docs/`: `engine.io-protocol/v4-test-suite` and
`socket.io-protocol/v5-test-suite`. They expect a server on port 3000 with the settings below.

    .venv/bin/python -m tests.conformance.server --kind engine --port 3000
"""

import argparse
import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from aiohttp import web
from socketio.packet import Packet

from engine.close_reasons import CloseReason
from engine.http import serve_http
from engine.server import Accept, SocketServer
from engine.socket import Bounds, EngineSocket
from gateway.listener import listen
from protocol import wire
from protocol.packets import websocket_frame

NAMESPACES = ("/", "/custom")


class Echo:
    """Engine.IO: echo every message."""

    def __init__(self, socket: EngineSocket) -> None:
        self.socket = socket

    def receive(self, data: str | bytes) -> None:
        binary = isinstance(data, bytes)
        self.socket.write(websocket_frame(0x82, data) if binary else websocket_frame(0x81, b"4" + data.encode()))

    def closed(self) -> None:
        return


class Client(Echo):
    """Socket.IO: namespaces, events, acknowledgements and attachments, decoded by DAIRA's codec."""

    def __init__(self, socket: EngineSocket) -> None:
        super().__init__(socket)
        self.namespaces: set[str] = set()
        self.incomplete: Packet | None = None
        self.timer = asyncio.get_running_loop().call_later(1.0, socket.drop, "no CONNECT")

    def receive(self, data: str | bytes) -> None:
        try:
            if self.incomplete is not None:
                if self.incomplete.add_attachment(data):
                    packet, self.incomplete = self.incomplete, None
                    self.answer(packet)
                return
            known = wire.JSON.decode(data)
            if known.type == wire.CONNECT:
                self.connect(known)
            elif known.type == wire.DISCONNECT:
                self.namespaces.discard(known.namespace)
            elif known.namespace not in self.namespaces:
                raise wire.Unreadable("not connected")
            else:
                packet = Packet(encoded_packet=data)
                if known.missing_attachments:
                    self.incomplete = packet
                else:
                    self.answer(packet)
        except wire.Unreadable:
            self.socket.drop(CloseReason.UNREADABLE)

    def connect(self, packet: wire.Packet) -> None:
        self.timer.cancel()
        namespace = packet.namespace
        if namespace not in NAMESPACES:
            self.socket.write(wire.JSON.connect_error("Invalid namespace", None, namespace))
            return
        self.namespaces.add(namespace)
        self.socket.write(wire.JSON.connect(secrets.token_hex(8), namespace=namespace))
        self.emit(namespace, "auth", wire.JSON.decode_argument(packet.argument, dict))

    def answer(self, packet: Packet) -> None:
        name, *arguments = packet.data
        if name == "message":
            self.emit(packet.namespace, "message-back", *arguments)
        elif name == "message-with-ack":
            self.write(Packet(3, data=arguments, namespace=packet.namespace, id=packet.id))

    def emit(self, namespace: str, name: str, *arguments: Any) -> None:
        self.write(Packet(2, data=[name, *arguments], namespace=namespace))

    def write(self, packet: Packet) -> None:
        encoded = packet.encode()
        for part in encoded if isinstance(encoded, list) else [encoded]:
            Echo.receive(self, part)


@asynccontextmanager
async def started(kind: str, port: int) -> AsyncIterator[int]:
    """Run the server; yield its port, which the system chooses if `port` is 0."""
    accept: Accept = lambda socket, _: Echo(socket) if kind == "engine" else Client(socket)  # noqa: E731
    server = SocketServer(
        accept, ping_interval=0.3, ping_timeout=0.2, max_payload=1_000_000, allowed_origins="*", polling=True,
        first_bounds=Bounds(1_000_000, 1_000), own_hosts=lambda request: [request.host],
    )  # fmt: skip
    app = web.Application(client_max_size=1_000_000)
    server.route(app, f"/{kind}.io/")
    listener = listen("127.0.0.1", port)
    async with serve_http(app, listener):
        yield listener.getsockname()[1]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("engine", "socket"), required=True)
    parser.add_argument("--port", type=int, default=3000)
    arguments = parser.parse_args()
    async with started(arguments.kind, arguments.port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
