"""A gateway node: accepts sockets on one port, and drains them before it stops. `gateway.wiring` builds its parts."""

import asyncio
import random
import secrets
import socket as sockets
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog
from aiohttp import web
from limits import parse

from engine.close_reasons import CloseReason
from engine.http import serve_http
from engine.server import HandshakeRefused, SocketServer
from engine.socket import Bounds, EngineSocket
from gateway.addresses import AddressRate, client_address, is_trusted
from gateway.calls import CallRate
from gateway.connection import ANONYMOUS_BOUNDS, Connection
from gateway.console import route_console
from gateway.developer_page import DeveloperPage
from gateway.media_routes import MediaRoutes
from gateway.observability import OUTBOUND_BYTES, REFUSED
from gateway.retrying import patiently, run_beside
from gateway.stores import Stores
from gateway.wiring import build_parts
from protocol.wire import MAX_PAYLOAD
from storage.database import Database
from storage.reach import OUT_OF_REACH
from storage.redis import RedisError

PATH = "/socket.io/"
PACKETS_PER_CALL = 17  # itself and its attachments
MEASURE_EVERY_S = 10.0
DRAIN_BATCH = 20
DRAIN_PER_S = 100  # a handful of sockets does not wait for the whole drain time
LAST_CALLS_S = 5.0

log = structlog.get_logger()


