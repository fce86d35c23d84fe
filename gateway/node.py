"""A gateway node: sockets on one port, from the first handshake to the last goodbye."""

import asyncio
import hashlib
import hmac
import random
import secrets
import socket as sockets
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import structlog
from aiohttp import web
from limits import parse

from channels.bus import Bus
from channels.delivery import Delivery
from channels.gaps import Gaps
from channels.members import Members
from channels.nodes import Nodes
from channels.recovery import Recovery
from domain.guesses import Guesses
from domain.passwords import Passwords
from domain.refresh_tokens import RefreshTokens
from engine.close_reasons import CloseReason
from engine.http import serve_http
from engine.server import HandshakeRefused, SocketServer
from engine.socket import Bounds, EngineSocket
from gateway.addresses import AddressRate, client_address, is_trusted
from gateway.background import again_and_again, patiently, run_beside
from gateway.calls import CallRate
from gateway.catching_up import CatchingUp
from gateway.connection import ANONYMOUS_BOUNDS, Connection
from gateway.developer_page import DeveloperPage
from gateway.dispatcher import Dispatcher
from gateway.observability import LOOP_LAG, OUTBOUND_BYTES, REFUSED
from gateway.rates import rates
from gateway.rights import Rights
from gateway.settings import Settings
from gateway.sign_in import SignIn
from gateway.stores import Stores
from handlers.call import Services
from presence.tracker import Tracker
from presence.typing_indicators import TypingIndicators
from protocol.cursors import Cursors
from protocol.media_tokens import MediaTokens
from protocol.rpc import methods
from protocol.tokens import AccessTokens
from protocol.wire import MAX_PAYLOAD
from stage.attendance import Attendance
from stage.pulse import Pulse
from storage.database import Database
from storage.limits import Limits
from storage.outbox import Outbox
from storage.redis import RedisError
from storage.shares import Shares, WorkRate

PATH = "/socket.io/"
PACKETS_PER_CALL = 17  # itself and its attachments
LAG_EVERY_S = 0.5
MEASURE_EVERY_S = 10.0
DRAIN_BATCH = 20
DRAIN_PER_S = 100  # a handful of sockets is not made to wait for the whole drain time
LAST_CALLS_S = 5.0
WORK_BURST = 10  # seconds of the rate may be spent at once
RECHECK_S = 5.0

log = structlog.get_logger()


