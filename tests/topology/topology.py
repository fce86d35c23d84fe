"""The whole system on one machine, each part in its own network namespace, with faults for each."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
from prometheus_client.parser import text_string_to_metric_families

from gateway import demo
from gateway.child_process import spawn
from gateway.embedded.postgres import _SHARED_HOME
from protocol.tokens import AccessTokens
from tests.cluster import PLENTY, RAISED_LIMITS
from tests.patience import WAIT_S
from tests.redis_cluster import ask, form_cluster
from tests.topology import servers
from tests.topology.network import Host, Network

ROOT = Path(__file__).parents[2]
NODES, WORKERS, SHARDS = ("node-1", "node-2"), ("worker-1", "worker-2"), tuple(f"redis-{n}" for n in range(1, 7))
DRAIN_S = 3.0
STOP_TIMEOUT_S = 30.0


class Topology:
    """Parts by name: each is a host with one server."""

    def __init__(self) -> None:
        self.network = Network()
        _SHARED_HOME.mkdir(parents=True, exist_ok=True)
        self._home = Path(tempfile.mkdtemp(prefix="topology-", dir=_SHARED_HOME))
        self._home.chmod(0o755)
        self._key = secrets.token_hex(32)
        self._commands: dict[str, Callable[[], list[str]]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.trees = dict.fromkeys((*NODES, *WORKERS), ROOT)  # which checkout each process runs

    # ------------------------------------------------------------------------------------------ start and stop

    async def start(self) -> None:
        names = ("proxy", *NODES, *WORKERS, "pgbouncer", "postgres", "replica", *SHARDS, "kafka", "s3")
        hosts = {name: self.network.add(name) for name in names}
        primary, replica = hosts["postgres"], hosts["replica"]
        subnet = f"{self.network.own_address.rpartition('.')[0]}.0/24"
        servers.create_postgres(self.folder("postgres"), subnet)
        self._set("postgres", servers.postgres, self.folder("postgres"))
        self._set("pgbouncer", servers.pgbouncer, self.folder("pgbouncer"), primary)
        self._set("replica", servers.postgres, self.folder("replica"))
        for name in SHARDS:
            self._set(name, servers.redis, self.folder(name))
        kafka = servers.Broker(hosts["kafka"], self.folder("kafka"))
        await asyncio.to_thread(kafka.create)
        self._commands["kafka"] = kafka.start_command
        self._set("s3", servers.s3, self.folder("s3"))
        self._set("proxy", servers.haproxy, self.folder("proxy"), [hosts[name] for name in NODES])
        for name in ("postgres", "pgbouncer", *SHARDS, "kafka", "s3", "proxy"):
            self.run(name)
        await self.listens("postgres", servers.POSTGRES_PORT)
        await servers.ensure_database(primary)
        servers.copy_primary(replica, self.folder("replica"), primary)
        self.run("replica")
        for name, port in (
            ("kafka", servers.KAFKA_PORT),
            ("s3", servers.S3_PORT),
            ("replica", servers.POSTGRES_PORT),
        ):
            await self.listens(name, port)
        await form_cluster([(hosts[name].address, servers.REDIS_PORT) for name in SHARDS])
        await self.daira("migrate", DAIRA_POSTGRES_OWNER_URL=self.owner_url)
        for name in (*NODES, *WORKERS):
            self.run(name)
        for name in (*NODES, *WORKERS):
            await self.listens(name, servers.SIDECAR_PORT)
        await self.listens("proxy", servers.PROXY_PORT)

    async def stop(self) -> None:
        for name in (*NODES, *WORKERS):
            self.host(name).signal(signal.SIGKILL)
        self.network.stop()
        for process in self._running.values():
            await asyncio.to_thread(process.wait)

    def erase(self) -> None:
        shutil.rmtree(self._home)

    def run(self, name: str) -> None:
        """Start the part's server. Call it on the main thread."""
        command = self._commands[name]() if name in self._commands else self._own(name)
        with self.log(name).open("ab") as log:
            self._running[name] = spawn(
                command, signal.SIGKILL, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.trees.get(name, "/"), env=self._environment(name), start_new_session=True,
            )  # fmt: skip

    async def daira(self, *arguments: str, tree: Path = ROOT, **environment: str) -> None:
        """Run a command of `daira`, as an operator on the first worker's host."""
        host = self.host("worker-1")
        process = await asyncio.create_subprocess_exec(
            *host.command(sys.executable, "-m", "gateway.cli", *arguments), cwd=tree,
            env={**self._environment("worker-1"), "PYTHONPATH": str(tree), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def listens(self, name: str, port: int) -> None:
        async with asyncio.timeout(2 * WAIT_S):
            while not await servers.accepts(self.host(name).address, port):
                assert self._running[name].poll() is None, f"{name} ended: {self.log(name).read_text()[-2_000:]}"
                await asyncio.sleep(0.05)

    async def until_ready(self, name: str) -> None:
        """Wait until the node or worker says that it is ready. HAProxy then sends clients to a node."""
        await self.listens(name, servers.SIDECAR_PORT)
        url = f"http://{self.host(name).address}:{servers.SIDECAR_PORT}/health/ready"
        async with asyncio.timeout(2 * WAIT_S), aiohttp.ClientSession() as http:
            while True:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.1)

    async def end(self, name: str) -> None:
        """SIGTERM, as a deployment does, and wait until the process has ended."""
        self._running[name].terminate()
        await asyncio.to_thread(self._running[name].wait, STOP_TIMEOUT_S)

    # ------------------------------------------------------------------------------------------ faults

    def kill(self, name: str) -> None:
        self.host(name).signal(signal.SIGKILL)
        self._running[name].wait()

    def pause(self, name: str) -> None:
        self.host(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self.host(name).signal(signal.SIGCONT)

    def cut_off(self, name: str) -> None:
        self.network.cut_off(self.host(name))

    def connect_again(self, name: str) -> None:
        self.network.connect_again(self.host(name))

    # ------------------------------------------------------------------------------------------ addresses

    def host(self, name: str) -> Host:
        return self.network.hosts[name]

    def folder(self, name: str) -> Path:
        folder = self._home / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            if name in ("postgres", "replica", "pgbouncer"):
                shutil.chown(folder, "nobody", "nogroup")
        return folder

    def log(self, name: str) -> Path:
        return self._home / f"{name}.log"

    def exceptions(self) -> set[str]:
        """Return the last lines of the exceptions that processes have logged, to explain a failure."""
        found = set()
        for name in self.trees:
            for line in self.log(name).read_text().splitlines():
                if '"exception"' in line:
                    record = json.loads(line)
                    found.add(f"{name} {record.get('method', '')}: {record['exception'].strip().splitlines()[-1]}")
        return found

    @property
    def url(self) -> str:
        return f"http://{self.host('proxy').address}:{servers.PROXY_PORT}"

    @property
    def owner_url(self) -> str:
        return self._postgres_url("daira_owner", "postgres")

    async def owner(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.owner_url, timeout=5)

    async def tokens(self, names: list[str]) -> list[str]:
        keys = AccessTokens({"topology": self._key})
        return await demo.mint_tokens(self.owner_url, keys, names, create=True, lifetime=timedelta(hours=6))

    async def master(self) -> str:
        """Return the first server of the cluster that is a master now."""
        for name in SHARDS:
            if (await ask((self.host(name).address, servers.REDIS_PORT), "role")).startswith("master"):
                return name
        raise AssertionError("the cluster has no master")

    async def clients(self) -> dict[str, float]:
        """Return how many clients each node has."""
        return {name: await self._sockets(name) for name in NODES}

    async def busiest_node(self) -> str:
        """Return the node with the most clients."""
        clients = await self.clients()
        return max(NODES, key=lambda name: (clients[name], name))

    async def _sockets(self, node: str) -> float:
        url = f"http://{self.host(node).address}:{servers.SIDECAR_PORT}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            families = list(text_string_to_metric_families(await answer.text()))
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == "daira_signed_in_sockets")

    def _postgres_url(self, role: str, part: str) -> str:
        port = servers.PGBOUNCER_PORT if part == "pgbouncer" else servers.POSTGRES_PORT
        return f"postgresql://{role}:{servers.PASSWORD}@{self.host(part).address}:{port}/{servers.DATABASE}"

    def _set(self, name: str, command: Callable[..., list[str]], *arguments: object) -> None:
        self._commands[name] = lambda: command(self.host(name), *arguments)

    def _own(self, name: str) -> list[str]:
        verb = "serve" if name in NODES else "work"
        return self.host(name).command(sys.executable, "-m", "gateway.cli", verb)

    def _environment(self, name: str) -> dict[str, str]:
        """The product's own settings, as an operator would write them."""
        outside = {key: value for key, value in os.environ.items() if not key.startswith("DAIRA_")}
        if name not in self.trees:
            return outside
        cluster = ",".join(f"{self.host(shard).address}:{servers.REDIS_PORT}" for shard in SHARDS)
        return outside | {
            "PYTHONPATH": str(self.trees[name]),
            "DAIRA_HOST": self.host(name).address,
            "DAIRA_PORT": str(servers.GATEWAY_PORT),
            "DAIRA_SIDECAR_PORT": str(servers.SIDECAR_PORT),
            "DAIRA_WORKER_SIDECAR_PORT": str(servers.SIDECAR_PORT),
            "DAIRA_DATA_DIR": str(self._home / "none"),
            "DAIRA_POSTGRES_URL": self._postgres_url("daira_app", "pgbouncer"),
            "DAIRA_POSTGRES_WORKER_URL": self._postgres_url("daira_worker", "pgbouncer"),
            "DAIRA_POSTGRES_DIRECT_URL": self._postgres_url("daira_worker", "postgres"),
            "DAIRA_POSTGRES_REPLICA_URL": self._postgres_url("daira_app", "replica"),
            "DAIRA_REDIS_URL": f"redis+cluster://{cluster}",
            "DAIRA_KAFKA_BROKERS": f"{self.host('kafka').address}:{servers.KAFKA_PORT}",
            "DAIRA_KAFKA_USER": "daira",
            "DAIRA_KAFKA_PASSWORD": servers.PASSWORD,
            "DAIRA_KAFKA_MECHANISM": "PLAIN",
            "DAIRA_S3_ENDPOINT": f"http://{self.host('s3').address}:{servers.S3_PORT}",
            "DAIRA_S3_ACCESS_KEY": servers.S3_KEY,
            "DAIRA_S3_SECRET_KEY": servers.S3_SECRET,
            "DAIRA_TOKEN_KEYS": f"topology:{self._key}",
            "DAIRA_TRUSTED_PROXIES": self.host("proxy").address,
            "DAIRA_DRAIN": str(DRAIN_S),
            "DAIRA_LOG_LEVEL": "info",
            **{f"DAIRA_{name.upper()}": rate for name, rate in RAISED_LIMITS.items()},
            "DAIRA_LIMIT_CONNECT": PLENTY,
        }


class Running(AsyncExitStack):
    """A topology that is started at the beginning of a context, and removed at its end, whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.topology = Topology()

    async def __aenter__(self) -> "Running":
        await super().__aenter__()
        self.callback(self.topology.erase)
        self.push_async_callback(self.topology.stop)
        try:
            await self.topology.start()
        except BaseException:
            await self.aclose()
            raise
        return self
