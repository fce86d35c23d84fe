"""The composition root: builds the parts of a process, wires them, starts them in order and stops them in reverse."""

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import stamina
import structlog
from aiohttp import web
from limits import parse

import handlers
import workers
from gateway.connection import CallRate, Connection
from gateway.dispatcher import Dispatcher
from gateway.observability import LOG_LAG, OUTBOX_AGE, OUTBOX_UNSENT, POSTGRES_POOL, REDIS_POOL, REFUSED
from gateway.settings import Network, Settings
from gateway.sidecar import Check, Sidecar
from gateway.sign_in import SignIn
from gateway.socket_server import EngineSocket, SocketServer
from handlers.call import Services
from handlers.passwords import Passwords
from protocol.cursors import Cursors
from protocol.rpc import methods
from protocol.tokens import AccessTokens
from protocol.wire import MAX_PAYLOAD
from rooms.broadcaster import Broadcaster
from rooms.locations import Locations
from rooms.members import Members
from rooms.redis_adapter import RedisAdapter
from storage import outbox, schema
from storage.cancellation import end
from storage.database import Database, DatabaseUnavailable
from storage.feeds import Feeds
from storage.limits import Limits
from storage.objects import Objects, ObjectsUnavailable
from storage.outbox import Outbox
from storage.redis import Redis, RedisError
from storage.redis_streams import RedisStreams
from storage.snowflakes import Snowflakes
from workers.job import Tools, groups
from workers.relay import run_relay
from workers.runner import run_group

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
RESTART_S = 1.0
# S3 serves media alone: without it everything else goes on.
OPTIONAL_DEPENDENCIES = frozenset({"objects"})

# Imported for their declarations: methods and reactions.
REGISTERED = (*handlers.MODULES, *workers.MODULES)

log = structlog.get_logger()


class NotMigrated(Exception):
    """The database's schema is not the one that this code works on."""


