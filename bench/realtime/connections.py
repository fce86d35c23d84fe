"""Connection scenarios: memory, connecting and disconnecting, and a reconnect storm."""

import asyncio
import time
from typing import Any

from bench.realtime.contenders import BareNode, Bun, Node, Ours, Rust, Stock, StockDeflate
from bench.realtime.frames import CONNECT, EVENT
from bench.realtime.load import Crowd, LoadError
from bench.realtime.scenario import Figure, Scenario, Values
from bench.realtime.stage import FIRST_SOCKETS, FULL, Stage
from bench.realtime.tick import EVENT as TICK

COLLECT_S = 1.0
WARM_UP_SOCKETS = 200
MISSED = 5
GOING_S = 300.0
LATER_S = 10.0  # presence, for one, waits 5 s for users to return
STORM_AT_ONCE = 200
STORM_S = 60.0


async def idle_memory(stage: Stage) -> Values:
    """The first connections are not counted: they fill pools and caches that the others share."""
    first, more = FIRST_SOCKETS, stage.sizes.idle
    await stage.connect(first)
    before = await _resident(stage)
    await stage.connect(more, first)
    return {"memory": (await _resident(stage) - before) / more / 1024}


async def _resident(stage: Stage) -> int:
    await stage.settle()
    stage.contender.collect_garbage()
    await asyncio.sleep(COLLECT_S)
    return stage.contender.nodes[0].memory


async def coming_and_going(stage: Stage) -> Values:
    values = {}
    await stage.connect(WARM_UP_SOCKETS)
    await _disconnect_all(stage)
    for number, crowd in enumerate(stage.sizes.crowds):
        cpu = stage.contender.cpu
        await stage.connect(crowd)
        await stage.settle()
        values[f"connect_{number}"] = (stage.contender.cpu - cpu) / crowd * 1e6
        cpu = stage.contender.cpu
        await _disconnect_all(stage)
        values[f"disconnect_{number}"] = (stage.contender.cpu - cpu) / crowd * 1e6
    return values


async def _disconnect_all(stage: Stage) -> None:
    """Close all sockets, and wait until the server has done what it does later."""
    stage.crowd.close()
    await stage.settle(GOING_S)
    await asyncio.sleep(LATER_S)


class Traveller:
    """The state that a client keeps between connections, as socket.io-client does, and the pushes it has received."""

    def __init__(self) -> None:
        self.pid: str | None = None
        self.offset: str | None = None
        self.ticks = 0
        self.recovered = False

    def hear(self, packet: dict[str, Any]) -> None:
        if packet["type"] == CONNECT:
            pid = packet["data"].get("pid")
            self.recovered = pid is not None and pid == self.pid
            self.pid = pid
        elif packet["type"] == EVENT:
            name, *arguments = packet["data"]
            self.ticks += name == TICK
            if isinstance(arguments[-1], str):
                self.offset = arguments[-1]

    @property
    def memory(self) -> dict[str, str]:
        if self.pid is None or self.offset is None:
            return {}
        return {"pid": self.pid, "offset": self.offset}


async def storm(stage: Stage) -> Values:
    """All clients disconnect at once, miss some pushes to their room, and reconnect with their recovery state."""
    amount, publish = stage.sizes.storm, stage.to_rooms([0])
    travellers = [Traveller() for _ in range(amount)]
    await _come(stage, travellers)
    await stage.join([(number, 0) for number in range(amount)])
    await stage.at_rate(publish, amount, 1.0, 0.0)
    stage.crowd.close()
    await stage.settle(GOING_S)
    publish(MISSED)
    await stage.settle()
    for traveller in travellers:
        traveller.ticks = 0
    stage.crowd = Crowd()
    began, cpu = time.perf_counter(), stage.contender.cpu
    await _come(stage, travellers)
    seconds = time.perf_counter() - began
    await stage.settle()
    return {
        "cpu": (stage.contender.cpu - cpu) / amount * 1e6,
        "per_second": amount / seconds,
        "recovered": sum(traveller.recovered for traveller in travellers) / amount * 100,
        "caught_up": sum(traveller.ticks == MISSED for traveller in travellers) / amount * 100,
    }


async def _come(stage: Stage, travellers: list[Traveller]) -> None:
    """Connect a socket for each traveller, with its token and its recovery state."""
    auths = [(stage.contender.auth(number) or {}) | who.memory for number, who in enumerate(travellers)]
    waiting = iter(travellers)
    try:
        async with asyncio.timeout(STORM_S):
            await stage.crowd.connect(
                stage.contender.ports,
                auths,
                at_once=STORM_AT_ONCE,
                prepare=lambda socket: setattr(socket, "on_packet", next(waiting).hear),
            )
    except TimeoutError:
        raise LoadError(f"{len(stage.crowd.sockets)} of {len(travellers)} reconnected in {STORM_S:.0f} s") from None


_EVERYONE = (Ours, Node, BareNode, Bun, Rust, Stock)

SCENARIOS = (
    Scenario(
        "memory",
        "An idle connection",
        (Figure("memory", "idle connection", "KiB of resident memory"),),
        (Ours, Node, Stock, StockDeflate),
        idle_memory,
    ),
    Scenario(
        "connections",
        "Connecting and disconnecting",
        [
            Figure(f"{key}_{number}", what.format(f"{crowd:,}"), "µs of CPU each")
            for key, what in (
                ("connect", "{} clients connect and sign in"),
                ("disconnect", "{} disconnect at once, with the 10 s after"),
            )
            for number, crowd in enumerate(FULL.crowds)
        ],
        _EVERYONE,
        coming_and_going,
    ),
    Scenario(
        "storm",
        "A reconnect storm",
        (
            Figure("cpu", "reconnecting after 5 missed pushes", "µs of CPU each"),
            Figure("per_second", "reconnecting, all at once", "connections a second", more=True),
            Figure("recovered", "sessions recovered", "%", more=True),
            Figure("caught_up", "clients that got exactly the pushes they missed", "%", more=True),
        ),
        (Ours,),
        storm,
        publishes=True,
    ),
)
