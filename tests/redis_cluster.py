"""A Redis Cluster of three masters and three replicas, in processes of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from gateway.child_process import spawn
from tests.gateway.test_commands import free_ports
from tests.patience import WAIT_S

MASTERS = 3
NODE_TIMEOUT_MS = 3_000


def is_here() -> bool:
    """Sharded pub/sub came with Redis 7."""
    program = shutil.which("redis-server")
    if program is None or shutil.which("redis-cli") is None:
        return False
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.partition("v=")[2].partition(".")[0]) >= 7


NEEDED = "needs redis-server 7 and redis-cli (Debian: apt-get install redis-server)"
if not is_here() and os.environ.get("CI"):
    raise pytest.UsageError(NEEDED)
needs_servers = pytest.mark.skipif(not is_here(), reason=NEEDED)


class RedisServers:
    """Servers by their ports, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def folder(self, port: int) -> Path:
        folder = self._folder / str(port)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def spawn(self, port: int, *options: str, settings: Path | None = None) -> None:
        self._processes[port] = spawn(
            [
                "redis-server", *([settings] if settings else []), "--port", str(port), "--bind", "127.0.0.1",
                "--dir", self.folder(port), *options,
            ],
            signal.SIGKILL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self, port: int) -> None:
        os.kill(self._processes[port].pid, signal.SIGKILL)
        self._processes[port].wait()

    def stop_for_now(self, port: int) -> None:
        """It keeps its connections, and says nothing."""
        os.kill(self._processes[port].pid, signal.SIGSTOP)

    async def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    async def cli(self, port: int, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "redis-cli", "-p", str(port), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return output.decode()

    async def until(self, port: int, words: str, *command: str) -> None:
        """The command's answer has these words in it."""
        async with asyncio.timeout(WAIT_S):
            while words not in await self.cli(port, *command):
                await asyncio.sleep(0.05)


class RedisCluster(RedisServers):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ports = _ports_with_a_bus(2 * MASTERS)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    async def start(self) -> None:
        for port in self.ports:
            self.spawn(
                port, "--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
                "--cluster-require-full-coverage", "no",
            )  # fmt: skip
        for port in self.ports:
            await self.until(port, "PONG", "ping")
        servers = [f"127.0.0.1:{port}" for port in self.ports]
        await self.cli(self.ports[0], "--cluster", "create", *servers, "--cluster-replicas", "1", "--cluster-yes")
        for port in self.ports:
            await self.until(port, "cluster_state:ok", "cluster", "info")
        for port in self.ports[MASTERS:]:
            await self.until(port, "master_link_status:up", "info", "replication")


def _ports_with_a_bus(amount: int) -> list[int]:
    """The servers talk to each other 10,000 ports above."""
    ports: list[int] = []
    while len(ports) < amount:
        ports += [port for port in free_ports(amount) if port < 55_000 and port not in ports]
    return ports[:amount]
