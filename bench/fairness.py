"""`python -m bench.fairness`: how one abuser, within all limits, changes another user's latency.

The victim calls `post.get` at a steady pace, in turn alone and while one account keeps 20 sockets busy
(`bench.abuser`). A node with the default limits has one core; PostgreSQL, Redis and the load share the other. Nothing
is asserted: the machine is noisy, so compare the ratios, with their 95 % bootstrap intervals over pairs of turns. The
turns are short, so that the noise is the same in both.
"""

import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain
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
TURNS = 24
RESAMPLES = 1_000
PEOPLE = 102


class DefaultLimits(Ours):
    def settings(self, port: int) -> dict[str, str]:
        settings = super().settings(port)
        return {name: value for name, value in settings.items() if not name.startswith("DAIRA_LIMIT_")}


class Turns(NamedTuple):
    """How many milliseconds each successful call of the victim took, by turn."""

    alone: list[list[float]]
    beside: list[list[float]]


async def measure(contender: Ours, kind: str, argument: dict[str, Any]) -> Turns:
    """Measure the victim alone and beside the abuser, in turn."""
    await contender.start(1, 0)
    victim, turns = Crowd(), Turns([], [])
    try:
        await victim.connect(contender.ports, [contender.auth(1)])
        await _calls(contender, victim, 1.0)
        async with _abuser(contender, kind, argument) as abuser:
            for side in turns * TURNS:
                side.append(await _calls(contender, victim, SECONDS))
                abuser.write("begin or stop")
                await asyncio.sleep(SETTLE_S)
    finally:
        for socket in victim.sockets:
            socket.close()
        await contender.stop()
    return turns


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


def _quantile(side: Iterable[list[float]], share: float) -> float:
    return quantile([*chain.from_iterable(side)], share)


def _ratio(turns: Turns, share: float) -> str:
    """The quantile beside the abuser, divided by that alone, with the interval that resampled pairs of turns give."""
    pairs, choose = list(zip(turns.alone, turns.beside, strict=True)), random.Random(0).choices
    ratio, *resampled = (
        _quantile((beside for _, beside in sample), share) / _quantile((alone for alone, _ in sample), share)
        for sample in (pairs, *(choose(pairs, k=len(pairs)) for _ in range(RESAMPLES)))
    )
    return f"{ratio:.2f} x ({quantile(resampled, 0.025):.2f}–{quantile(resampled, 0.975):.2f})"


async def main() -> None:
    table = Table("the abuser calls", "victim alone, p50 / p95 ms", "beside it", "p50", "p95", "victim's calls refused")
    with tempfile.TemporaryDirectory(prefix="daira-fairness-") as folder:
        async with open_world(Path(folder), PEOPLE, 1, 2) as world:
            abuses: dict[str, dict[str, Any]] = {
                "user.list": {"user_ids": [str(user) for user in world.users[:100]]},
                "feed.get": {"mode": "ranked", "limit": 100},
                "system.methods": {},
                "system.ping": {},
            }
            for kind, argument in abuses.items():
                turns = await measure(DefaultLimits(world), kind, argument)
                asked = TURNS * int(SECONDS * VICTIM_PER_S)
                table.add_row(
                    kind,
                    *(f"{_quantile(side, 0.5):.1f} / {_quantile(side, 0.95):.1f}" for side in turns),
                    _ratio(turns, 0.5),
                    _ratio(turns, 0.95),
                    str(asked - sum(map(len, turns.beside))),
                )
    Console(width=120).print(table)


if __name__ == "__main__":
    uvloop.run(main())
