"""`python -m bench.chat`: messages a second in one chat of 250 members, 20 of whom are connected and send.

A gateway node, its workers, PostgreSQL, Redis and the load share all cores of this machine. Each connected member keeps
two calls of `chat.send` under way. A push is timed from the call to its arrival at another member. Nothing is asserted:
the machine is noisy.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime import frames
from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd
from bench.realtime.scenario import quantile
from bench.realtime.world import ALL_CORES, World, open_world

MEMBERS = 250
CONNECTED = 20
CALLS_EACH = 2  # under way on each connection
WARM_UP_S = 3.0
SECONDS = 15.0
ROUNDS = 3
PATIENCE_S = 30.0


class Unpinned(Ours):
    server_cores = load_cores = ALL_CORES


class Observer:
    """Times the pushes to one member: the texts of messages tell when they were sent."""

    def __init__(self, chat_id: int) -> None:
        self.took: list[float] = []  # ms
        self.seqs: list[int] = []
        self._chat_id = str(chat_id)

    def hear(self, packet: dict[str, Any]) -> None:
        if packet["type"] == frames.EVENT and packet["data"][0] == "chat.message":
            message = packet["data"][1]["message"]
            if message["chat_id"] == self._chat_id:
                self.took.append((time.perf_counter() - float(message["text"])) * 1_000)
                self.seqs.append(message["seq"])

    async def arrived(self, amount: int) -> None:
        """Wait until so many pushes have arrived."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.seqs) < amount:
                await asyncio.sleep(0.05)


async def create_chat(world: World, chat_id: int) -> None:
    owner = await asyncpg.connect(world.servers.postgres_url("daira_owner"))
    try:
        await owner.execute(
            "INSERT INTO chats (id, kind, title, creator_id) VALUES ($1, 'group', 'bench', $2)", chat_id, world.users[0]
        )
        await owner.executemany(
            "INSERT INTO chat_members (chat_id, user_id, state) VALUES ($1, $2, 'active')",
            [(chat_id, user_id) for user_id in world.users[:MEMBERS]],
        )
        await owner.execute("ANALYZE")
    finally:
        await owner.close()


async def send_for(crowd: Crowd, chat_id: int, seconds: float) -> list[float]:
    """Return how long each call took, in ms."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def send(number: int) -> None:
        while (began := time.perf_counter()) < until:
            argument = {"chat_id": str(chat_id), "text": f"{began:.6f}", "idempotency_key": f"{number}:{began:.6f}"}
            await crowd.sockets[number % CONNECTED].call("chat.send", argument)
            took.append((time.perf_counter() - began) * 1_000)

    await asyncio.gather(*(send(number) for number in range(CONNECTED * CALLS_EACH)))
    return took


async def measure(world: World, chat_id: int) -> tuple[list[float], Observer, float, dict[str, float]]:
    """Return the durations of the calls, the observer, the seconds, and CPU seconds by process."""
    await create_chat(world, chat_id)
    contender, crowd, observer = Unpinned(world), Crowd(), Observer(chat_id)
    await contender.start(1, 0)
    await contender.start_workers()
    assert contender.workers is not None
    processes = {"gateway": contender.nodes[0], "workers": contender.workers}
    try:
        await crowd.connect(contender.ports, [contender.auth(number) for number in range(CONNECTED)])
        crowd.sockets[0].listen(observer.hear)
        # The workers are ready once all pushes of the warm-up have arrived.
        await observer.arrived(len(await send_for(crowd, chat_id, WARM_UP_S)))
        observer.took.clear()
        observer.seqs.clear()
        cpu = {name: process.cpu for name, process in processes.items()}
        began = time.perf_counter()
        took = await send_for(crowd, chat_id, SECONDS)
        seconds = time.perf_counter() - began
        used = {name: process.cpu - cpu[name] for name, process in processes.items()}
        await observer.arrived(len(took))
    finally:
        crowd.close()
        await contender.stop()
    return took, observer, seconds, used


def shown(samples: Sequence[float]) -> str:
    return " / ".join(f"{quantile(samples, share):.0f}" for share in (0.5, 0.95, 0.99))


async def main() -> None:
    table = Table(
        "messages/s", "ack, p50 / p95 / p99 ms", "sender → member, p50 / p95 / p99 ms", "in order", "CPU, gateway",
        "CPU, workers",
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="daira-chat-") as folder:
        async with open_world(Path(folder), MEMBERS, 1, 2, ALL_CORES) as world:
            for number in range(ROUNDS):
                took, observer, seconds, used = await measure(world, number + 1)
                in_order = sum(one < other for one, other in zip(observer.seqs, observer.seqs[1:], strict=False))
                table.add_row(
                    f"{len(took) / seconds:.0f}", shown(took), shown(observer.took),
                    f"{in_order / (len(observer.seqs) - 1):.1%}",
                    *(f"{used[name] / seconds:.0%}" for name in ("gateway", "workers")),
                )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    uvloop.run(main())
