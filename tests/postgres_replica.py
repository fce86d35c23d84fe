"""A streaming replica of the tests' PostgreSQL, in a process of its own."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec

from gateway.child_process import spawn
from gateway.embedded import Servers
from gateway.embedded.postgres import Postgres
from tests.patience import WAIT_S
from tests.ports import free_ports


class PostgresReplica:
    """Its replay can be paused, and its process stopped for now or killed."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._primary = servers
        [port] = free_ports(1)
        self._servers = msgspec.structs.replace(servers, id=f"{servers.id}-replica", postgres_port=port)
        self._server = Postgres(self._servers, folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self._servers.postgres_url("daira_app")

    async def start(self) -> None:
        """Copy the primary, and return once the replica answers."""
        backup = [
            self._server._programs / "pg_basebackup", "-D", self._server._home, "-R", "-X", "stream", "-c", "fast",
            "--no-sync", "-d", self._primary.postgres_url("postgres", "postgres"),
        ]  # fmt: skip
        options = self._server._as_user()
        self._server._home.mkdir(mode=0o700, parents=True)
        if options:
            os.chown(self._server._home, options["user"], options["group"])
        await asyncio.to_thread(subprocess.run, backup, check=True, cwd="/", **options)
        await self.run()

    async def run(self) -> None:
        """Start the process, also after `kill`."""
        argv, options = self._server.command()
        self._process = spawn([*argv, "-c", "max_standby_streaming_delay=0"], signal.SIGKILL, cwd="/", **options)
        async with asyncio.timeout(WAIT_S):
            while not await self._server.answers():
                await asyncio.sleep(0.05)

    async def pause_replay(self) -> None:
        await self.ask("SELECT pg_wal_replay_pause()")
        async with asyncio.timeout(WAIT_S):
            while await self.ask("SELECT pg_get_wal_replay_pause_state()") != "paused":
                await asyncio.sleep(0.01)

    async def resume_replay(self) -> None:
        await self.ask("SELECT pg_wal_replay_resume()")

    async def ask(self, statement: str) -> object:
        """Run it until it ends: the replay ends connections that are in its way."""
        while True:
            with suppress(asyncpg.PostgresConnectionError, asyncpg.SerializationError):
                connection = await asyncpg.connect(self._servers.postgres_url("postgres"))
                try:
                    return await connection.fetchval(statement)
                finally:
                    await connection.close()

    def hang(self, *, hangs: bool) -> None:
        """Suspend all its processes, or let them go on."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, signal.SIGSTOP if hangs else signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does; its processes notice that."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def erase(self) -> None:
        self.kill()
        self._server.erase()
