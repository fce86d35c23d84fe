"""The Engine.IO endpoint, and the Socket.IO endpoint over it.

python-engineio keeps the query, CORS, session ids and payloads; what happens per socket, packet and frame is ours.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import engineio
import socketio
from aiohttp import web

from engine.socket import EngineSocket, Peer

FIRST_REQUEST_S = 10.0

Accept = Callable[[EngineSocket, web.Request], Peer | None]


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """Accepts sockets; `accept` says who lives on one, or None where the handshake is refused."""

    accept: Accept
    packets_per_s: int  # of one socket; who sends more is cut off

    async def handle_request(self, request: web.Request) -> Any:
        try:
            return await self._handle(request)
        except ConnectionError:
            return web.Response(status=400)  # to nobody: the client is gone

    async def _handle(self, request: web.Request) -> Any:
        if "transport" not in request.query:
            return web.Response(status=400, text="the query must name a transport")
        socket = self.sockets.get(request.query.get("sid"))
        if socket is not None and socket.has_web_socket and "Upgrade" in request.headers:
            second = web.WebSocketResponse()
            await second.prepare(request)
            await second.close()
            return second
        return await super().handle_request(request)

    def _ok(self, packets: Any = None, headers: Any = None, jsonp_index: int | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = super()._ok(packets, headers, jsonp_index)
        if packets is None:
            answer["response"] = b"ok"  # as Node.js does; the library's is in capitals
        return answer

    def _method_not_found(self) -> Any:
        return self._bad_request("Invalid method")

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        sid = self.generate_id()
        socket = EngineSocket(self, sid)
        request: web.Request = environ["aiohttp.request"]
        peer = self.accept(socket, request)
        if peer is None:
            return {
                "status": "503 SERVICE UNAVAILABLE",
                "headers": [("Retry-After", "1")],
                "response": b"try again",
            }
        socket.peer = peer
        self.sockets[sid] = socket
        opening = json.dumps(
            {
                "sid": sid,
                "upgrades": self._upgrades(sid, transport),
                "pingTimeout": int(self.ping_timeout * 1_000),
                "pingInterval": int(self.ping_interval * 1_000),
                "maxPayload": self.max_http_buffer_size,
            }
        )
        if transport != "websocket":
            mailbox = socket.start_polling()
            socket.open(opening)
            return self._ok(mailbox.take_now(), jsonp_index=jsonp_index)
        try:
            response = await socket.handle_get_request(environ)
        except BaseException:
            socket.drop("handshake")
            raise
        socket.open(opening)
        return response


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO endpoint of one node."""

    def __init__(
        self,
        accept: Accept,
        *,
        ping_interval: float,
        ping_timeout: float,
        max_payload: int,
        allowed_origins: list[str] | str | None,
        polling: bool,
        packets_per_s: int = 1_000,
    ) -> None:
        super().__init__(
            async_mode="aiohttp",
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            max_http_buffer_size=max_payload,
            cors_allowed_origins=allowed_origins,
            transports=["polling", "websocket"] if polling else ["websocket"],
            monitor_clients=False,
            http_compression=False,
        )
        self.eio.accept = accept
        self.eio.packets_per_s = packets_per_s

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    def route(self, app: web.Application, path: str) -> None:
        app.router.add_route("*", path, self.eio.handle_request)

    @property
    def sockets(self) -> list[EngineSocket]:
        return list(self.eio.sockets.values())


async def serve_http(app: web.Application, listener: Any) -> web.AppRunner:
    """Listen. A request that never finishes its headers is cut off within 20 s, a client that hangs up is noticed."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, handle_signals=False, handler_cancellation=True,
        keepalive_timeout=FIRST_REQUEST_S,
    )  # fmt: skip
    await runner.setup()
    await web.SockSite(runner, listener, backlog=4096).start()
    return runner


async def cut_off_dribblers(runner: web.AppRunner) -> None:
    """For ever: aiohttp itself waits without end for the first request of a connection."""
    waited: set[Any] = set()
    while True:
        await asyncio.sleep(FIRST_REQUEST_S)
        assert runner.server is not None
        silent = {handler for handler in runner.server.connections if not handler._request_count}
        for handler in silent & waited:
            handler.force_close()
        waited = silent - waited
