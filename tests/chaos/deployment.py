"""Real servers, and nodes and workers in separate processes that tests can kill."""

import asyncio
import os
import subprocess
from datetime import timedelta

import socketio

from gateway import demo
from gateway.embedded import EmbeddedServers
from gateway.settings import Settings
from gateway.stores import ensure_bucket, open_stores
from protocol.tokens import AccessTokens
from storage.migrating import migrate
from tests.gateway.test_commands import Installation, free_ports
from tests.patience import WAIT_S

PLENTY = "1000000/hour"


class Client(socketio.AsyncClient):
    """The official client, with an event for a lost socket."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.lost = asyncio.Event()
        self.on("disconnect", self._lose)

    async def _lose(self, reason: str) -> None:
        self.lost.set()


class Deployment(Installation):
    """Servers in the test's process, two nodes and two workers in processes that can be killed."""

    names = ("node-0", "node-1", "worker-0", "worker-1")

    def __init__(self, data_dir) -> None:
        super().__init__(data_dir)
        self.environment |= {
            **{f"DAIRA_LIMIT_{name}": PLENTY for name in ("POST", "WRITE", "FOLLOW", "CHAT_MESSAGE", "CHAT_MARK")},
            "DAIRA_LIMIT_CALLS": "1000/second",
            "DAIRA_LOG_LEVEL": "error",
        }
        self.servers_running = EmbeddedServers(data_dir)
        self.node_ports = free_ports(2)
        self.processes: dict[str, subprocess.Popen[str]] = {}

    async def begin(self) -> None:
        await self.begin_servers()
        for name in self.names:
            self.spawn(name)
        for port in self.node_ports:
            await self.listens(port)

    async def begin_servers(self) -> None:
        await asyncio.to_thread(os.sync)  # what earlier tests wrote would hold up commits
        servers = await self.servers_running.start()
        await migrate(*(servers.postgres_url(role) for role in ("daira_owner", "daira_app", "daira_worker")))
        self.settings = Settings(_env_file=None, data_dir=self.data_dir)
        async with open_stores(self.settings) as stores:
            await ensure_bucket(stores)

    def spawn(self, name: str) -> None:
        kind, number = name.split("-")
        sidecar = str(free_ports(1)[0])
        if kind == "node":
            port = str(self.node_ports[int(number)])
            process = self.start("serve", DAIRA_PORT=port, DAIRA_SIDECAR_PORT=sidecar)
        else:
            process = self.start("work", DAIRA_WORKER_SIDECAR_PORT=sidecar)
        self.processes[name] = process

    async def listens(self, port: int) -> None:
        async with asyncio.timeout(4 * WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    return

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    async def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            _, errors = await asyncio.to_thread(process.communicate)
            print(name, errors)  # shown when the test fails
        await self.servers_running.stop()
        self.servers_running.erase()

    async def tokens(self, names: list[str]) -> list[str]:
        servers = self.servers_running.servers
        keys = AccessTokens(self.settings.keys)
        owner = servers.postgres_url("daira_owner")
        return await demo.mint_tokens(owner, keys, names, create=True, lifetime=timedelta(hours=1))

    async def client(self, token: str, node: int) -> "Client":
        """Return a connected client; tries the nodes in turn until one accepts it."""
        async with asyncio.timeout(60):
            while True:
                client = Client(serializer="msgpack", reconnection=False)
                url = f"http://127.0.0.1:{self.node_ports[node % 2]}"
                try:
                    await client.connect(url, auth={"token": token}, transports=["websocket"], wait_timeout=3)
                except socketio.exceptions.ConnectionError:
                    await client.shutdown()
                    node += 1
                    await asyncio.sleep(0.2)
                else:
                    return client
