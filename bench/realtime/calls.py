"""Call scenarios: echoes, and real calls beside the time of their SQL."""

import asyncio
import time
from typing import Any

from bench.realtime import frames
from bench.realtime.contenders import BareNode, Bun, Node, Ours, Rust, Stock
from bench.realtime.load import LoadError
from bench.realtime.scenario import Figure, Scenario, Values, quantile
from bench.realtime.stage import Stage
from bench.realtime.statements import RealCall, open_handlers, real_calls

ECHOES = {"wide": (200, 1), "deep": (50, 8)}  # connections, calls under way on each


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


async def calls_beside_sql(stage: Stage) -> Values:
    """One client makes one call at a time. Their statements are timed alone. Raises LoadError if answers differ."""
    await stage.connect(1)
    values: Values = {}
    async with open_handlers(stage.world.folder, stage.world.users[0]) as handlers:
        for key, call in real_calls(stage.world.users).items():
            ran = [await handlers.run(call) for _ in range(stage.sizes.calls)]
            answer = await stage.crowd.sockets[0].call(*call)
            if _shape(answer) != _shape(ran[0].answer):
                raise LoadError(f"{call.method} answers otherwise than DAIRA: {answer}")
            values |= await _call(stage, key, call)
            values[f"{key}_sql"] = quantile([each.seconds for each in ran], 0.5) * 1_000
    return values


async def ranked_feed(stage: Stage) -> Values:
    await stage.connect(1)
    return await _call(stage, "ranked", RealCall("feed.get", {"mode": "ranked"}))


async def _call(stage: Stage, key: str, call: RealCall) -> Values:
    """Return the server's CPU time for each call, in µs, and the median duration, in ms."""
    [reader] = stage.crowd.sockets
    for _ in range(stage.sizes.calls):  # compilers take hundreds of calls to warm up
        await reader.call(*call)
    cpu, durations = stage.contender.cpu, []
    for _ in range(stage.sizes.calls):
        began = time.perf_counter()
        await reader.call(*call)
        durations.append((time.perf_counter() - began) * 1_000)
    cpu = (stage.contender.cpu - cpu) / stage.sizes.calls
    return {f"{key}_cpu": cpu * 1e6, f"{key}_p50": quantile(durations, 0.5)}


def _shape(value: Any) -> Any:
    """Return the value with types in the place of numbers and texts, which may differ."""
    match value:
        case dict():
            return {name: _shape(inner) for name, inner in value.items()}
        case list():
            return [_shape(inner) for inner in value]
    return type(value)


def _figures(key: str, what: str) -> tuple[Figure, Figure]:
    return Figure(f"{key}_cpu", what, "µs of CPU a call"), Figure(f"{key}_p50", f"{what}, p50", "ms")


_REAL = {"latest": "feed.get, latest", "create": "post.create", "user": "user.get"}

SCENARIOS = (
    Scenario(
        "echo",
        "An echo",
        [
            Figure(key, f"echo, {connections} connections × {depth} under way", "µs of CPU a call")
            for key, (connections, depth) in ECHOES.items()
        ],
        (Ours, Node, BareNode, Bun, Rust, Stock),
        echo,
    ),
    Scenario(
        "calls",
        "Real calls",
        [
            figure
            for key, what in _REAL.items()
            for figure in (*_figures(key, what), Figure(f"{key}_sql", f"{what}: its SQL alone, p50", "ms", ratio=False))
        ],
        (Ours, Node),
        calls_beside_sql,
    ),
    Scenario("ranked-feed", "A ranked feed", _figures("ranked", "feed.get, ranked"), (Ours,), ranked_feed),
)
