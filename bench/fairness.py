"""`python -m bench.fairness`: how one abuser, within all limits, changes another user's latency.

The victim calls `post.get` at a steady pace, in turn alone and while one account keeps 20 sockets busy
(`bench.abuser`). A node with the default limits has one core; PostgreSQL, Redis and the load share the other. Nothing
is asserted: the machine is noisy, so compare the ratio. The turns are short, so that the noise is the same in both.
"""

import asyncio
import json
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
SECONDS = 1.5  # of a turn
SETTLE_S = 1.0  # for the abuser's last calls, and its rests
TURNS = 16
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
    victim, alone, beside = Crowd(), list[float](), list[float]()
    try:
        await victim.connect(contender.ports, [contender.auth(1)])
        await _calls(contender, victim, 1.0)
        async with _abuser(contender, kind, argument) as abuser:
            for took in (alone, beside) * TURNS:
                took += await _calls(contender, victim, SECONDS)
                abuser.write("begin or stop")
                await asyncio.sleep(SETTLE_S)
    finally:
        for socket in victim.sockets:
            socket.close()
        await contender.stop()
    return _latency(alone), _latency(beside)


def _latency(took: list[float]) -> Latency:
    asked = TURNS * int(SECONDS * VICTIM_PER_S)
    return Latency(quantile(took, 0.5), quantile(took, 0.95), asked - len(took))


async def _calls(contender: Ours, victim: Crowd, seconds: float) -> list[float]:
    """Return the milliseconds of each call that succeeded."""
    call = (0, "post.get", {"post_id": contender.room(0)})
    return (await victim.call_at_pace([call] * int(seconds * VICTIM_PER_S), VICTIM_PER_S)).took


@asynccontextmanager
async def _abuser(contender: Ours, method: str, argument: dict[str, Any]) -> AsyncIterator[Process]:
    log = contender.world.folder / "abuser.log"
    process = Process((*python("bench.abuser"), str(contender.ports[0])), {}, LOAD_CORE, log, speaks=True)
    try:
        process.write(json.dumps({"auth": contender.auth(0), "method": method, "argument": argument}))
        await process.said_ready()
        yield process
    finally:
        await process.stop()


async def main() -> None:
    table = Table("the abuser calls", "victim alone, p50 / p95 ms", "beside it", "ratios", "victim's calls refused")
    with tempfile.TemporaryDirectory(prefix="daira-fairness-") as folder:
        async with open_world(Path(folder), PEOPLE, 1, 2) as world:
            abuses: dict[str, dict[str, Any]] = {
                "user.list": {"user_ids": [str(user) for user in world.users[:100]]},
                "feed.get": {"mode": "ranked", "limit": 100},
                "system.methods": {},
                "system.ping": {},
            }
            for kind, argument in abuses.items():
                sides = await measure(DefaultLimits(world), kind, argument)
                alone, beside = sides
                table.add_row(
                    kind,
                    *(f"{side.p50:.1f} / {side.p95:.1f}" for side in sides),
                    f"{beside.p50 / alone.p50:.2f} x / {beside.p95 / alone.p95:.2f} x",
                    str(beside.refused),
                )
    Console(width=120).print(table)


if __name__ == "__main__":
    uvloop.run(main())
