"""Push scenarios: hot rooms, many small rooms, pushes to users on two nodes, and what broadcasts cost other nodes."""

import asyncio
import time

from redis.asyncio import Redis

from bench.realtime.contenders import BareNode, Bun, Limit, Node, Ours, Rust, Stock
from bench.realtime.scenario import Figure, Scenario, Values, quantile
from bench.realtime.stage import TICK_S, Stage
from bench.realtime.tick import MARK

ROOM_SIZE = 10
STRIDE = 389  # neighbouring rooms share members, and no socket should be in two rooms that get a push at once
PUSHES_PER_SECOND = 5.0
SINGLE_PUSHES_PER_SECOND = 50.0
IDLE_NODE_MESSAGES = 50.0  # a second, to a room of 1,000: 50,000 deliveries
SPREAD_MESSAGES = 30.0
HOPS = 300
EQUAL_RATE = 2_000.0  # messages a second to small rooms

_PEERS = (Ours, Node, BareNode, Bun, Rust, Stock, Limit)
_PER_SECOND = "deliveries per core-second"


async def hot_room(stage: Stage) -> Values:
    return await _hot_room(stage, stage.sizes.hot)


async def hottest_room(stage: Stage) -> Values:
    return await _hot_room(stage, stage.sizes.hottest)


async def _hot_room(stage: Stage, members: int) -> Values:
    await stage.connect(members)
    await stage.join([(number, 0) for number in range(members)])
    publish = stage.to_rooms([0])
    alone = await stage.moderate(publish, members)
    values = {"moderate": alone.per_cpu_second, "alone": alone.frames_per_read}
    if not isinstance(stage.contender, Limit):
        gathered = await stage.saturated(publish, members)
        values |= {"saturated": gathered.per_cpu_second, "gathered": gathered.frames_per_read, "busy": gathered.busy}
    return values


async def small_rooms(stage: Stage) -> Values:
    """As many sockets as rooms; each socket is in ten rooms."""
    rooms = stage.sizes.rooms
    await stage.connect(rooms)
    await stage.join([((room + step) % rooms, room) for room in range(rooms) for step in range(ROOM_SIZE)])
    publish = stage.to_rooms([number * STRIDE % rooms for number in range(rooms)])
    moderate = await stage.moderate(publish, ROOM_SIZE)
    equal = await stage.at_rate(publish, ROOM_SIZE, EQUAL_RATE, stage.sizes.seconds)
    return {"moderate": moderate.per_cpu_second, "equal": equal.cpu / equal.frames * 1e6}


async def pushes(stage: Stage) -> Values:
    users = stage.sizes.users
    await stage.connect(users)
    await stage.settle()
    latencies: list[float] = []

    def note(payload: bytes) -> None:
        mark = payload.find(MARK) + len(MARK)
        if mark >= len(MARK):
            sent_at = int.from_bytes(payload[mark : mark + 8], "big")
            latencies.append((time.monotonic_ns() - sent_at) / 1e6)

    for socket in stage.crowd.sockets:
        socket.on_frame = note
    publish = stage.to_users(users)
    await stage.at_rate(publish, users, PUSHES_PER_SECOND, stage.sizes.warm_up)
    latencies.clear()
    delivered = await stage.at_rate(publish, users, PUSHES_PER_SECOND, stage.sizes.seconds)
    to_all = list(latencies)
    latencies.clear()
    await stage.at_rate(stage.to_users(1), 1, SINGLE_PUSHES_PER_SECOND, stage.sizes.seconds)
    hops = await _redis_hops(stage.world.servers.redis_url)
    return {
        "cpu": delivered.cpu / delivered.frames * 1e6,
        "p50": quantile(to_all, 0.50),
        "p99": quantile(to_all, 0.99),
        "one_p50": quantile(latencies, 0.50),
        "one_p99": quantile(latencies, 0.99),
        "hop_p50": quantile(hops, 0.50),
        "hop_p99": quantile(hops, 0.99),
    }


async def _redis_hops(url: str) -> list[float]:
    """Return the milliseconds from publishing to receiving, through Redis alone."""
    async with Redis.from_url(url, protocol=2) as redis, redis.pubsub() as heard:
        await heard.subscribe("bench")
        await heard.get_message(timeout=5)
        hops = []
        for _ in range(HOPS):
            began = time.perf_counter()
            await redis.publish("bench", b"x" * 200)
            await heard.get_message(timeout=5)
            hops.append((time.perf_counter() - began) * 1_000)
    return hops