@dataclass
class Stores:
    """A process's connections to what lasts."""

    settings: Settings
    redis: Redis
    ids: Snowflakes
    event_log: RedisStreams
    feeds: Feeds
    locations: Locations
    broadcaster: Broadcaster
    objects: Objects


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Waits up to 30 s for Redis; raises RedisError."""
    async with AsyncExitStack() as closing:
        redis = Redis(settings.redis, settings.prefix)
        closing.push_async_callback(redis.close)
        ids = Snowflakes(redis)
        await _patiently(ids.lease, RedisError)
        closing.push_async_callback(_quietly, ids.release)
        await _run_beside(closing, "keep the lease on ids", ids.keep_lease)
        objects = Objects(*settings.s3, settings.s3_bucket)
        closing.push_async_callback(objects.close)
        await objects.connect()
        locations = Locations(redis)
        yield Stores(
            settings,
            redis,
            ids,
            RedisStreams(redis),
            Feeds(redis),
            locations,
            Broadcaster(redis, locations),
            objects,
        )


@asynccontextmanager
async def open_database(url: str, largest: int, *, serves: bool) -> AsyncIterator[Database]:
    """Waits up to 30 s. Raises DatabaseUnavailable; NotMigrated for the wrong schema or, to serve, the wrong role."""
    database = Database(url, largest=largest)
    await _patiently(database.connect, DatabaseUnavailable)
    try:
        async with database.transaction() as tx:
            revision, newest = await schema.current_revision(tx), schema.newest_revision()
            if revision != newest:
                raise NotMigrated(f"the database is at revision {revision}, we need {newest}: run `daira migrate`")
            wide = await schema.privileges_too_wide(tx) if serves else None
            if wide:
                raise NotMigrated(f"{wide}: connect as the application's role, which `daira migrate` creates")
        yield database
    finally:
        await database.close()


class Node:
    """A gateway node: sockets on one port."""

    def __init__(self, stores: Stores, database: Database, *, polling: bool = True) -> None:
        settings = stores.settings
        self.name = secrets.token_hex(6)
        self.members = Members()
        self.database = database
        self._stores = stores
        self._settings = settings
        self._proxies = settings.proxies
        self._draining = False
        self._runner: web.AppRunner | None = None
        self._running = AsyncExitStack()
        self._catching_up: asyncio.Task[None] | None = None
        self._passwords = Passwords()
        self.services = _services(stores, database, self._passwords)
        self.adapter = RedisAdapter(stores.redis, self.members, self.name)
        self._sign_in = SignIn(self.services, self.members, self.adapter, stores.locations, self.name)
        self.adapter.on_gap = self._after_gap
        self._dispatcher = Dispatcher(methods, self.services, settings.call_deadline)
        self._rate = _call_rate(settings.limit_calls)
        self.socket_server = SocketServer(
            self._accept,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            allowed_origins=settings.origins,
            polling=polling,
        )

    async def start(self, listener: sockets.socket) -> None:
        await _run_beside(self._running, "listen to Redis", self.adapter.run)
        async with asyncio.timeout(START_TIMEOUT_S):
            await self.adapter.listening.wait()
        await _run_beside(self._running, "keep locations", self._sign_in.keep_locations)
        app = web.Application(client_max_size=MAX_PAYLOAD)
        self.socket_server.attach(app, "socket.io")
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """No new sockets, the open ones closed so that clients come back elsewhere, then the rest."""
        self._draining = True
        for socket in self.socket_server.sockets:
            socket.finish("draining")
        if self._runner is not None:
            await self._runner.cleanup()
        if self._catching_up is not None:
            self._catching_up.cancel()
        await self._running.aclose()
        await self.services.outbox.close()
        self._passwords.close()

    @property
    def draining(self) -> bool:
        return self._draining

    def _accept(self, socket: EngineSocket, request: web.Request) -> Connection | None:
        if self._draining:
            REFUSED.labels("draining").inc()
            return None
        address = client_address(request.remote or "", request.headers.getall("X-Forwarded-For", []), self._proxies)
        user_agent = request.headers.get("User-Agent", "").encode(errors="replace").decode()[:300] or None
        return Connection(socket, self._dispatcher, self._sign_in, self.adapter, self._rate, address, user_agent)

    async def _after_gap(self) -> None:
        """Beside the listening, which must go on meanwhile; a newer gap makes the older catching up pointless."""
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._catching_up = asyncio.create_task(_again_and_again("catch up", self._sign_in.catch_up))


class WorkerProcess:
    """The relay and worker groups of one process."""

    def __init__(self, stores: Stores, database: Database, listen_url: str, names: Sequence[str]) -> None:
        self.tools = Tools(database, stores.feeds, stores.locations, stores.broadcaster, stores.event_log)
        self._listen_url = listen_url
        self._names = names
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for name in self._names:
            work = (
                partial(run_relay, self.tools, self._listen_url, self._stop)
                if name == "relay"
                else partial(run_group, self.tools, name, self._stop)
            )
            self._tasks.append(asyncio.create_task(_again_and_again(name, work)))

    async def stop(self) -> None:
        """What is under way ends; what has not begun stays in the log."""
        self._stop.set()
        await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        await end(*self._tasks)


def worker_names() -> list[str]:
    """What `daira work` can run."""
    return ["relay", *sorted(groups())]


def sidecar(
    settings: Settings, port: int, stores: Stores, database: Database, node: Node | None, **more_checks: Check
) -> Sidecar:
    """Health and metrics of this process."""
    checks: dict[str, Check] = {
        "postgres": database.ping,
        "redis": stores.redis.ping,
        "objects": stores.objects.ping,
        **more_checks,
    }
    return Sidecar(
        settings.host,
        port,
        checks=checks,
        optional=OPTIONAL_DEPENDENCIES,
        draining=lambda: node is not None and node.draining,
        gather=lambda: _gather(stores, database),
    )


async def ensure_bucket(stores: Stores) -> None:
    try:
        await stores.objects.ensure_bucket()
    except ObjectsUnavailable as error:
        log.warning("object storage does not answer", endpoint=stores.objects.endpoint, error=str(error))


def listen(host: str, port: int) -> sockets.socket:
    """A listening socket that nobody shares. Raises OSError where the port is taken."""
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    listener = sockets.socket(family, sockets.SOCK_STREAM)
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(4096)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def client_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """The nearest address that is not one of our proxies; theirs alone are believed."""
    chain = [peer, *reversed([part.strip() for header in forwarded for part in header.split(",")])]
    for address in chain:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return peer
        if not any(parsed in network for network in proxies):
            return address
    return chain[-1]


def derive_keys(settings: Settings, purpose: str) -> tuple[bytes, ...]:
    """Secrets for one purpose, from the keys of tokens and in their order."""
    return tuple(hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest() for key in settings.keys.values())


def _services(stores: Stores, database: Database, passwords: Passwords) -> Services:
    settings = stores.settings
    return Services(
        database=database,
        ids=stores.ids,
        outbox=Outbox(database, stores.ids),
        feeds=stores.feeds,
        broadcaster=stores.broadcaster,
        limits=Limits(stores.redis, settings.limits, count_loopback=settings.limit_loopback),
        tokens=AccessTokens(settings.keys),
        cursors=Cursors(derive_keys(settings, "cursors")),
        passwords=passwords,
        refresh_keys=derive_keys(settings, "refresh"),
        refresh_leeway_s=settings.refresh_leeway,
    )


def _call_rate(rate: str) -> CallRate:
    item = parse(rate)
    per_second = item.amount / item.get_expiry()
    return CallRate(per_second=per_second, burst=max(2 * per_second, 10))


async def _gather(stores: Stores, database: Database) -> None:
    """The gauges that are read from elsewhere; what cannot be read keeps its last value."""
    try:
        async with database.transaction() as tx:
            unsent, age = await outbox.backlog(tx)
        OUTBOX_UNSENT.set(unsent)
        OUTBOX_AGE.set(age)
        for lag in await stores.event_log.lags():
            LOG_LAG.labels(lag.group, lag.topic).set(lag.records)
    except (DatabaseUnavailable, RedisError, TimeoutError) as error:
        log.warning("some metrics are stale", error=str(error))
    size, idle = database.size
    POSTGRES_POOL.labels("app", "idle").set(idle)
    POSTGRES_POOL.labels("app", "busy").set(size - idle)
    REDIS_POOL.labels("busy").set(len(stores.redis.pool._in_use_connections))


async def _again_and_again(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Until it returns; what breaks in it is logged, and it begins anew."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("background work broke and begins anew", work=name)
            await asyncio.sleep(RESTART_S)


async def _patiently(work: Any, error: type[Exception]) -> None:
    async for attempt in stamina.retry_context(on=error, attempts=None, timeout=START_TIMEOUT_S, wait_max=1.0):
        with attempt:
            await work()


async def _quietly(work: Any) -> None:
    try:
        await work()
    except RedisError as error:
        log.info("left to expire", error=str(error))


async def _run_beside(closing: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Work that ends with the stack, and not before."""
    task = asyncio.create_task(_again_and_again(name, work))

    closing.push_async_callback(end, task)
