"""`python -m bench.overload`: what a node does when it is offered several times the load that it can serve.

Some users first call as fast as they are answered, which gives the peak. Then they call at a pace, at multiples of the
peak: views, reactions, posts that they load, and feeds. First they wait after a refusal as they are told, then they
ignore it. A node with one core; the
load, PostgreSQL and Redis share the other. Nothing is asserted: the machine is noisy, so compare the ratios, also for
each second of the node's CPU.
"""

import asyncio
import itertools
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime import frames
from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd, Socket
from bench.realtime.scenario import quantile
from bench.realtime.world import World, open_world

USERS = 200
SECONDS, WARM_UP_S = 8.0, 4.0
OFFERED = (
    (0.5, True),
    (1, True),
    (2, True),
    (8, True),
    (2, False),
    (4, False),
    (8, False),
)  # times the peak, and whether they wait
LAST_ANSWERS_S = 3.0
TICK_S = 0.01
AT_PEAK = 40  # users whose calls are under way at a time: enough to keep the node busy, and too few for a queue
IDS = 1_000  # of calls under way on a connection


@dataclass
class Answered:
    """The answers of one phase."""

    took: list[float] = field(default_factory=list)  # ms, of calls that succeeded
    served: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # by code
    untold: int = 0  # refusals without retry_after_ms
    seconds: float = 0.0
    cpu: float = 0.0  # s, of the node

    @property
    def served_per_s(self) -> float:
        return sum(self.served.values()) / self.seconds

    @property
    def served_per_cpu_s(self) -> float:
        return sum(self.served.values()) / self.cpu


class LimitedCalls(Ours):
    """Limits as they are by default, but those that methods declare."""

    def settings(self, port: int) -> dict[str, str]:
        settings = super().settings(port)
        for name in ("CALLS", "WORK"):
            del settings[f"DAIRA_LIMIT_{name}"]
        return settings


class Caller:
    """One user's connection."""

    def __init__(self, socket: Socket, calls: dict[str, tuple[str, dict[str, Any]]]) -> None:
        self.phase = Answered()
        self.is_closed_loop = False
        self.waits = False
        self._waits_until = 0.0
        self._socket = socket
        self._frames = {kind: [frames.call(number, *call) for number in range(IDS)] for kind, call in calls.items()}
        self._kinds = itertools.cycle(calls)
        self._numbers = itertools.cycle(range(IDS))
        self._under_way: dict[int, tuple[str, float, Answered]] = {}
        socket.listen(self._packet)

    def call(self) -> None:
        """Call, unless the user waits."""
        if self.waits and time.perf_counter() < self._waits_until:
            return
        kind, number = next(self._kinds), next(self._numbers)
        self.phase.asked[kind] += 1
        self._under_way[number] = (kind, time.perf_counter(), self.phase)
        if not self._socket.is_closing:
            self._socket.write(self._frames[kind][number])

    def _packet(self, packet: dict[str, Any]) -> None:
        if packet["type"] != frames.ACK or packet["id"] not in self._under_way:
            return
        kind, began, phase = self._under_way.pop(packet["id"])
        answer = packet["data"][0]
        if answer["ok"]:
            phase.served[kind] += 1
            phase.took.append((time.perf_counter() - began) * 1_000)
        else:
            phase.refused[answer["error"]["code"]] += 1
            phase.untold += "retry_after_ms" not in answer["error"]
            self._waits_until = time.perf_counter() + answer["error"].get("retry_after_ms", 1_000) / 1_000
        if self.is_closed_loop:
            wait_ms = 0 if answer["ok"] else answer["error"].get("retry_after_ms", 1_000)
            asyncio.get_running_loop().call_later(wait_ms / 1_000, self.call)


