"""Real servers, two gateway nodes and the workers; nodes and workers run in the tests' process."""

import asyncio
import itertools
import random
import secrets
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway import demo
from gateway.app import WorkerProcess, worker_names
from gateway.embedded import EmbeddedServers, Servers
from gateway.listener import listen
from gateway.node import Node
from gateway.settings import Settings
from gateway.stores import Stores, ensure_bucket, open_database, open_stores
from protocol.posts import FeedRemoved
from protocol.rpc import methods
from protocol.tokens import AccessTokens
from storage.database import Database
from storage.migrating import migrate
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.lent_connections import LentConnections
from tests.patience import WAIT_S
from tests.people import HAS_JAVASCRIPT, NO_JAVASCRIPT, DrivenPerson, Driver, Person, PythonPerson
from workers.media_lanes import LANES

PLENTY = "1000000/second"
RAISED_LIMITS = {
    f"limit_{name}": PLENTY for name in ("calls", "work", "handshake", *(each.name for each in methods.limits))
}
KINDS = ("python-msgpack", "python-json", "js-msgpack", "js-json")


class Cluster:
    servers: Servers
    stores: Stores
    node_a: Node
    node_b: Node
    workers: WorkerProcess
    worker_database: Database
    _owners: Any  # a pool of connections as the owner of the tables
    _keys: AccessTokens

    def __init__(self, data_dir: Path, driver: Driver | None, *, voice: bool = False, **overrides: Any) -> None:
        """voice: start LiveKit; the tests run its keeper themselves. overrides: settings of all nodes."""
        self.embedded = EmbeddedServers(data_dir, voice=voice)
        self.data_dir = data_dir
        self.driver = driver
        self._overrides = overrides
        self.ports: dict[str, int] = {}
        self.nodes: dict[str, Node] = {}
        self._stacks: dict[str, AsyncExitStack] = {}
        self._closing = AsyncExitStack()
        self._people: list[Person] = []
        self._lent = LentConnections()
        self._suffixes = itertools.count()
        self._run = "".join(random.sample("0123456789abcdef", 6))  # no letter thrice: folding shortens that

    def settings(self, **overrides: Any) -> Settings:
        """Limits that methods declare are overridden by their variable's name, too: `limit_post="10/hour"`."""
        patient = {
            **RAISED_LIMITS,
            "call_deadline": WAIT_S,
            "shed_delay": WAIT_S,
            "drain": 0.5,
            "explore_cache": 0,
        }
        fields = {**patient, **self._overrides, **overrides}
        if "trusted_proxies" not in fields:  # behind a proxy, moderators must prove the second factor
            fields = {"staff_proof": 0, **fields}
        limit = {each.name: fields.pop(f"limit_{each.name}") for each in methods.limits}
        return Settings(_env_file=None, data_dir=self.data_dir, limit=limit, **fields)

    async def start(self) -> None:
        await self.start_servers()
        await self.start_processes()

    async def start_servers(self) -> None:
        self.servers = await self.embedded.start()
        self._closing.push_async_callback(self.embedded.stop)
        await migrate(
            self.servers.postgres_url("daira_owner"),
            self.servers.postgres_url("daira_app"),
            self.servers.postgres_url("daira_worker"),
        )
        self._owners = await self._closing.enter_async_context(
            asyncpg.create_pool(self.servers.postgres_url("daira_owner"), min_size=1, max_size=4)
        )
        self._keys = AccessTokens(self.settings().keys)
        self.stores = await self._closing.enter_async_context(open_stores(self.settings()))
        await ensure_bucket(self.stores)

    async def hasten_postgres(self) -> None:
        """Let commits not wait for the disk, and keep the first plan of each statement. Benchmarks do neither.

        The data ends with the run, and few statements run often enough on a connection to be worth several plans.
        """
        superuser = await asyncpg.connect(self.servers.postgres_url("postgres"))
        try:
            await superuser.execute("ALTER SYSTEM SET fsync = off")
            await superuser.execute("SELECT pg_reload_conf()")
            for role in ("daira_app", "daira_worker"):
                await superuser.execute(f"ALTER ROLE {role} SET plan_cache_mode = force_generic_plan")
        finally:
            await superuser.close()

    async def start_processes(self) -> None:
        """Start two nodes and the workers."""
        self.node_a = await self.add_node("a")
        self.node_b = await self.add_node("b")
        self.worker_database = await self._closing.enter_async_context(
            open_database(self.servers.postgres_url("daira_worker"), 10, serves=False)
        )
        # Tests of voice, of recordings, of deliveries, of candidates, of trends and of media run these themselves.
        jobs = {"candidates", "embeddings", "trends-keeper", "erasures", "exports"}
        apart = {"voice-keeper", "recordings-keeper", "deliveries", "account-mails", "media-sweeper", *jobs, *LANES}
        names = [name for name in worker_names() if name not in apart]
        self.workers = WorkerProcess(
            self.stores, self.worker_database, self.servers.postgres_url("daira_worker"), names
        )
        self.workers.start()
        self._closing.push_async_callback(self.workers.stop)

    async def stop(self) -> None:
        self._lent.close()
        await self._closing.aclose()
        self.embedded.erase()

    async def add_node(self, name: str, **overrides: Any) -> Node:
        """Start one more node on the same servers, with other settings. It stops with the cluster.

        With `console_port=0`, it serves the console on the port `NAME-console`.
        """
        settings = self.settings(**overrides)
        closing = await self._closing.enter_async_context(AsyncExitStack())
        stores = await closing.enter_async_context(open_stores(settings))
        database = await closing.enter_async_context(
            open_database(settings.app_database, settings.postgres_pool, serves=True, replica=settings.replica)
        )
        node = Node(stores, database)
        listener = listen("127.0.0.1", 0)
        self.ports[name] = listener.getsockname()[1]
        self.nodes[name] = node
        console = listen("127.0.0.1", 0) if settings.console_port is not None else None
        if console is not None:
            self.ports[f"{name}-console"] = console.getsockname()[1]
        await node.start(listener, console)
        closing.push_async_callback(node.stop)
        self._stacks[name] = closing
        return node

    async def remove_node(self, name: str) -> None:
        """Stop a node before the cluster stops."""
        await self._stacks.pop(name).aclose()
        del self.nodes[name], self.ports[name]
        self.ports.pop(f"{name}-console", None)

    def node(self, name: str) -> Node:
        return self.nodes[name]

    @property
    def redis(self) -> Redis:
        """The connections of the event log."""
        assert isinstance(self.stores.event_log, RedisStreams)
        return self.stores.event_log._redis

    def url(self, node: str = "a") -> str:
        return f"http://127.0.0.1:{self.ports[node]}"

    def unique(self, name: str) -> str:
        return f"{name}_{self._run}{next(self._suffixes)}"

    async def person(self, name: str = "alice", *, node: str = "a", kind: str = "python-msgpack") -> Person:
        """Return a new user, signed in on that node, after `session.ready`."""
        username = self.unique(name)
        [token] = await self.tokens([username])
        who = self.new_client(username, kind)
        await self.connect(who, node=node, codec=kind.split("-")[1], token=token)
        return who

    async def again(self, person: Person, *, node: str = "b", kind: str = "python-msgpack") -> Person:
        """Return the same user on another device, with its own session."""
        [token] = await self.tokens([person.name])
        other = self.new_client(person.name, kind)
        await self.connect(other, node=node, codec=kind.split("-")[1], token=token)
        return other

    def new_client(self, username: str, kind: str) -> Person:
        """Return a client that is not connected yet."""
        if kind.startswith("js"):
            if not HAS_JAVASCRIPT:
                pytest.skip(NO_JAVASCRIPT)  # never in CI, where collection fails instead
            assert self.driver is not None
            who: Person = DrivenPerson(username, "", self.driver)
        else:
            who = PythonPerson(username, "")
        self.add(who)
        return who

    def add(self, person: Person) -> None:
        """Let `leave` close this client too."""
        self._people.append(person)

    async def connect(self, who: Any, *, node: str, codec: str, token: str | None, **options: Any) -> Any:
        """Connect, and return the first `session.ready`."""
        who.token = token
        await who.connect(self.url(node), codec, {"token": token} if token else None, **options)
        ready = await who.expect("session.ready")
        who.id = ready["user"]["id"] if ready["user"] else ""
        return ready

    async def guest(self, *, node: str = "a", kind: str = "python-msgpack") -> Person:
        """Return an anonymous client."""
        await self._await_leases()
        who = self.new_client("guest", kind)
        await self.connect(who, node=node, codec=kind.split("-")[1], token=None)
        return who

    async def tokens(self, usernames: list[str], lifetime: timedelta = timedelta(minutes=15)) -> list[str]:
        await self._await_leases()
        async with self._owners.acquire() as owner:
            sessions = await demo.open_sessions(owner, usernames, create=True)
        return demo.access_tokens(self._keys, sessions, lifetime)

    async def _await_leases(self) -> None:
        """Wait for leases and Redis links. Tests outside the event loop stop it, and after a long one leases have
        expired and links reconnect.
        """
        async with asyncio.timeout(WAIT_S):
            for stores in (self.stores, *(node._stores for node in self.nodes.values())):
                while not (stores.ids.is_leased and stores.shards.are_up):
                    await asyncio.sleep(0.01)

    async def leave(self) -> None:
        """Close all clients."""
        await asyncio.gather(*(person.close() for person in self._people if hasattr(person, "client") or person.log))
        self._people.clear()

    async def settle(self, *people: Person) -> None:
        """Wait until all events so far have been handled and all counts pushed, and these users have the pushes."""
        async with asyncio.timeout(WAIT_S):
            while not await self._is_idle():
                await asyncio.sleep(0.01)
        if not people:
            return
        fence = FeedRemoved(id=f"fence:{secrets.token_hex(8)}", post_id="0")
        await self.stores.broadcaster.publish_to_users([int(person.id) for person in people], fence)
        for person in people:
            await person.expect("feed.removed", id=fence.id)

    async def _is_idle(self) -> bool:
        waits = await self._owners.fetchval(
            """SELECT EXISTS (SELECT FROM outbox WHERE sent_batch IS NULL)
            OR EXISTS (SELECT FROM count_changes) OR EXISTS (SELECT FROM counts_unpushed)
            OR EXISTS (SELECT FROM affinity_changes)"""
        )
        return not waits and all(lag.records == 0 for lag in await self.stores.event_log.lags())

    async def owner(self) -> Any:
        """Return a connection as the owner of the tables, which bypasses all policies."""
        return await self._lent.borrow(self.servers.postgres_url("daira_owner"))

    async def as_app(self, viewer_id: str | int) -> Any:
        """Return a connection with the application's role and that viewer."""
        connection = await self._lent.borrow(self.servers.postgres_url("daira_app"))
        await connection.execute("SELECT set_config('app.user_id', $1, false)", str(viewer_id))
        return connection