class Node:
    def __init__(self, stores: Stores, database: Database, *, polling: bool = True) -> None:
        settings = stores.settings
        self.name = secrets.token_hex(6)
        self.members = Members()
        self.database = database
        self.draining = False
        self._stores = stores
        self._settings = settings
        self._runner: web.AppRunner | None = None
        self._http = AsyncExitStack()
        self._running = AsyncExitStack()
        self._catch_up_task: asyncio.Task[None] | None = None
        self._passwords = Passwords()
        self._pulse = Pulse(stores.roster, stores.broadcaster, database)
        self.attendance = Attendance(stores.roster, self._pulse, self.members, stores.broadcaster, database, self.name)
        self.presence = Tracker(stores.shards, stores.names, self.members, stores.broadcaster, self.name)
        typing = TypingIndicators(stores.broadcaster, self.members)
        self.services = _services(
            stores, database, self._passwords, self.attendance, self._pulse, self.presence, typing
        )
        delivery = Delivery(self.members)
        recovery = Recovery(stores.shards, stores.names, self.name)
        self._gaps = Gaps(stores.shards, stores.names, self.members, delivery, recovery, self.name)
        self._gaps.on_gap = self._after_gap
        self.bus = Bus(
            stores.shards, stores.names, self.members, delivery, self._gaps, recovery, self.attendance, self.name
        )
        rights = Rights(database, self.bus, self.attendance, stores.broadcaster)
        self.bus.on_doubt = rights.recheck
        self._nodes = Nodes(stores.shards, stores.names, self.name)
        self._nodes.on_dead, self._nodes.on_forgotten = self._take_back, self._catch_up
        self._sign_in = SignIn(self.services, self.members, delivery, self.bus, recovery, rights)
        self._catching_up = CatchingUp(self.services, self.members, self.bus, stores.locations, rights, self.name)
        self._dispatcher = Dispatcher(methods, self.services, settings.call_deadline)
        self._rate = _call_rate(settings.limit_calls)
        self._bounds = Bounds(MAX_PAYLOAD, int(max(PACKETS_PER_CALL * self._rate.burst, 1_000)))
        self._handshakes = AddressRate(settings.limit_connect, count_loopback=settings.limit_loopback)
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

    async def start(self, listener: sockets.socket) -> None:
        """Raises RedisError; SettingsError for a developer page without the owner's database."""
        shards = self._stores.shards
        shards.on_message, shards.on_up = self.bus.receive, self.bus.resume
        for group in shards.by_link:
            await patiently(partial(self.bus.resume, group), RedisError)
        await run_beside(self._running, "keep hearing", self._gaps.keep_hearing)
        await run_beside(self._running, "keep locations", self._catching_up.keep_locations)
        await run_beside(self._running, "keep alive", self._nodes.keep_alive)
        await run_beside(self._running, "keep telling rooms", self._pulse.keep_telling)
        await run_beside(self._running, "keep saying who left", self.attendance.keep_saying)
        await run_beside(self._running, "keep idle", self.presence.keep_idle)
        await run_beside(self._running, "settle shares", self.services.shares.keep_settling)
        await run_beside(self._running, "watch the loop", self._watch_loop)
        app = web.Application(client_max_size=MAX_PAYLOAD)
        self.socket_server.route(app, PATH)
        if self._settings.developer_page:
            DeveloperPage(self._settings.owner_database, self.services.tokens).route(app)
        self._runner = await self._http.enter_async_context(serve_http(app, listener))
        log.info("node started", node=self.name)

    async def stop(self) -> None:
        """Drain: no new sockets, the open ones sent elsewhere bit by bit, their last calls answered; then the rest."""
        self.draining = True
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
        await self._send_away()
        await self._http.aclose()
        if self._catch_up_task is not None:
            self._catch_up_task.cancel()
        await self._running.aclose()
        self._nodes.stop()
        shards = self._stores.shards
        shards.on_message = shards.on_up = None
        try:
            await shards.call(0, "PING")  # behind what was said of those who left
        except RedisError as error:
            log.info("left to expire", error=str(error))
        await self.services.outbox.close()
        self._passwords.close()

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

    def _accept(self, socket: EngineSocket, request: web.Request) -> Connection:
        address = self._address(request)
        if not self._handshakes.take(address):
            REFUSED.labels("limit").inc()
            raise HandshakeRefused("429 TOO MANY REQUESTS")
        if self.draining or not self._stores.shards.are_up:
            REFUSED.labels("draining" if self.draining else "dependency").inc()
            raise HandshakeRefused("503 SERVICE UNAVAILABLE")
        user_agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()[:300] or None
        return Connection(socket, self._dispatcher, self._sign_in, self._rate, self._bounds, address, user_agent)

    def _address(self, request: web.Request) -> str:
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return client_address(request.remote or "", forwarded, self._settings.proxies)

    def _own_hosts(self, request: web.Request) -> list[str]:
        """Names under which the client may have reached us; of proxies, the trusted alone are believed."""
        hosts = [request.host]
        if is_trusted(request.remote or "", self._settings.proxies):
            hosts += request.headers.getall("X-Forwarded-Host", [])
        return hosts

    def _catch_up(self) -> None:
        """After a gap, or once others have taken this node for dead; anew where it is under way."""
        if self._catch_up_task is not None:
            self._catch_up_task.cancel()
        self._catching_up.begin()
        self._catch_up_task = asyncio.create_task(again_and_again("catch up", self._catching_up.until_done))

    async def _after_gap(self) -> bool:
        """Answers whether what must be known before anything is replayed is known, within 5 s; the rest follows."""
        self._catch_up()
        try:
            async with asyncio.timeout(RECHECK_S):
                await self._catching_up.rechecked()
        except TimeoutError:
            log.warning("people could not be rechecked in time")
            return False
        return True

    async def _take_back(self, node: str) -> None:
        """What a dead node has said of its people."""
        await self.presence.take_back(node)
        await self.attendance.take_back(node)

    async def _watch_loop(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        measure_at = 0.0
        while True:
            asleep_at = loop.time()
            await asyncio.sleep(LAG_EVERY_S)
            LOOP_LAG.observe(max(loop.time() - asleep_at - LAG_EVERY_S, 0))
            if loop.time() > measure_at:  # seldom: it is a look at every socket
                measure_at = loop.time() + MEASURE_EVERY_S
                OUTBOUND_BYTES.set(sum(socket.outbound_bytes for socket in self.socket_server.sockets))


def derive_keys(settings: Settings, purpose: str) -> tuple[bytes, ...]:
    """Secrets for one purpose, from the keys of tokens and in their order."""
    return tuple(hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest() for key in settings.keys.values())


def _services(
    stores: Stores,
    database: Database,
    passwords: Passwords,
    attendance: Attendance,
    pulse: Pulse,
    presence: Tracker,
    typing: TypingIndicators,
) -> Services:
    settings = stores.settings
    limits = Limits(stores.shards, rates(settings), count_loopback=settings.limit_loopback)
    return Services(
        database=database,
        ids=stores.ids,
        outbox=Outbox(database, stores.ids),
        feeds=stores.feeds,
        broadcaster=stores.broadcaster,
        limits=limits,
        shares=Shares(stores.shards, _work_rate(settings.limit_work)),
        tokens=AccessTokens(settings.keys),
        cursors=Cursors(derive_keys(settings, "cursors")),
        passwords=passwords,
        guesses=Guesses(limits, derive_keys(settings, "devices")),
        roster=stores.roster,
        attendance=attendance,
        pulse=pulse,
        presence=presence,
        typing=typing,
        media_tokens=MediaTokens(*settings.livekit) if settings.livekit else None,
        refresh_tokens=RefreshTokens(derive_keys(settings, "refresh"), timedelta(seconds=settings.refresh_leeway)),
    )


def _work_rate(rate: str) -> WorkRate:
    """From milliseconds per period."""
    item = parse(rate)
    per_second = item.amount / 1_000 / item.get_expiry()
    return WorkRate(per_second=per_second, burst=WORK_BURST * per_second)


def _call_rate(rate: str) -> CallRate:
    item = parse(rate)
    per_second = item.amount / item.get_expiry()
    return CallRate(per_second=per_second, burst=max(2 * per_second, 10))
