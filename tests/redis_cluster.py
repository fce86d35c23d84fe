"""A Redis Cluster of three masters and three replicas, each in its own process."""

import asyncio
import itertools
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from gateway.child_process import spawn
from gateway.embedded import redis_program
from tests.patience import WAIT_S

BUS = 10_000  # above the port of a server
MASTERS = 3
ADDRESS = "127.0.0.1"
NODE_TIMEOUT_MS = 3_000
SLOTS = 16_384


class RedisServers:
    """Redis servers by port, each in its own folder."""

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
                redis_program(), *([settings] if settings else []), "--port", str(port), "--bind", ADDRESS,
                "--dir", self.folder(port), *options,
            ],
            signal.SIGKILL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self, port: int) -> None:
        os.kill(self._processes[port].pid, signal.SIGKILL)
        self._processes[port].wait()

    def stop_for_now(self, port: int) -> None:
        """Suspend the process: its connections stay open, but it does not answer."""
        os.kill(self._processes[port].pid, signal.SIGSTOP)

    def go_on(self, port: int) -> None:
        os.kill(self._processes[port].pid, signal.SIGCONT)

    async def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    async def ask(self, port: int, *command: str) -> str:
        return await ask((ADDRESS, port), *command)

    async def until(self, port: int, words: str, *command: str) -> None:
        """Wait until the command's answer contains these words."""
        await until((ADDRESS, port), words, *command)


class RedisCluster(RedisServers):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ports = ports_with_a_bus(2 * MASTERS)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{ADDRESS}:{port}" for port in self.ports)

    async def start(self) -> None:
        for port in self.ports:
            self.spawn(
                port, "--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
                "--cluster-require-full-coverage", "no",
            )  # fmt: skip
        await form_cluster([(ADDRESS, port) for port in self.ports])


async def form_cluster(servers: list[tuple[str, int]]) -> None:
    """Make a cluster of the servers, by address and port: the first half are its masters."""
    for server in servers:
        await until(server, "PONG", "ping")
    first, masters, replicas = servers[0], servers[: len(servers) // 2], servers[len(servers) // 2 :]
    for number, server in enumerate(servers):
        await ask(server, "cluster", "set-config-epoch", str(number + 1))
        await ask(first, "cluster", "meet", server[0], str(server[1]))
    for number, server in enumerate(masters):
        slots = SLOTS * number // len(masters), SLOTS * (number + 1) // len(masters) - 1
        await ask(server, "cluster", "addslotsrange", *map(str, slots))
    for replica, master in zip(replicas, masters, strict=True):
        master_id = await ask(master, "cluster", "myid")
        await until(replica, master_id, "cluster", "nodes")
        await ask(replica, "cluster", "replicate", master_id)
    for server in servers:
        await until(server, "cluster_state:ok", "cluster", "info")
    for replica in replicas:
        await until(replica, "master_link_status:up", "info", "replication")


async def ask(server: tuple[str, int], *command: str) -> str:
    """Return the answer as text: the items of a list as lines, an error as its message."""
    address, port = server
    client = RedisClient(host=address, port=port, protocol=2, decode_responses=True)
    client.response_callbacks.clear()
    try:
        answer = await client.execute_command(*command)
    except RedisError as error:
        return str(error)
    finally:
        await client.aclose()
    return "\n".join(map(str, answer)) if isinstance(answer, list) else str(answer)


async def until(server: tuple[str, int], words: str, *command: str) -> None:
    """Wait until the command's answer contains these words."""
    async with asyncio.timeout(WAIT_S):
        while words not in await ask(server, *command):
            await asyncio.sleep(0.05)


def ports_with_a_bus(amount: int) -> list[int]:
    """Return free ports whose cluster bus ports, 10,000 above, are free too. Few programs choose ports below 32,768."""
    ports = random.sample(range(10_000, 22_000), 12_000)
    return list(itertools.islice((port for port in ports if _is_free(port) and _is_free(port + BUS)), amount))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