async def idle_node(stage: Stage) -> Values:
    """All members of a hot room are on the first node; the second has one connection, which is not in the room."""
    members = stage.sizes.hot
    await stage.connect(members, node=0)
    await stage.join([(number, 0) for number in range(members)])
    await stage.connect(1, members, node=1)  # some servers subscribe only once they have a socket
    await stage.settle()
    idle = stage.contender.nodes[1]
    began, cpu = time.perf_counter(), idle.cpu
    await asyncio.sleep(stage.sizes.seconds)
    at_rest = (idle.cpu - cpu) / (time.perf_counter() - began)
    publish = stage.to_rooms([0])
    began, cpu, sent = time.perf_counter(), idle.cpu, 0
    while (elapsed := time.perf_counter() - began) < stage.sizes.seconds:
        due = int(elapsed * IDLE_NODE_MESSAGES) + 1 - sent
        publish(due)
        sent += due
        await asyncio.sleep(max(sent / IDLE_NODE_MESSAGES - elapsed, TICK_S))
    busy = (idle.cpu - cpu) / (time.perf_counter() - began)
    return {"busy": busy * 100, "at_rest": at_rest * 100}


async def spread_room(stage: Stage) -> Values:
    """One room over all nodes, to compare with the prediction of docs/scaling.md."""
    members = stage.sizes.hot
    await stage.connect(members)
    await stage.join([(number, 0) for number in range(members)])
    publish = stage.to_rooms([0])
    await stage.at_rate(publish, members, SPREAD_MESSAGES, stage.sizes.warm_up)
    delivered = await stage.at_rate(publish, members, SPREAD_MESSAGES, stage.sizes.seconds)
    return {"cpu": delivered.cpu / delivered.frames * 1e6}


def _spread(nodes: int) -> Scenario:
    figure = Figure("cpu", f"room of 1,000 on {nodes} node{'s' * (nodes > 1)}", "µs of all nodes' CPU per delivery")
    return Scenario(
        f"spread-{nodes}", f"One room over {nodes} nodes", (figure,), (Ours,), spread_room, nodes=nodes,
        room_size=lambda sizes: sizes.hot, publishes=True,
    )  # fmt: skip


def _hot_figures(members: str) -> tuple[Figure, ...]:
    return (
        Figure("moderate", f"room of {members}, one frame per write", _PER_SECOND, more=True),
        Figure("saturated", f"room of {members}, at full speed", _PER_SECOND, more=True),
        Figure("gathered", f"room of {members}, at full speed: frames per read of the client", "", ratio=False),
    )


SCENARIOS = (
    Scenario(
        "hot-room", "A hot room of 1,000", _hot_figures("1,000"), _PEERS, hot_room,
        room_size=lambda sizes: sizes.hot, publishes=True
    ),
    Scenario(
        "hottest-room", "A hot room of 10,000", _hot_figures("10,000"), _PEERS, hottest_room,
        room_size=lambda sizes: sizes.hottest, publishes=True,
    ),
    Scenario(
        "small-rooms", "1,000 rooms of 10",
        (
            Figure("moderate", "1,000 rooms of 10, in turn", _PER_SECOND, more=True),
            Figure("equal", f"1,000 rooms of 10, {EQUAL_RATE:,.0f} messages a second", "µs of CPU a delivery"),
        ),
        _PEERS, small_rooms, room_size=lambda sizes: ROOM_SIZE, publishes=True,
    ),
    Scenario(
        "pushes", "A push to 1,000 users on two nodes",
        (
            Figure("cpu", "push to 1,000 users on two nodes", "µs of both nodes' CPU per delivery"),
            Figure("p50", "push to 1,000 users: from publishing to each client, p50", "ms"),
            Figure("p99", "push to 1,000 users: from publishing to each client, p99", "ms"),
            Figure("one_p50", "push to one user: from publishing to the client, p50", "ms"),
            Figure("one_p99", "push to one user: from publishing to the client, p99", "ms"),
            Figure("hop_p50", "publishing through Redis alone, p50", "ms", ratio=False),
            Figure("hop_p99", "publishing through Redis alone, p99", "ms", ratio=False),
        ),
        (Ours, Node, Stock), pushes, nodes=2, publishes=True,
    ),
    Scenario(
        "idle-node", "A node without members, while another serves a hot room",
        (
            Figure("busy", "node without members, 50 broadcasts a second on another node", "% of a core"),
            Figure("at_rest", "the same node without broadcasts", "% of a core", ratio=False),
        ),
        (Ours, Node, Stock), idle_node, nodes=2, publishes=True,
    ),
    *map(_spread, (1, 2, 3)),
)  # fmt: skip
