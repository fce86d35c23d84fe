"""The processes of `up`, `serve` and `work`, from start to SIGTERM."""

import asyncio
import ctypes
import gc
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

import structlog

from gateway import demo, supervisor
from gateway.app import WorkerProcess, sidecar, worker_names
from gateway.embedded import EmbeddedServers
from gateway.event_logs import prepare_topics
from gateway.listener import listen
from gateway.node import Node
from gateway.owner import owner_connection
from gateway.retrying import run_beside
from gateway.search_engines import prepare_search
from gateway.settings import Settings
from gateway.sidecar import Check
from gateway.stores import Stores, ensure_bucket, open_database, open_stores, prepare_bucket
from gateway.telemetry import telemetry
from storage import decisions, migrating, roles, users
from storage.database import Database
from storage.sidecars import Sidecars

DEMO_USERS = 200
M_MMAP_THRESHOLD = -3  # of malloc.h

Progress = Callable[[str], None]

log = structlog.get_logger()


class PortTaken(OSError):
    """Another program listens on the port."""


async def up(
    settings: Settings,
    *,
    with_demo: bool,
    with_kafka: bool,
    progress: Progress,
    ready: Callable[[tuple[str, str] | None], None],
) -> None:
    """Run servers, schema, demo data, node, workers and sidecar in this one process."""
    stop = stop_on_signals()
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(telemetry(settings, "daira"))
        listener = _listen(settings.host, settings.port, "DAIRA_PORT")
        closing.callback(listener.close)
        if settings.postgres_url is None:
            servers = EmbeddedServers(settings.data_dir, voice=settings.livekit_url is None, kafka=with_kafka)
            await servers.start(progress)
            closing.push_async_callback(servers.stop)
        progress("migrating")
        await migrate(settings, alone=True)
        pair = await _demo_users(settings, progress) if with_demo else None
        progress("starting the node")
        stores = await closing.enter_async_context(open_stores(settings))
        await ensure_bucket(stores)
        node, database = await _start_node(closing, stores, listener)
        workers, _ = await _start_workers(closing, stores, worker_names())
        await _start_sidecar(closing, settings, settings.sidecar_port, stores, database, node, workers)
        ready(pair)
        await stop.wait()


async def serve(settings: Settings, *, polling: bool, listener: socket.socket | None, announce: bool) -> None:
    """Run one gateway node. With an inherited listener it is a supervisor's child and runs no sidecar."""
    stop = stop_on_signals()
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(telemetry(settings, "daira-gateway"))
        own = listener or _listen(settings.host, settings.port, "DAIRA_PORT")
        closing.callback(own.close)
        stores = await closing.enter_async_context(open_stores(settings))
        node, database = await _start_node(closing, stores, own, polling=polling)
        if announce:
            await ensure_bucket(stores)
            await _start_sidecar(closing, settings, settings.sidecar_port, stores, database, node)
        log.info("serving", host=settings.host, port=own.getsockname()[1], node=node.name)
        await stop.wait()


async def supervise(settings: Settings, processes: int) -> None:
    """Run `count` children on one port, and the sidecar for all of them."""
    stop = stop_on_signals()
    async with AsyncExitStack() as closing:
        listener = _listen(settings.host, settings.port, "DAIRA_PORT")
        closing.callback(listener.close)
        stores = await closing.enter_async_context(open_stores(settings))
        await ensure_bucket(stores)
        database = await closing.enter_async_context(_app_database(settings))
        children = await closing.enter_async_context(supervisor.children(listener, processes, settings.drain))
        await _start_sidecar(closing, settings, settings.sidecar_port, stores, database, None, processes=children)
        log.info("supervising", host=settings.host, port=listener.getsockname()[1], processes=processes)
        await stop.wait()


async def work(settings: Settings, names: Sequence[str]) -> None:
    """Run the relay and worker groups with a sidecar of their own."""
    stop = stop_on_signals()
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(telemetry(settings, "daira-worker"))
        stores = await closing.enter_async_context(open_stores(settings))
        workers, database = await _start_workers(closing, stores, names)
        await _start_sidecar(closing, settings, settings.worker_sidecar_port, stores, database, None, workers)
        log.info("working", groups=list(names))
        await stop.wait()


