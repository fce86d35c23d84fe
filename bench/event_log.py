"""`python -m bench.event_log`: events a second from the outbox through relay and event log to a reaction.

Events wait in the outbox of PostgreSQL when the clock starts; it stops when a group whose reaction does nothing has
handled all of them. One process relays, and 1, 2 or 4 consume, on all cores, with Redis Streams and with Kafka in turn.
The CPU time of each part does not depend on what else the machine does: its sum is what an event costs.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.event_worker import GROUP
from bench.realtime.processes import Process, python
from bench.realtime.world import ALL_CORES, free_port
from gateway.embedded import EmbeddedServers
from gateway.processes import migrate
from gateway.records import connect_event_log
from gateway.settings import Settings
from storage.event_log import EventLog

EVENTS = 60_000
WARM_UP = 2_000
KEYS = 500
WORKERS = (1, 2, 4)
PATIENCE_S = 300.0
ADD_EVENTS = """INSERT INTO outbox (id, topic, key, payload)
    SELECT n, 'post.created', author,
        convert_to(json_build_object('v', 1, 'post_id', n, 'author_id', author)::text, 'UTF8')
    FROM generate_series($1::bigint, $2::bigint) AS n, LATERAL (SELECT n % $3::bigint AS author) AS authors"""


class Measured(NamedTuple):
    """Events a second until all were relayed, and until all were handled; CPU of each part, in µs an event."""

    relayed: float
    handled: float
    cpu: dict[str, float]


class Rig:
    """The servers, and the processes of one measurement."""

    def __init__(self, embedded: EmbeddedServers, engine: str, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._embedded = embedded
        self._engine = engine
        self._owner = owner
        self._settings = Settings(_env_file=None, data_dir=embedded.data_dir)
        self._next_id = 1

    async def measure(self, consumers: int) -> Measured:
        relay, *workers = self._start("relay"), *(self._start(GROUP) for _ in range(consumers))
        try:
            async with connect_event_log(self._settings) as event_log:
                await self._carry(event_log, WARM_UP)
                before = self._cpu(relay, workers)
                relayed, handled = await self._carry(event_log, EVENTS)
                after = self._cpu(relay, workers)
        finally:
            await asyncio.gather(*(process.stop() for process in (relay, *workers)))
        cpu = {name: (after[name] - before[name]) / EVENTS * 1e6 for name in after}
        return Measured(EVENTS / relayed, EVENTS / handled, cpu)

    async def _carry(self, event_log: EventLog, events: int) -> tuple[float, float]:
        """Add events. Returns the seconds until all are in the log, and until all are handled."""
        first, self._next_id = self._next_id, self._next_id + events
        await self._owner.execute(ADD_EVENTS, first, first + events - 1, KEYS)
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            while await self._owner.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE sent_batch IS NULL)"):
                await asyncio.sleep(0.02)
            relayed = time.monotonic() - began
            while [each.records for each in await event_log.lags() if each.group == GROUP] != [0]:
                await asyncio.sleep(0.02)
        return relayed, time.monotonic() - began

    def _start(self, name: str) -> Process:
        settings = {
            "DAIRA_DATA_DIR": str(self._embedded.data_dir),
            "DAIRA_LOG_LEVEL": "error",
            "DAIRA_WORKER_SIDECAR_PORT": str(free_port()),
        }
        log = self._embedded.data_dir / f"{name}.log"
        return Process([*python("bench.event_worker"), name], settings, ALL_CORES, log)

    def _cpu(self, relay: Process, workers: list[Process]) -> dict[str, float]:
        """CPU seconds until now."""
        return {
            "postgres": sum(map(cpu_of, children_of(self._embedded.process_id("postgres")))),
            "log": cpu_of(self._embedded.process_id(self._engine)),
            "relay": relay.cpu,
            "workers": sum(worker.cpu for worker in workers),
        }


def cpu_of(pid: int) -> float:
    return time.clock_gettime(~pid << 3 | 2)  # the clock of another process


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def open_rig(engine: str) -> AsyncIterator[Rig]:
    """Servers of their own, with an empty outbox."""
    with tempfile.TemporaryDirectory() as folder:
        embedded = EmbeddedServers(Path(folder) / "data", kafka=engine == "kafka")
        servers = await embedded.start()
        try:
            await migrate(Settings(_env_file=None, data_dir=embedded.data_dir))
            owner = await asyncpg.connect(servers.postgres_url("daira_owner"))
            yield Rig(embedded, engine, owner)
            await owner.close()
        finally:
            await embedded.stop()
            await asyncio.to_thread(embedded.erase)


async def main() -> None:
    parts = ("postgres", "log", "relay", "workers")
    table = Table("event log", "workers", "relayed/s", "handled/s", "µs CPU", *parts, box=None)
    for engine in ("redis", "kafka"):
        async with open_rig(engine) as rig:
            for workers in WORKERS:
                found = await rig.measure(workers)
                costs = [sum(found.cpu.values()), *(found.cpu[part] for part in parts)]
                rates = (found.relayed, found.handled)
                figures = [*(f"{rate:,.0f}" for rate in rates), *(f"{cost:.0f}" for cost in costs)]
                table.add_row(engine, str(workers), *figures)
    Console().print(table)


if __name__ == "__main__":
    uvloop.run(main())
