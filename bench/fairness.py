"""`python -m bench.fairness`: how one abuser, within all limits, changes another user's latency.

The victim calls `post.get` at a steady pace, first alone, then while one account keeps 20 sockets busy
(`bench.abuser`). A node with the default limits has one core; PostgreSQL, Redis and the load share the other. Nothing
is asserted: the machine is noisy, so compare the ratio.
"""

import json
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd
from bench.realtime.processes import Process, python
from bench.realtime.scenario import quantile
from bench.realtime.world import LOAD_CORE, open_world

VICTIM_PER_S = 40
SECONDS = 5.0
ROUNDS = 3
PEOPLE = 102


class DefaultLimits(Ours):
    def settings(self, port: int) -> dict[str, str]:
        settings = super().settings(port)
        return {name: value for name, value in settings.items() if not name.startswith("DAIRA_LIMIT_")}


class Latency(NamedTuple):
    """Milliseconds."""

    p50: float
    p95: float
    refused: int


async def measure(contender: Ours, kind: str, argument: dict[str, Any]) -> tuple[Latency, Latency]:
    """Return the victim's latency alone, and beside the abuser."""
    await contender.start(1, 0)
    victim = Crowd()
    try:
        await victim.connect(contender.ports, [contender.auth(1)])
        await _calls(contender, victim, 1.0)
        alone = await _calls(contender, victim, SECONDS)
        async with _abuser(contender, kind, argument):
            beside = await _calls(contender, victim, SECONDS)
    finally:
        for socket in victim.sockets:
            socket.close()
        await contender.stop()
    return alone, beside


async def _calls(contender: Ours, victim: Crowd, seconds: float) -> Latency:
    call = (0, "post.get", {"post_id": contender.room(0)})
    answers = await victim.call_at_pace([call] * int(seconds * VICTIM_PER_S), VICTIM_PER_S)
    took = answers.took
    return Latency(quantile(took, 0.5), quantile(took, 0.95), int(seconds * VICTIM_PER_S) - len(took))


@asynccontextmanager
async def _abuser(contender: Ours, method: str, argument: dict[str, Any]) -> AsyncIterator[None]:
    log = contender.world.folder / "abuser.log"
    process = Process((*python("bench.abuser"), str(contender.ports[0])), {}, LOAD_CORE, log, speaks=True)
    try:
        process.write(json.dumps({"auth": contender.auth(0), "method": method, "argument": argument}))
        await process.said_ready()
        yield
    finally:
        await process.stop()


async def main() -> None:
    table = Table(
        "the abuser calls", "victim alone, p50 / p95 ms", "beside it", "ratio of p95", "victim's calls refused"
    )
    with tempfile.TemporaryDirectory(prefix="daira-fairness-") as folder:
        async with open_world(Path(folder), PEOPLE, 1, 2) as world:
            abuses: dict[str, dict[str, Any]] = {
                "user.list": {"user_ids": [str(user) for user in world.users[:100]]},
                "feed.get": {"mode": "ranked", "limit": 100},
                "system.methods": {},
                "system.ping": {},
            }
            for kind, argument in abuses.items():
                rounds = [await measure(DefaultLimits(world), kind, argument) for _ in range(ROUNDS)]
                ratio = statistics.median(beside.p95 / alone.p95 for alone, beside in rounds)
                refused = sum(beside.refused for _, beside in rounds)
                shown = [
                    " / ".join(f"{statistics.median(each[field] for each in side):.1f}" for field in (0, 1))
                    for side in zip(*rounds, strict=True)
                ]
                table.add_row(kind, *shown, f"{ratio:.2f} x", str(refused))
    Console(width=120).print(table)


if __name__ == "__main__":
    uvloop.run(main())
