"""`python -m bench.tracing`: what traces cost, in CPU time of a gateway node and of its workers for each call.

Four nodes take turns: without tracing, and with 0 %, 1 % and 100 % of the traces sampled and sent to a collector. A
reader on the same node follows each author, so that a post runs through outbox, event log and worker to a push. The
least of several rounds is shown: other work on the machine only adds. Nothing is asserted.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime import frames
from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd
from bench.realtime.processes import Process
from bench.realtime.world import ALL_CORES, World, open_world
from storage import seeding
from tests.tracing.collector import Collector, collecting

ROUNDS = 5
ROUNDS_OF_WORKERS = 2  # each starts new ones
PAIRS = 10  # of an author and a reader
AT_ONCE = 5
PATIENCE_S = 120.0
SHARES = {"off": None, "0 %": 0.0, "1 %": 0.01, "100 %": 1.0}
CALLS: Mapping[str, tuple[int, dict[str, Any]]] = {
    "system.ping": (1_000, {}),
    "feed.get": (150, {"mode": "latest"}),
    "post.create": (150, {"text": "a post"}),
}
OF_WORKERS = "post.create, in the workers"

Least = dict[str, dict[str, float]]  # CPU time of a call in µs, by what it is and by variant


class Variant(Ours):
    server_cores = load_cores = ALL_CORES

    def __init__(self, world: World, collector: Collector, share: float | None) -> None:
        super().__init__(world)
        self.crowd = Crowd()
        self.pushes = 0
        self._tracing = (
            {} if share is None else {"DAIRA_TRACE_ENDPOINT": collector.url, "DAIRA_TRACE_SAMPLE": str(share)}
        )

    def settings(self, port: int) -> dict[str, str]:
        return {**super().settings(port), **self._tracing, "DAIRA_SHED_DELAY": "60"}

    async def connect(self) -> None:
        """The first sockets are of authors, the others of their readers."""
        await self.start(1, 0)
        await self.crowd.connect(self.ports, [self.auth(number) for number in range(2 * PAIRS)])
        for socket in self.crowd.sockets[PAIRS:]:
            socket.listen(self._hear)

    async def arrived(self, pushes: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.pushes < pushes:
                await asyncio.sleep(0.01)

    def _hear(self, packet: dict[str, Any]) -> None:
        if packet["type"] == frames.EVENT and packet["data"][0] == "feed.added":
            self.pushes += 1


async def follow(world: World) -> None:
    owner = await asyncpg.connect(world.servers.postgres_url("daira_owner"))
    try:
        async with owner.transaction():
            await seeding.insert_follows(owner, [(world.users[PAIRS + n], world.users[n]) for n in range(PAIRS)])
    finally:
        await owner.close()


@asynccontextmanager
async def open_variants(world: World, collector: Collector) -> AsyncIterator[dict[str, Variant]]:
    variants = {name: Variant(world, collector, share) for name, share in SHARES.items()}
    try:
        for variant in variants.values():
            await variant.connect()
        yield variants
    finally:
        for variant in variants.values():
            variant.crowd.close()
            await variant.stop()


async def cost(process: Process, variant: Variant, method: str) -> float:
    """Make calls, and return the CPU time of the process for each, in µs."""
    amount, argument = CALLS[method]
    pushes = variant.pushes + (amount if method == "post.create" else 0)
    before = process.cpu
    await variant.crowd.call_each([(number % PAIRS, method, argument) for number in range(amount)], AT_ONCE)
    await variant.arrived(pushes)
    return (process.cpu - before) / amount * 1_000_000


async def measure_nodes(variants: Mapping[str, Variant], least: Least) -> None:
    """All use the same workers, which trace what is sampled."""
    by = variants["0 %"]
    await by.start_workers()
    for number in range(-1, ROUNDS):  # the first warms up
        for name in _turned(list(variants), number):
            for method in CALLS:
                took = await cost(variants[name].nodes[0], variants[name], method)
                if number >= 0:
                    least[method][name] = min(took, least[method].get(name, took))
    assert by.workers is not None
    await by.workers.stop()


async def measure_workers(variants: Mapping[str, Variant], least: Least) -> None:
    for number in range(ROUNDS_OF_WORKERS):
        for name in _turned(list(variants), number):
            variant = variants[name]
            await variant.start_workers()
            assert variant.workers is not None
            await cost(variant.workers, variant, "post.create")  # waits until they work
            took = await cost(variant.workers, variant, "post.create")
            least[OF_WORKERS][name] = min(took, least[OF_WORKERS].get(name, took))
            await variant.workers.stop()


def _turned(names: Sequence[str], by: int) -> list[str]:
    by %= len(names)
    return [*names[by:], *names[:by]]


async def main() -> None:
    least: Least = {what: {} for what in (*CALLS, OF_WORKERS)}
    table = Table("CPU µs a call", *(f"sampled: {name}" if name != "off" else "off" for name in SHARES))
    with tempfile.TemporaryDirectory(prefix="daira-tracing-") as folder:
        async with open_world(Path(folder), 2 * PAIRS, 1, 2 * PAIRS, ALL_CORES) as world, collecting() as collector:
            await follow(world)
            async with open_variants(world, collector) as variants:
                await measure_nodes(variants, least)
                await measure_workers(variants, least)
    for what, by_variant in least.items():
        off = by_variant["off"]
        costs = [f"{by_variant[name]:.0f} ({by_variant[name] / off - 1:+.1%})" for name in SHARES if name != "off"]
        table.add_row(what, f"{off:.0f}", *costs)
    console = Console(width=120)
    console.print(table)
    console.print(f"{len(collector.spans):,} spans arrived at the collector")


if __name__ == "__main__":
    uvloop.run(main())
