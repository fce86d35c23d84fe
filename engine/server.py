"""The Engine.IO endpoint, and the Socket.IO endpoint on top of it.

python-engineio handles the query, CORS, session ids and payloads; sockets, packets and frames are handled here.
"""

import json
from collections.abc import Callable
from typing import Any

import engineio
import socketio
from aiohttp import web
from multidict import CIMultiDict

from engine.close_reasons import CloseReason
from engine.polling import UnreadablePayload
from engine.socket import Bounds, EngineSocket, Peer

Accept = Callable[[EngineSocket, web.Request], Peer]


class HandshakeRefused(Exception):
    """The node refuses a connection for now; clients retry by themselves."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """Accepts sockets. `accept` returns the peer of a new socket, or raises HandshakeRefused."""

    accept: Accept
    first_bounds: Bounds  # of a new socket, until its peer changes them
    own_hosts: Callable[[web.Request], list[str]]  # host names and ports that may be this server's own

    async def handle_request(self, request: web.Request) -> Any:
        try:
            return await self._handle(request)
        except ConnectionError:
            return web.Response(status=400)  # the client is gone and will not read it

    async def _handle(self, request: web.Request) -> Any:
        if "Content-Encoding" in request.headers:
            return web.Response(status=415, text="send the body as it is, without Content-Encoding")
        if "transport" not in request.query:
            return web.Response(status=400, text="the query must name a transport")
        socket = self.sockets.get(request.query.get("sid"))
        if socket is not None and socket.has_web_socket and "Upgrade" in request.headers:
            second = web.WebSocketResponse()
            await second.prepare(request)
            await second.close()
            return second
        if request.method == "POST" and socket is not None and not socket.upgraded:
            return await self._take_post(socket, request)
        return await super().handle_request(request)

    async def _take_post(self, socket: EngineSocket, request: web.Request) -> web.Response:
        """Handle a POST. python-engineio would treat a cancelled request as a broken handler, and answer 500 when
        the socket ends.
        """
        environ = {"aiohttp.request": request, "REQUEST_METHOD": "POST"}
        origin = request.headers.get("Origin")
        if origin is not None:
            environ["HTTP_ORIGIN"] = origin
            allowed = self._cors_allowed_origins(environ)
            if allowed is not None and origin not in allowed:
                return web.Response(status=400, text="not an accepted origin")
        status, text = 200, "ok"
        try:
            await socket.receive_payload(request)
        except UnreadablePayload as error:
            socket.drop(CloseReason.UNREADABLE)
            status, text = 400, str(error)
        return web.Response(status=status, text=text, headers=CIMultiDict(self._cors_headers(environ)))

    # ------------------------------------------------------------------------------------------ origins and headers

    def _cors_allowed_origins(self, environ: dict[str, Any]) -> list[str] | None:
        """Return the allowed origins; None allows all. The server's own hosts are always allowed, with any scheme."""
        if self.cors_allowed_origins == "*":
            return None
        origins = list(self.cors_allowed_origins or ())
        for host in self.own_hosts(environ["aiohttp.request"]):
            origins += [f"{scheme}://{host}" for scheme in ("http", "https", "ws", "wss")]
        return origins

    def _cors_headers(self, environ: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the library's headers, and those that keep answers out of caches."""
        headers: list[tuple[str, str]] = super()._cors_headers(environ)
        return [*headers, ("Cache-Control", "no-store"), ("Vary", "Origin")]

    def _method_not_found(self) -> Any:
        return self._bad_request("Invalid method")

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        sid = self.generate_id()
        request: web.Request = environ["aiohttp.request"]
        socket = EngineSocket(self, sid, is_text_only=request.query.get("b64") == "1")
        try:
            socket.peer = self.accept(socket, request)
        except HandshakeRefused as refused:
            return {"status": refused.status, "headers": [("Retry-After", "1")], "response": b"try again"}
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
            return self._ok(mailbox.take_all(), jsonp_index=jsonp_index)
        try:
            response = await socket.handle_get_request(environ)
        except BaseException:
            socket.drop(CloseReason.HANDSHAKE)
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
        first_bounds: Bounds,
        own_hosts: Callable[[web.Request], list[str]],
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
        self.eio.first_bounds = first_bounds
        self.eio.own_hosts = own_hosts

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    def route(self, app: web.Application, path: str) -> None:
        app.router.add_route("*", path, self.eio.handle_request)

    @property
    def sockets(self) -> list[EngineSocket]:
        return list(self.eio.sockets.values())
