"""Call scenarios: echoes, against the peers, and the cost of DAIRA's real calls."""

import asyncio
import time

from bench.realtime import frames
from bench.realtime.contenders import BareNode, Node, Ours, Stock
from bench.realtime.scenario import Figure, Scenario, Values, quantile
from bench.realtime.stage import Stage

ECHOES = {"wide": (200, 1), "deep": (50, 8)}  # connections, calls under way on each
WARM_UP_CALLS = 20


async def echo(stage: Stage) -> Values:
    values = {}
    for key, (connections, depth) in ECHOES.items():
        await stage.connect(connections)
        await stage.settle()
        values[key] = await _echo(stage, depth)
        stage.crowd.close()
        await stage.settle()
    return values


async def _echo(stage: Stage, depth: int) -> float:
    """Return the server's CPU time for each call, in µs."""
    calls = [frames.call(number, "system.ping", {}) for number in range(depth)]
    for socket in stage.crowd.sockets:
        socket.echo(calls)
    await asyncio.sleep(stage.sizes.warm_up)
    cpu, answered = stage.contender.cpu, stage.crowd.counts.frames
    await asyncio.sleep(stage.sizes.seconds)
    return (stage.contender.cpu - cpu) / (stage.crowd.counts.frames - answered) * 1e6


async def real_calls(stage: Stage) -> Values:
    """One client makes one call at a time."""
    await stage.connect(1)
    [reader] = stage.crowd.sockets
    values = {}
    for key, method, argument in (
        ("ranked", "feed.get", {"mode": "ranked"}),
        ("latest", "feed.get", {"mode": "latest"}),
        ("create", "post.create", {"text": "صباح الخير يا مصر #tag"}),
    ):
        for _ in range(WARM_UP_CALLS):
            await reader.call(method, argument)
        cpu, durations = stage.contender.cpu, []
        for _ in range(stage.sizes.calls):
            began = time.perf_counter()
            await reader.call(method, argument)
            durations.append((time.perf_counter() - began) * 1_000)
        values[f"{key}_cpu"] = (stage.contender.cpu - cpu) / stage.sizes.calls * 1e6
        values[f"{key}_p50"] = quantile(durations, 0.5)
    return values


_REAL = {"ranked": "feed.get, ranked", "latest": "feed.get, latest", "create": "post.create"}

SCENARIOS = (
    Scenario(
        "echo",
        "An echo",
        [
            Figure(key, f"echo, {connections} connections × {depth} under way", "µs of CPU a call")
            for key, (connections, depth) in ECHOES.items()
        ],
        (Ours, Node, BareNode, Stock),
        echo,
    ),
    Scenario(
        "calls",
        "Real calls",
        [
            figure
            for key, what in _REAL.items()
            for figure in (Figure(f"{key}_cpu", what, "µs of CPU a call"), Figure(f"{key}_p50", f"{what}, p50", "ms"))
        ],
        (Ours,),
        real_calls,
    ),
)
