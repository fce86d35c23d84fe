"""The contenders: DAIRA's gateway and its peers, behind one interface."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bench.realtime.processes import ROOT, Process, python
from bench.realtime.tick import TEXT, frame
from bench.realtime.world import LOAD_CORE, SERVER_CORE, World, free_port

PEERS = Path("bench/realtime/peers")
NODE = PEERS / "node"
RUST = PEERS / "rust/target/release/daira-bench-rust-peer"
NODES_KEY = "daira:{0}:nodes"


class Contender:
    """Starts nodes on the servers' core and a publisher on the load's core. `ports[n]` is the port of `nodes[n]`."""

    name: str
    label: str
    deflate = False
    server_cores, load_cores = SERVER_CORE, LOAD_CORE
    server: Sequence[str]
    publishes_by: Sequence[str]

    def __init__(self, world: World) -> None:
        self.world = world
        self.nodes: list[Process] = []
        self.ports: list[int] = []
        self.publisher: Process | None = None
        self.workers: Process | None = None

    @classmethod
    def missing(cls) -> str | None:
        """Return why it cannot run on this machine, or None."""
        return None

    # ------------------------------------------------------------------------------------------ differences

    def settings(self, port: int) -> dict[str, str]:
        return {**self.world.peer_settings, "PORT": str(port), "TEXT": TEXT}

    def auth(self, number: int) -> dict[str, Any] | None:
        return {"token": self.world.tokens[number]}

    def room(self, number: int) -> str:
        """Return the room's name, as the publisher takes it."""
        return f"room-{number}"

    def join(self, number: int) -> tuple[str, dict[str, Any]] | None:
        """Return method and argument of the call that joins; None if the order of connecting decides the room."""
        return "join", {"room": self.room(number)}

    # ------------------------------------------------------------------------------------------ life

    async def start(self, nodes: int, room_size: int) -> None:
        for _ in range(nodes):
            port = free_port()
            process = Process(self.server, self.settings(port), self.server_cores, self._log("server"))
            self.nodes.append(process)
            self.ports.append(port)
            await process.listens(port)

    async def start_publisher(self) -> None:
        self.publisher = Process(
            self.publishes_by, self.settings(0), self.load_cores, self._log("publisher"), speaks=True
        )
        await self.publisher.said_ready()

    async def start_workers(self) -> None:
        """Start workers, if the contender has any."""

    async def stop(self) -> None:
        for process in {*self.nodes, self.publisher, self.workers}:
            if process is not None:
                await process.stop()

    def publish(self, line: str) -> None:
        assert self.publisher is not None
        self.publisher.write(line)

    async def answered(self) -> str:
        """Return the publisher's next line."""
        assert self.publisher is not None
        return await self.publisher.said()

    def collect_garbage(self) -> None:
        """Collect garbage, where it would otherwise count as memory of connections."""

    @property
    def cpu(self) -> float:
        """CPU seconds of all nodes."""
        return sum(process.cpu for process in self.nodes)

    def _log(self, role: str) -> Path:
        return self.world.folder / f"{self.name}-{role}.log"


class Ours(Contender):
    name, label = "ours", "DAIRA"
    server = (*python("gateway.cli"), "serve")
    publishes_by = python("bench.realtime.peers.our_publisher")

    def settings(self, port: int) -> dict[str, str]:
        return {**self.world.our_settings, "DAIRA_PORT": str(port), "DAIRA_SIDECAR_PORT": "0"}

    def room(self, number: int) -> str:
        return str(self.world.posts[number])

    def join(self, number: int) -> tuple[str, dict[str, Any]]:
        return "post.watch", {"post_id": self.room(number)}

    async def start(self, nodes: int, room_size: int) -> None:
        # Otherwise the node would first remove the users of the previous round's node.
        async with Redis.from_url(self.world.servers.redis_url) as redis:
            await redis.delete(NODES_KEY)
        await super().start(nodes, room_size)

    async def start_workers(self) -> None:
        """Events wait in the log, so there is no need to wait until the workers are ready."""
        settings = {**self.settings(0), "DAIRA_WORKER_SIDECAR_PORT": "0"}
        self.workers = Process((*python("gateway.cli"), "work"), settings, self.load_cores, self._log("workers"))


class Node(Contender):
    name, label = "node", "Socket.IO on Node.js"
    server: Sequence[str] = ("node", "--expose-gc", str(NODE / "server.mjs"))
    publishes_by = ("node", str(NODE / "publisher.mjs"))

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") is None:
            return "node is not on the PATH"
        return None if (ROOT / NODE / "node_modules").is_dir() else f"run `npm ci` in {NODE}"

    def collect_garbage(self) -> None:
        for process in self.nodes:
            process.signal(signal.SIGUSR2)


class BareNode(Node):
    """Node.js without DAIRA's checks, limits and metrics."""

    name, label = "bare", "Node.js, bare"
    server = (*Node.server, "--bare")


class Bun(Node):
    """Bun's own engine: it connects, and echoes one call at a time, at a lower cost than Bun with Node.js' engine."""

    name, label = "bun", "Socket.IO on Bun"
    server = (str(NODE / "node_modules/.bin/bun"), str(NODE / "bun_server.mjs"))

    @classmethod
    def missing(cls) -> str | None:
        return None if (ROOT / cls.server[0]).exists() else f"run `npm ci` in {NODE}"


class Rust(Contender):
    """socketioxide on one thread, with DAIRA's checks, limits and metrics."""

    name, label = "rust", "socketioxide (Rust)"
    server = (str(RUST),)
    publishes_by = python("bench.realtime.peers.rust_publisher")

    @classmethod
    def missing(cls) -> str | None:
        return None if (ROOT / RUST).exists() else "run `make bench-realtime`, which builds it with cargo"


class Stock(Contender):
    name, label = "stock", "python-socketio"
    server = python("bench.realtime.peers.stock_server")
    publishes_by = python("bench.realtime.peers.stock_publisher")


class StockDeflate(Stock):
    name, label = "deflate", "python-socketio, deflate"
    deflate = True


class Limit(Contender):
    """The lower limit: a loop of write(2), server and publisher in one process."""

    name, label = "limit", "bare write(2)"

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("cc") else "there is no C compiler"

    def auth(self, number: int) -> None:
        return None

    def room(self, number: int) -> str:
        return str(number)

    def join(self, number: int) -> None:
        return None

    async def start(self, nodes: int, room_size: int) -> None:
        program = self.world.folder / "write_limit"
        compile_it: list[str | Path] = ["cc", "-O2", "-o", program, ROOT / PEERS / "write_limit.c"]
        await asyncio.to_thread(lambda: subprocess.run(compile_it, check=True))
        port = free_port()
        command = [str(program), str(port), str(len(frame())), str(room_size)]
        self.publisher = Process(command, {}, SERVER_CORE, self._log("server"), speaks=True)
        self.nodes, self.ports = [self.publisher], [port]
        await self.publisher.said_ready()

    async def start_publisher(self) -> None:
        """The server itself publishes."""


ALL: tuple[type[Contender], ...] = (Ours, Node, BareNode, Bun, Rust, Stock, StockDeflate, Limit)