async def migrate(settings: Settings, *, alone: bool = False) -> str:
    """Migrate the database, and prepare the other stores. Returns the version of the schema.

    alone: no other process runs on them.
    """
    roles = settings.owner_database, settings.app_database, settings.worker_database
    version = await migrating.migrate(*roles, alone=alone)
    await prepare_bucket(settings)
    await prepare_topics(settings)
    await prepare_search(settings)
    return version


async def set_suspended(settings: Settings, username: str, *, suspended: bool) -> None:
    """Suspend a user, or undo suspensions and bans. Raises LookupError for an unknown name, and if it is so already."""
    async with owner_connection(settings.owner_database) as connection:
        user_id = await users.require_id(connection, username)
        if not await (decisions.suspend if suspended else decisions.unsuspend)(connection, user_id):
            raise LookupError(f"{username} is {'already' if suspended else 'not'} suspended or banned")


async def set_role(settings: Settings, username: str, role: str) -> None:
    """Give a user a role.

    Raises LookupError for an unknown name, if the user has that role already, and if staff need a second factor that
    the user does not have: whoever knows the password could enrol one.
    """
    async with owner_connection(settings.owner_database) as connection:
        user_id = await users.require_id(connection, username)
        if not settings.is_for_this_machine_alone and not await roles.may_hold(connection, user_id, role):
            raise LookupError(
                f"{username} has no second factor: let them switch one on (auth.enable_totp, auth.confirm_totp) before "
                f"they become {role}"
            )
        if not await roles.grant(connection, user_id, role):
            raise LookupError(f"{username} already has the role {role}")


def _app_database(settings: Settings) -> AbstractAsyncContextManager[Database]:
    return open_database(settings.app_database, settings.postgres_pool, serves=True, replica=settings.replica)


async def _start_node(
    closing: AsyncExitStack, stores: Stores, listener: socket.socket, *, polling: bool = True
) -> tuple[Node, Database]:
    database = await closing.enter_async_context(_app_database(stores.settings))
    console = _console_listener(stores.settings)
    if console is not None:
        closing.callback(console.close)
    node = Node(stores, database, polling=polling)
    await node.start(listener, console)
    closing.push_async_callback(node.stop)
    _collect_rarely()
    _map_large_buffers()
    return node, database


async def _start_workers(
    closing: AsyncExitStack, stores: Stores, names: Sequence[str]
) -> tuple[WorkerProcess, Database]:
    settings = stores.settings
    database = await closing.enter_async_context(
        open_database(settings.worker_database, settings.postgres_pool, serves=False)
    )
    workers = WorkerProcess(stores, database, settings.direct_database, names)
    workers.start()
    closing.push_async_callback(workers.stop)
    return workers, database


async def _start_sidecar(
    closing: AsyncExitStack,
    settings: Settings,
    port: int,
    stores: Stores,
    database: Database,
    node: Node | None,
    workers: WorkerProcess | None = None,
    **more_checks: Check,
) -> None:
    beside = sidecar(settings, port, stores, database, node, workers, **more_checks)
    try:
        port = await beside.start()
    except OSError as error:
        raise PortTaken(f"the sidecar cannot listen on {settings.host}:{port} ({error.strerror})") from None
    closing.push_async_callback(beside.stop)
    announce = partial(Sidecars(stores.data_shards).keep_announcing, settings.host, port)
    await run_beside(closing, "announce the sidecar", announce)


async def _demo_users(settings: Settings, progress: Progress) -> tuple[str, str] | None:
    """Add demo data on the first start. Returns a user and a follower to try things with."""
    known = await demo.someone_and_a_follower(settings.owner_database)
    if known is None:
        await demo.seed(settings.owner_database, DEMO_USERS, lambda step, _: progress(f"demo data: {step}"))
        known = await demo.someone_and_a_follower(settings.owner_database)
    return known


def _collect_rarely() -> None:
    """Run full collections rarely: with thousands of sockets, each stops the event loop for long.

    Closed sockets leave no cycles. The collector is there for cycles that handlers may leave.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _map_large_buffers() -> None:
    """Have glibc return buffers of 64 KiB and more to the system as soon as they are freed.

    By default, glibc raises that threshold with each large buffer that is freed, and keeps later ones on its heap.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 64 * 1024)


def _console_listener(settings: Settings) -> socket.socket | None:
    if settings.console_port is None:
        return None
    return _listen(settings.console_host, settings.console_port, "DAIRA_CONSOLE_PORT")


def _listen(host: str, port: int, variable: str) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port} ({error.strerror}): set {variable} to a free port") from None


def stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