class Node:
    def __init__(self, stores: Stores, database: Database, *, polling: bool = True) -> None:
        settings = stores.settings
        self.name = secrets.token_hex(6)
        self.draining = False
        self.parts = build_parts(stores, database, self.name)
        self._stores = stores
        self._settings = settings
        self._runners: list[web.AppRunner] = []
        self._http = AsyncExitStack()
        self._running = AsyncExitStack()
        self._rate = _call_rate(settings.limit_calls)
        self._bounds = Bounds(MAX_PAYLOAD, int(max(PACKETS_PER_CALL * self._rate.burst, 1_000)))
        self._handshakes = AddressRate(settings.limit_connect, count_loopback=settings.limit_loopback)
        self._media_rate = AddressRate(settings.limit_media, count_loopback=settings.limit_loopback)
        self.socket_server = SocketServer(
            self._accept,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            max_payload=MAX_PAYLOAD,
            allowed_origins=settings.origins,
            polling=polling,
            first_bounds=ANONYMOUS_BOUNDS,
            own_hosts=self._own_hosts,
        )

    async def start(self, listener: sockets.socket, console: sockets.socket | None = None) -> None:
        """console: the listener of the moderators' console, if this node serves it.

        Raises RedisError; SettingsError for a developer page without the owner's database.
        """
        shards, parts, services = self._stores.shards, self.parts, self.parts.services
        shards.listen(parts.bus.receive, parts.bus.resume)
        for group in shards.by_link:
            await patiently(partial(parts.bus.resume, group), RedisError)
        await run_beside(self._running, "keep hearing", parts.gaps.keep_hearing)
        await run_beside(self._running, "keep locations", parts.catching_up.keep_locations)
        await run_beside(self._running, "keep alive", parts.nodes.keep_alive)
        await run_beside(self._running, "keep pulsing rooms", services.pulse.keep_pulsing)
        await run_beside(self._running, "keep reporting departures", services.attendance.keep_reporting)
        await run_beside(self._running, "keep idle", services.presence.keep_idle)
        await run_beside(self._running, "settle budgets", services.budgets.keep_settling)
        await run_beside(self._running, "log exposures", services.exposures.keep_writing)
        await run_beside(self._running, "count visits", services.visits.keep_writing)
        with suppress(*OUT_OF_REACH):  # without PostgreSQL nothing can be published anyway
            await services.rulebook.load()
        await run_beside(self._running, "follow the rulebook", services.rulebook.keep_following)
        await run_beside(self._running, "log hits of rules", services.rule_hits.keep_writing)
        await run_beside(self._running, "watch for overload", parts.shedding.keep_measuring)
        await run_beside(self._running, "measure what waits to be written", self._measure_outbound)
        app = web.Application(client_max_size=MAX_PAYLOAD)
        self.socket_server.route(app, PATH)
        MediaRoutes(
            services.database, self._stores.objects, services.media, parts.media_tokens, self._media_rate, self._address
        ).route(app)
        settings = self._settings
        media_urls = [url for url in (settings.public_bucket.endpoint, settings.cdn_url) if url]
        if settings.developer_page:
            DeveloperPage(settings.owner_database, services.tokens, media_urls).route(app)
        self._runners.append(await self._http.enter_async_context(serve_http(app, listener)))
        if console is not None:
            app = web.Application(client_max_size=MAX_PAYLOAD)
            self.socket_server.route(app, PATH)
            route_console(app, media_urls)
            self._runners.append(await self._http.enter_async_context(serve_http(app, console)))
        log.info("node started", node=self.name)

    async def stop(self) -> None:
        """Drain: refuse new sockets, close the open ones bit by bit once their calls are answered, then stop."""
        self.draining = True
        for runner in self._runners:
            for site in list(runner.sites):
                await site.stop()
        await self._send_away()
        await self._http.aclose()
        self.parts.catching_up.stop()
        await self._running.aclose()
        self.parts.nodes.stop()
        shards = self._stores.shards
        shards.stop_listening()
        await self.parts.own_counts.stop()
        await self.parts.services.presence.stop()
        try:
            await shards.call(0, "PING")  # answered after all that was sent before
        except RedisError as error:
            log.info("could not report to Redis that users left: their locations will expire", error=str(error))
        await self.parts.services.exposures.flush()
        await self.parts.services.visits.flush()
        await self.parts.services.rule_hits.flush()
        await self.parts.services.outbox.close()
        self.parts.services.passwords.close()

    async def _send_away(self) -> None:
        open_sockets = self.socket_server.sockets
        random.shuffle(open_sockets)
        took_s = min(self._settings.drain, len(open_sockets) / DRAIN_PER_S)
        if open_sockets:
            log.info("draining", sockets=len(open_sockets), seconds=round(took_s, 1))
        for start in range(0, len(open_sockets), DRAIN_BATCH):
            for socket in open_sockets[start : start + DRAIN_BATCH]:
                if isinstance(socket.peer, Connection):
                    socket.peer.drain()
            await asyncio.sleep(took_s * DRAIN_BATCH / len(open_sockets))
        for _ in range(int(LAST_CALLS_S / 0.05)):
            if not self.socket_server.sockets:
                return
            await asyncio.sleep(0.05)
        for socket in self.socket_server.sockets:
            socket.drop(CloseReason.DRAINING)

    # ------------------------------------------------------------------------------------------ sockets

    def _accept(self, socket: EngineSocket, request: web.Request) -> Connection:
        address = self._address(request)
        if not self._handshakes.take(address):
            REFUSED.labels("limit").inc()
            raise HandshakeRefused("429 TOO MANY REQUESTS")
        if self.draining or not self._stores.shards.is_any_up:
            REFUSED.labels("draining" if self.draining else "dependency").inc()
            raise HandshakeRefused("503 SERVICE UNAVAILABLE")
        if not self.parts.shedding.admits("vital"):
            REFUSED.labels("overload").inc()
            raise HandshakeRefused("503 SERVICE UNAVAILABLE")
        user_agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()[:300] or None
        parts = self.parts
        return Connection(socket, parts.dispatcher, parts.entry, self._rate, self._bounds, address, user_agent)

    def _address(self, request: web.Request) -> str:
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return client_address(request.remote or "", forwarded, self._settings.proxies)

    def _own_hosts(self, request: web.Request) -> list[str]:
        """Hosts under which the client may have reached this node. Only trusted proxies are believed."""
        hosts = [request.host]
        if is_trusted(request.remote or "", self._settings.proxies):
            hosts += request.headers.getall("X-Forwarded-Host", [])
        return hosts

    async def _measure_outbound(self) -> None:
        """Forever, but seldom, as it looks at every socket."""
        while True:
            OUTBOUND_BYTES.set(sum(socket.outbound_bytes for socket in self.socket_server.sockets))
            await asyncio.sleep(MEASURE_EVERY_S)


def _call_rate(rate: str) -> CallRate:
    item = parse(rate)
    per_second = item.amount / item.get_expiry()
    return CallRate(per_second=per_second, burst=max(2 * per_second, 10))
