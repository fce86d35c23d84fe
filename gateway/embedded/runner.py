"""Starts the servers, restarts those that die, and stops them."""

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from gateway.child_process import spawn
from gateway.embedded.addresses import EmbeddedError, Servers, find_servers, reachable_servers
from gateway.embedded.kafka import Kafka
from gateway.embedded.livekit import LiveKit, livekit_program
from gateway.embedded.postgres import Postgres
from gateway.embedded.redis import RedisServer
from gateway.embedded.s3 import S3
from gateway.embedded.server import Server

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
WATCH_EVERY_S = 0.2

log = structlog.get_logger()


class EmbeddedServers:
    """The servers of one data folder, which a lock keeps other processes out of.

    Call `start` on the main thread: Linux ends a child when the thread that spawned it ends.
    """

    def __init__(self, data_dir: Path, *, voice: bool = False, kafka: bool = False) -> None:
        """voice: also start LiveKit if it is built. kafka: also start Kafka."""
        self.data_dir = data_dir.absolute()
        self.servers: Servers
        self._livekit = livekit_program() if voice else None
        self._has_kafka = kafka
        self._lock: IO[str] | None = None
        self._running: dict[Server, subprocess.Popen[bytes]] = {}  # in the order in which they were started
        self._watching: asyncio.Task[None] | None = None

    async def start(self, progress: Callable[[str], None] = lambda step: None) -> Servers:
        """Start all servers and wait until they answer. progress: called with the name of each step.

        Raises EmbeddedError.
        """
        self._take_folder()
        self.servers = await reachable_servers(self.data_dir, voice=self._livekit is not None, kafka=self._has_kafka)
        try:
            await self._start_all(progress)
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self.servers

    async def _start_all(self, progress: Callable[[str], None]) -> None:
        postgres = Postgres(self.servers, self.data_dir)
        servers: list[Server] = [postgres, RedisServer(self.servers, self.data_dir), S3(self.servers, self.data_dir)]
        if self._livekit is not None:
            servers.append(LiveKit(self.servers, self._livekit))
        if self._has_kafka:
            kafka = Kafka(self.servers, self.data_dir)
            servers.append(kafka)
            if kafka.is_new:
                progress("formatting Kafka's log")
                await asyncio.to_thread(kafka.create)
        if postgres.is_new:
            progress("creating the database cluster")
            await asyncio.to_thread(postgres.create)
        for server in servers:
            progress(f"starting {server.name}")
            self._running[server] = self._spawn(server)
        for server in servers:
            await self._wait_for(server)
        await postgres.ensure_database()

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for server, process in reversed(self._running.items()):
            if process.poll() is None:
                process.send_signal(server.end_signal)
        for server, process in self._running.items():
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                log.warning("a server did not stop in time and is killed", server=server.name)
                process.kill()
        if self._lock is not None:
            self._lock.close()

    def erase(self) -> None:
        """Remove all data. Raises EmbeddedError if another process runs servers on it."""
        self._take_folder()
        servers = find_servers(self.data_dir)
        if servers is not None:
            Postgres(servers, self.data_dir).erase()
        shutil.rmtree(self.data_dir)

    def process_id(self, name: str) -> int:
        return next(process.pid for server, process in self._running.items() if server.name == name)

    def _take_folder(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data_dir.chmod(0o700)
        self._lock = (self.data_dir / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            raise EmbeddedError(
                f"{self.data_dir} is in use by another `daira up` (process {owner}): stop it, "
                "or set DAIRA_DATA_DIR, DAIRA_PORT and DAIRA_SIDECAR_PORT to run a second one beside it"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _spawn(self, server: Server) -> subprocess.Popen[bytes]:
        command = server.command()
        with self._log_file(server).open("ab") as output:
            return spawn(
                command.argv,
                server.end_signal,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches this process only, which stops them in order
                **command.options,
            )

    async def _wait_for(self, server: Server) -> None:
        process = self._running[server]
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await server.answers():
            gone = process.poll() is not None
            if gone or asyncio.get_running_loop().time() > deadline:
                state = f"ended with code {process.returncode}" if gone else "does not answer"
                path = self._log_file(server)
                last_lines = path.read_text(errors="replace").splitlines()[-8:]
                words = "\n".join(f"  {line}" for line in last_lines)
                raise EmbeddedError(f"{server.name} {state}. The end of {path}:\n{words}")
            await asyncio.sleep(0.02)

    def _log_file(self, server: Server) -> Path:
        return self.data_dir / f"{server.name}.log"

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for server, process in self._running.items():
                if process.poll() is not None:
                    log.warning("a server died and is restarted", server=server.name, code=process.returncode)
                    self._running[server] = self._spawn(server)