def _calls(world: World) -> dict[str, tuple[str, dict[str, Any]]]:
    post = str(world.posts[0])
    return {
        "minor": ("view.report", {"views": [{"post_id": post, "dwell_ms": 5_000}]}),
        "write": ("reaction.set", {"target_type": "post", "target_id": post, "kind": "like"}),
        "read": ("post.get", {"post_id": post}),
        "feed": ("feed.get", {"mode": "latest", "limit": 20}),
    }


async def _peak(node: Ours, callers: list[Caller]) -> Answered:
    """Let some users wait for every answer before they call again."""
    for caller in callers[:AT_PEAK]:
        caller.is_closed_loop = True
        caller.call()
    phase = await _measure(node, callers)
    for caller in callers:
        caller.is_closed_loop = False
    await asyncio.sleep(LAST_ANSWERS_S)
    return phase


async def _at_pace(node: Ours, callers: list[Caller], per_second: float) -> Answered:
    """Offer that load, answered or not."""
    pacing = asyncio.create_task(_pace(callers, per_second))
    phase = await _measure(node, callers)
    pacing.cancel()
    await asyncio.sleep(LAST_ANSWERS_S)
    return phase


async def _measure(node: Ours, callers: list[Caller]) -> Answered:
    await asyncio.sleep(WARM_UP_S)
    phase = _new_phase(callers)
    began, cpu = time.perf_counter(), node.cpu
    await asyncio.sleep(SECONDS)
    phase.seconds, phase.cpu = time.perf_counter() - began, node.cpu - cpu
    _new_phase(callers)
    return phase


async def _pace(callers: list[Caller], per_second: float) -> None:
    began, sent, turn = time.perf_counter(), 0, itertools.cycle(callers)
    while True:
        due = int((time.perf_counter() - began) * per_second)
        for caller in itertools.islice(turn, due - sent):
            caller.call()
        sent = due
        await asyncio.sleep(TICK_S)


def _new_phase(callers: list[Caller]) -> Answered:
    phase = Answered()
    for caller in callers:
        caller.phase = phase
    return phase


async def main() -> None:
    table = Table("offered", "calls/s", "served/s", "of the peak", "per CPU s, of the peak", "p50 / p95 ms of served",
                  "served by class", "refused")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="daira-overload-") as folder:
        async with open_world(Path(folder), USERS, 1, USERS) as world:
            node = LimitedCalls(world)
            await node.start(1, 0)
            os.nice(5)  # the load waits rather than the servers
            crowd = Crowd()
            try:
                await crowd.connect(node.ports, [node.auth(number) for number in range(USERS)])
                callers = [Caller(socket, _calls(world)) for socket in crowd.sockets]
                peak = await _peak(node, callers)
                _add(table, "as answered", peak, peak)
                for times, waits in OFFERED:
                    for caller in callers:
                        caller.waits = waits
                    phase = await _at_pace(node, callers, times * peak.served_per_s)
                    _add(table, f"{times:g} x{'' if waits else ', ignoring'}", phase, peak)
            finally:
                crowd.close()
                await node.stop()
    Console(width=170).print(table)


def _add(table: Table, offered: str, phase: Answered, peak: Answered) -> None:
    p50, p95 = (quantile(phase.took, share) if phase.took else 0.0 for share in (0.5, 0.95))
    shares = ", ".join(f"{kind} {phase.served[kind] / asked:.0%}" for kind, asked in sorted(phase.asked.items()))
    refused = ", ".join(f"{code} {amount / phase.seconds:.0f}/s" for code, amount in phase.refused.items())
    table.add_row(
        offered,
        f"{sum(phase.asked.values()) / phase.seconds:.0f}",
        f"{phase.served_per_s:.0f}",
        f"{phase.served_per_s / peak.served_per_s:.2f}",
        f"{phase.served_per_cpu_s / peak.served_per_cpu_s:.2f}",
        f"{p50:.0f} / {p95:.0f}",
        shares,
        refused + (f" ({phase.untold} without retry_after_ms)" if phase.untold else ""),
    )


if __name__ == "__main__":
    uvloop.run(main())
