"""One contender with its crowd, and the ways to publish to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.realtime.contenders import Contender
from bench.realtime.load import Crowd, LoadError
from bench.realtime.processes import settled
from bench.realtime.world import World

BUSY = 0.5  # of a core: the server's load at a moderate rate
FIRST_DELIVERIES = 2_000.0  # a second: the first trial of a server
MOST_DELIVERIES = 90_000.0  # a second: the most that the load generator can count
TICK_S = 0.002
FIRST_SOCKETS = 300  # connected before memory is measured
BACKLOG = 64  # messages under way at saturation
BACKLOG_DELIVERIES = 160_000
PATIENCE_S = 30.0
SETTLE_S = 5.0  # some servers are never idle while thousands are connected
ON_STAGE = 4  # of a live room: its host and the speakers

Publish = Callable[[int], None]


@dataclass(frozen=True)
class Sizes:
    hot: int
    hottest: int
    rooms: int
    users: int
    idle: int
    crowds: tuple[int, ...]
    storm: int
    calls: int
    audiences: tuple[int, ...]
    joins: int
    messages: int
    listeners: int
    joining: float
    watched: int
    seconds: float
    warm_up: float

    @property
    def people(self) -> int:
        return max(
            self.hot + 1, self.hottest, self.rooms, self.users, self.idle + FIRST_SOCKETS, self.storm, *self.crowds,
            self.audiences[-1] + self.joins + 1, self.listeners + ON_STAGE, self.watched + 1,
        )  # fmt: skip


FULL = Sizes(
    1_000, 10_000, 1_000, 1_000, 5_000, (1_000, 5_000, 15_000), 5_000, 300,
    audiences=(10, 100, 1_000, 10_000), joins=300, messages=200, listeners=5_000, joining=30.0, watched=200,
    seconds=5.0, warm_up=2.0,
)  # fmt: skip
QUICK = Sizes(
    100, 200, 50, 60, 200, (100, 200), 100, 20,
    audiences=(10, 30, 100), joins=30, messages=20, listeners=60, joining=1.0, watched=20, seconds=0.5, warm_up=0.2,
)  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """The servers' cost of a period of publishing."""

    cpu: float
    seconds: float
    messages: int
    frames: int
    reads: int

    @property
    def per_cpu_second(self) -> float:
        return self.frames / self.cpu

    @property
    def busy(self) -> float:
        """Per cent of a core. Well below 100 at saturation, the server is not the bottleneck."""
        return self.cpu / self.seconds * 100

    @property
    def frames_per_read(self) -> float:
        return self.frames / self.reads


