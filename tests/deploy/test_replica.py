"""The scripts by which Compose makes a replica of PostgreSQL, run by real servers."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import msgspec
import pytest

from gateway.child_process import spawn
from gateway.embedded import EmbeddedServers
from gateway.embedded.postgres import Postgres
from tests.deploy.tools import DEPLOY
from tests.patience import WAIT_S
from tests.ports import free_ports

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


class Replica:
    """A folder that the server's user may write: root runs it as another one."""

    def __init__(self, primary: EmbeddedServers) -> None:
        self.primary = primary.servers
        self.folder = Path(tempfile.mkdtemp(prefix="daira-replica-"))
        self.server = Postgres(self.primary, Path(primary.data_dir))
        self.options = self.server._as_user()
        if self.options:
            os.chown(self.folder, self.options["user"], self.options["group"])
        [self.port] = free_ports(1)
        for name in ("replication.sh", "replica.sh"):
            shutil.copy(DEPLOY / "postgres" / name, self.folder)
        (self.folder / "password").write_text("of-replicas")
        self.environment = {
            "PATH": f"{self.server._programs}:/usr/bin:/bin",
            "REPLICATION_PASSWORD_FILE": str(self.folder / "password"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str) -> None:
        """Write a file into the data folder, as the server's user."""
        data = self.folder / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        (data / name).touch()
        for path in (data, data / name):
            os.chown(path, self.folder.stat().st_uid, self.folder.stat().st_gid)

    async def allow(self) -> None:
        """Run the primary's script, which its image runs at the first start, before a restart."""
        environment = {
            **self.environment, "PGHOST": "127.0.0.1", "PGPORT": str(self.primary.postgres_port),
            "PGPASSWORD": self.primary.password, "PGDATA": str(self.server._home),
            "POSTGRES_USER": "postgres", "POSTGRES_DB": "daira",
        }  # fmt: skip
        await asyncio.to_thread(subprocess.run, [self.folder / "replication.sh"], env=environment, check=True)
        await self.on_primary("SELECT pg_reload_conf()")

    def start(self) -> None:
        environment = {
            **self.environment, "PGDATA": str(self.folder / "data"), "PRIMARY_HOST": "127.0.0.1",
            "PRIMARY_PORT": str(self.primary.postgres_port),
        }  # fmt: skip
        arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-cunix_socket_directories=", "-cmax_connections=200"]
        command = [self.folder / "replica.sh", *arguments]
        self.process = spawn(command, signal.SIGKILL, cwd="/", env=environment, **self.options)

    async def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(self.process.wait, WAIT_S) == 0

    async def on_primary(self, statement: str) -> object:
        return await ask(self.primary.postgres_url("postgres"), statement)

    async def finds(self, value: int) -> bool:
        """Whether the replica gets that row in time."""
        url = msgspec.structs.replace(self.primary, postgres_port=self.port).postgres_url("postgres")
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    if await ask(url, f"SELECT count(*) FROM told WHERE value = {value}"):
                        return bool(await ask(url, "SELECT pg_is_in_recovery()"))
                except (OSError, asyncpg.PostgresError):
                    pass
                await asyncio.sleep(0.05)


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_replica_copies_once_and_follows(tmp_path):
    servers = EmbeddedServers(tmp_path / "data")
    await servers.start()
    replica = Replica(servers)
    try:
        await replica.allow()
        await replica.on_primary("CREATE TABLE told AS SELECT 1 AS value")
        # A copy that was interrupted is begun anew.
        replica.write("half")
        replica.start()
        assert await replica.finds(1)
        await replica.on_primary("INSERT INTO told VALUES (2)")
        assert await replica.finds(2)
        assert not (replica.folder / "data" / "half").exists()
        await replica.stop()
        replica.write("kept")
        await replica.on_primary("INSERT INTO told VALUES (3)")
        replica.start()
        assert await replica.finds(3)
        assert (replica.folder / "data" / "kept").exists()
    finally:
        if replica.process is not None:
            await replica.stop()
        shutil.rmtree(replica.folder)
        await servers.stop()
        servers.erase()
