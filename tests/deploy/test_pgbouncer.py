"""Real PgBouncer with the deployed configuration: a node and all workers share a few connections of PostgreSQL."""

import asyncio
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import pytest

from gateway.embedded.server import listens
from tests.chaos.deployment import Client, Deployment
from tests.deploy.tools import DEPLOY, program
from tests.gateway.test_commands import free_ports
from tests.patience import WAIT_S

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

CONNECTIONS = 3  # for each role; the pools of a process are larger
USERS = 8


class Pooled(Deployment):
    async def begin(self) -> None:
        await self.begin_servers()
        servers = self.servers_running.servers
        [self.pool_port] = free_ports(1)
        self._folder = Path(tempfile.mkdtemp(prefix="daira-pgbouncer-"))
        users = self._folder / "users"
        users.write_text("".join(f'"{role}" "{servers.password}"\n' for role in ("daira_app", "daira_worker")))
        text = (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text()
        for line, here in {
            "* = host=postgres port=5432": f"* = host=127.0.0.1 port={servers.postgres_port}",
            "listen_addr = *": "listen_addr = 127.0.0.1",
            "listen_port = 6432": f"listen_port = {self.pool_port}",
            "auth_file = /run/secrets/pgbouncer_users": f"auth_file = {users}",
            "default_pool_size = 40": f"default_pool_size = {CONNECTIONS}",
        }.items():
            assert text.count(line) == 1, line
            text = text.replace(line, here)
        config = self._folder / "pgbouncer.ini"
        config.write_text(text)
        as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.processes["pgbouncer"] = subprocess.Popen(  # noqa: ASYNC220 - `end` waits for it
            [program("pgbouncer"), *as_nobody, config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        await self.listens(self.pool_port)
        self.environment |= {
            "DAIRA_POSTGRES_URL": self.pooled("daira_app"),
            "DAIRA_POSTGRES_WORKER_URL": self.pooled("daira_worker"),
            "DAIRA_POSTGRES_DIRECT_URL": servers.postgres_url("daira_worker"),
            "DAIRA_REDIS_URL": servers.redis_url,
            "DAIRA_S3_ENDPOINT": servers.s3_endpoint,
            "DAIRA_S3_ACCESS_KEY": servers.s3_access_key,
            "DAIRA_S3_SECRET_KEY": servers.s3_secret_key,
            "DAIRA_TOKEN_KEYS": f"embedded:{servers.token_key}",
        }
        for name in ("node-0", "worker-0"):
            self.spawn(name)
        await self.listens(self.node_ports[0])

    def pooled(self, role: str) -> str:
        return re.sub(r"@[^/]+/", f"@127.0.0.1:{self.pool_port}/", self.servers_running.servers.postgres_url(role))

    async def connections(self) -> dict[str, int]:
        """Return how many connections each role has to PostgreSQL, without those that listen."""
        superuser = await asyncpg.connect(self.servers_running.servers.postgres_url("postgres"))
        try:
            rows = await superuser.fetch(
                "SELECT usename, count(*) AS n FROM pg_stat_activity WHERE query NOT LIKE 'LISTEN%' GROUP BY usename"
            )
        finally:
            await superuser.close()
        return {row["usename"]: row["n"] for row in rows}


@pytest.fixture
async def pooled(tmp_path):
    running = Pooled(tmp_path / "data")
    try:
        await running.begin()
        yield running
    finally:
        await running.end()


async def test_it_stops_after_its_transactions(pooled):
    """On SIGINT, as it is deployed; on SIGTERM it would wait for clients that stay."""
    pgbouncer = pooled.processes["pgbouncer"]
    busy = await asyncpg.connect(pooled.pooled("daira_worker"))
    async with busy.transaction():
        await busy.execute("SELECT 1")
        pgbouncer.send_signal(signal.SIGINT)
        async with asyncio.timeout(WAIT_S):
            while await listens(pooled.pool_port):
                await asyncio.sleep(0.05)
        await busy.execute("SELECT 1")
    assert await asyncio.to_thread(pgbouncer.wait, WAIT_S) == 0
    busy.terminate()


async def call(client: Client, method: str, **arguments: object) -> dict:
    answer = await client.call(method, arguments, timeout=WAIT_S)
    assert answer["ok"], answer
    return answer["data"]


async def test_calls_and_workers_through_a_pool_of_transactions(pooled):
    names = [f"user_{number}" for number in range(USERS)]
    clients = [await pooled.client(token, 0) for token in await pooled.tokens(names)]
    fed: asyncio.Queue[dict] = asyncio.Queue()
    for client in clients[1:]:
        client.on("feed.added", lambda push, *_: fed.put_nowait(push))
    author = await call(clients[0], "user.me")
    for client in clients[1:]:
        await call(client, "graph.follow", user_id=author["id"])

    async def ask_often(client: Client, name: str) -> None:
        for _ in range(25):
            assert (await call(client, "user.me"))["username"] == name  # the viewer is of the transaction
            await call(client, "feed.get", mode="latest")
            await call(client, "notification.list")

    await asyncio.gather(*map(ask_often, clients, names))
    post = await call(clients[0], "post.create", text="through the pool", idempotency_key="once")
    assert (await call(clients[0], "post.create", text="through the pool", idempotency_key="once"))["id"] == post["id"]
    for _ in clients[1:]:
        assert (await asyncio.wait_for(fed.get(), WAIT_S))["post_id"] == post["id"]
    await call(clients[1], "comment.create", post_id=post["id"], text="and back")
    found = await call(clients[2], "comment.list", post_id=post["id"])
    assert [each["text"] for each in found["items"]] == ["and back"]
    open_now = await pooled.connections()
    assert open_now["daira_app"] <= CONNECTIONS
    assert open_now["daira_worker"] <= CONNECTIONS
    for client in clients:
        await client.disconnect()