class Stage:
    def __init__(self, contender: Contender, world: World, sizes: Sizes) -> None:
        self.contender = contender
        self.world = world
        self.sizes = sizes
        self.crowd = Crowd()

    async def connect(self, amount: int, first: int = 0, *, node: int | None = None) -> None:
        """Open `amount` sockets, to all nodes in turn or to one. first: the number of the first user."""
        ports = self.contender.ports if node is None else [self.contender.ports[node]]
        auths = map(self.contender.auth, range(first, first + amount))
        await self.crowd.connect(ports, auths, deflate=self.contender.deflate)

    async def join(self, rooms: list[tuple[int, int]]) -> None:
        """Join rooms. rooms: number of the socket, number of the room."""
        joins = [(number, self.contender.join(room)) for number, room in rooms]
        await self.crowd.call_each((number, *join) for number, join in joins if join is not None)

    async def delivered(self, frames: int) -> None:
        """Wait until the crowd has received `frames` in total. Raises LoadError."""
        counts, deadline = self.crowd.counts, time.perf_counter() + PATIENCE_S
        while counts.frames < frames:
            if time.perf_counter() > deadline or counts.lost:
                raise LoadError(f"{frames - counts.frames:,} pushes did not arrive, {counts.lost} sockets were lost")
            await asyncio.sleep(TICK_S / 4)

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing has arrived for `seconds` and the servers are idle. Raises LoadError."""
        counts, deadline = self.crowd.counts, time.perf_counter() + PATIENCE_S
        frames = -1
        while frames != counts.frames:
            if time.perf_counter() > deadline:
                raise LoadError("pushes do not stop")
            frames = counts.frames
            await asyncio.sleep(seconds)
        await self.settle()

    async def settle(self, patience: float = SETTLE_S) -> None:
        await settled(self.contender.nodes, patience)

    def to_rooms(self, numbers: list[int]) -> Publish:
        """Return a function that publishes to these rooms in turn."""
        names = [self.contender.room(number) for number in numbers]
        position = 0

        def publish(amount: int) -> None:
            nonlocal position
            chosen = [names[(position + step) % len(names)] for step in range(amount)]
            position = (position + amount) % len(names)
            self.contender.publish(" ".join(("room", *chosen)))

        return publish

    def to_users(self, amount: int) -> Publish:
        line = " ".join(("users", *map(str, self.world.users[:amount])))

        def publish(amount: int) -> None:
            for _ in range(amount):
                self.contender.publish(line)

        return publish

    async def moderate(self, publish: Publish, members: int) -> Delivered:
        """Publish at a rate that leaves the server half idle, so that each frame is a write of its own."""
        rate = max(FIRST_DELIVERIES / members, 4.0)
        for _ in range(2):
            trial = await self.at_rate(publish, members, rate, self.sizes.warm_up)
            rate = min(BUSY * trial.messages / trial.cpu, MOST_DELIVERIES / members)
        return await self.at_rate(publish, members, rate, self.sizes.seconds)

    async def at_rate(self, publish: Publish, members: int, rate: float, seconds: float) -> Delivered:
        """Publish for `seconds`, and wait until everything has been delivered. Raises LoadError."""
        ended = self._measure()
        began, sent = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds or not sent:
            due = int(elapsed * rate) + 1 - sent
            if due > 0:
                publish(due)
                sent += due
            await asyncio.sleep(max(sent / rate - (time.perf_counter() - began), TICK_S))
        delivered = ended(sent)
        deadline = time.perf_counter() + PATIENCE_S
        while delivered.frames < sent * members:
            if time.perf_counter() > deadline or self.crowd.counts.lost:
                raise LoadError(
                    f"{delivered.frames:,} of {sent * members:,} arrived, {self.crowd.counts.lost} sockets were lost"
                )
            await asyncio.sleep(TICK_S)
            delivered = ended(sent)
        return delivered

    async def saturated(self, publish: Publish, members: int) -> Delivered:
        """Publish at full speed, with a bounded number of messages under way."""
        backlog = max(min(BACKLOG, BACKLOG_DELIVERIES // members), 2)
        counts, sent = self.crowd.counts, 0
        at_start = counts.frames
        began, measured = time.perf_counter(), self._measure()
        warm = False
        while (elapsed := time.perf_counter() - began) < self.sizes.warm_up + self.sizes.seconds:
            if not warm and elapsed > self.sizes.warm_up:
                warm, measured = True, self._measure()
            room = backlog - (sent - (counts.frames - at_start) // members)
            if room > 0:
                publish(room)
                sent += room
            await asyncio.sleep(TICK_S / 2)
        return measured(0)

    def _measure(self) -> Callable[[int], Delivered]:
        """Start measuring. Returns the function that ends it, called with the number of messages."""
        counts = self.crowd.counts
        began, cpu, frames, reads = time.perf_counter(), self.contender.cpu, counts.frames, counts.reads

        def ended(messages: int) -> Delivered:
            return Delivered(
                self.contender.cpu - cpu,
                time.perf_counter() - began,
                messages,
                counts.frames - frames,
                max(counts.reads - reads, 1),
            )

        return ended


@asynccontextmanager
async def on_stage(
    contender: Contender,
    world: World,
    sizes: Sizes,
    *,
    nodes: int = 1,
    room_size: int = 1,
    publishes: bool = False,
    works: bool = False,
) -> AsyncIterator[Stage]:
    stage = Stage(contender, world, sizes)
    try:
        await contender.start(nodes, room_size)
        if publishes:
            await contender.start_publisher()
        if works:
            await contender.start_workers()
        yield stage
    finally:
        stage.crowd.close()
        await asyncio.sleep(0)
        await contender.stop()
