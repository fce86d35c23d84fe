"""Live room scenarios: the cost of a join and of a message as the room grows; and a big evening."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from redis.asyncio import Redis

from bench.realtime.contenders import Ours
from bench.realtime.frames import EVENT
from bench.realtime.load import LoadError, Socket
from bench.realtime.scenario import Figure, Scenario, Values, at, quantile
from bench.realtime.stage import ON_STAGE, Stage

JOINS_PER_SECOND = 100.0
TOLD_S = 1.2  # until the room has got its newest audience count
DELIVERIES = 20_000
FEWEST_MESSAGES = 20
WARM_UP_MESSAGES = 3
EVENING_MESSAGES = 5
DEVICES = 3  # of the user who is kicked
PATIENCE_S = 60.0


async def room_join(stage: Stage) -> Values:
    """Users join rooms of each size. The number of rooms is chosen so that no room more than about doubles."""
    await _end_rooms(stage)
    values: Values = {}
    async with Redis.from_url(stage.world.servers.redis_url) as redis:
        for audience in stage.sizes.audiences:
            values |= {at(key, audience): value for key, value in (await _join(stage, audience, redis)).items()}
    return values


async def _join(stage: Stage, audience: int, redis: Redis) -> Values:
    joins = stage.sizes.joins
    amount = max(joins // audience, 1)
    inside = amount * audience
    await _fill_up(stage, inside + joins)
    rooms = [await open_room(stage, number * audience) for number in range(amount)]
    await enter(stage, [(number, rooms[number // audience]) for number in range(inside) if number % audience])
    await stage.quiet(TOLD_S)
    calls = [(inside + number, "room.join", {"room_id": rooms[number % amount]}) for number in range(joins)]
    cpu, before = stage.contender.cpu, await _redis_work(redis)
    took = (await stage.crowd.call_at_pace(calls, JOINS_PER_SECOND)).all()
    await asyncio.sleep(TOLD_S)
    after = await _redis_work(redis)
    return {
        "cpu": (stage.contender.cpu - cpu) / joins * 1e6,
        "p50": quantile(took, 0.50),
        "p95": quantile(took, 0.95),
        "commands": (after[0] - before[0]) / joins,
        "redis": (after[1] - before[1]) / joins * 1e6,
    }


async def room_message(stage: Stage) -> Values:
    """The host is alone on the second node, so that the first node only delivers."""
    await _end_rooms(stage)
    await stage.connect(1, node=1)
    values: Values = {}
    for audience in stage.sizes.audiences:
        present = len(stage.crowd.sockets)
        await stage.connect(audience + 1 - present, present, node=0)
        room_id = await open_room(stage, 0)
        await _first_word(stage, 0, room_id)
        await enter(stage, [(number, room_id) for number in range(1, audience + 1)])
        await stage.quiet(TOLD_S)
        for _ in range(WARM_UP_MESSAGES):
            await _say(stage, 0, room_id, audience + 1)
        await stage.quiet(TOLD_S)
        listening, saying = stage.contender.nodes
        amount = min(max(DELIVERIES // audience, FEWEST_MESSAGES), stage.sizes.messages)
        listening_cpu, saying_cpu = listening.cpu, saying.cpu
        took = [await _say(stage, 0, room_id, audience + 1) for _ in range(amount)]
        values |= {
            at("cpu", audience): (listening.cpu - listening_cpu) / amount / audience * 1e6,
            at("send", audience): (saying.cpu - saying_cpu) / amount * 1e6,
            at("p50", audience): quantile(took, 0.50) * 1_000,
            at("p95", audience): quantile(took, 0.95) * 1_000,
        }
    return values


class Ear:
    """Records the pushes to one socket, with the time of each."""

    def __init__(self, socket: Socket) -> None:
        self.heard: list[tuple[float, str, dict[str, Any]]] = []
        socket.listen(self._hear)

    def _hear(self, packet: dict[str, Any]) -> None:
        if packet["type"] == EVENT:
            self.heard.append((time.perf_counter(), *packet["data"][:2]))

    async def hears(self, event: str, **fields: object) -> float:
        """Wait until the newest `event` has these fields, and return when it came. Raises LoadError."""
        deadline = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < deadline:
            such = ((when, said) for when, name, said in reversed(self.heard) if name == event)
            newest: tuple[float, dict[str, Any]] | None = next(such, None)
            if newest is not None and fields.items() <= newest[1].items():
                return newest[0]
            await asyncio.sleep(0.01)
        raise LoadError(f"no {event} with {fields} arrived")


async def big_evening(stage: Stage) -> Values:
    """A host, three speakers and listeners who join within half a minute; one listener, on three devices, is kicked."""
    await _end_rooms(stage)
    listeners, kicked = stage.sizes.listeners, ON_STAGE
    people = ON_STAGE + listeners - (DEVICES - 1)
    await stage.connect(people)
    for _ in range(DEVICES - 1):
        await stage.connect(1, kicked, node=len(stage.crowd.sockets) % 2)
    sockets = stage.crowd.sockets
    host, room_id = sockets[0], await open_room(stage, 0)
    await enter(stage, [(speaker, room_id) for speaker in range(1, ON_STAGE)])
    for speaker in range(1, ON_STAGE):
        user_id = str(stage.world.users[speaker])
        await host.call("room.set_role", {"room_id": room_id, "user_id": user_id, "role": "speaker"})
    speakers = [Ear(socket) for socket in sockets[1:ON_STAGE]]
    await _first_word(stage, 0, room_id)
    await stage.quiet(TOLD_S)

    cpu, began = stage.contender.cpu, time.perf_counter()
    coming = [(number, "room.join", {"room_id": room_id}) for number in range(ON_STAGE, len(sockets))]
    answers = await stage.crowd.call_at_pace(coming, listeners / stage.sizes.joining)
    took = answers.took or answers.all()
    busy = (stage.contender.cpu - cpu) / (time.perf_counter() - began)
    await enter(stage, [(number, room_id) for number in answers.failures])  # a client retries when it is told to wait
    came = time.perf_counter()
    counted = [await ear.hears("room.audience", count=people) for ear in speakers]
    values = {
        "acknowledged": len(took) / listeners * 100,
        "join_p50": quantile(took, 0.50),
        "join_p95": quantile(took, 0.95),
        "join_p99": quantile(took, 0.99),
        "join_most": max(took),
        "join_cpu": (stage.contender.cpu - cpu) / listeners * 1e6,
        "busy": busy * 100,
        "counted": max(0.0, max(counted) - came),
    }

    await stage.quiet(TOLD_S)
    values["message"] = max([await _say(stage, 0, room_id, len(sockets)) for _ in range(EVENING_MESSAGES)])

    devices = [Ear(sockets[number]) for number in (kicked, *range(people, len(sockets)))]
    began = time.perf_counter()
    user_id = str(stage.world.users[kicked])
    await host.call("room.kick", {"room_id": room_id, "user_id": user_id})
    values["kick"] = max([await ear.hears("room.removed", reason="kicked") for ear in devices]) - began
    await asyncio.gather(*(ear.hears("room.audience", count=people - 1) for ear in speakers))
    await stage.quiet(TOLD_S)
    await _say(stage, 0, room_id, len(sockets) - DEVICES)
    await stage.quiet(TOLD_S)
    if any(event == "room.message" for ear in devices for _, event, _ in ear.heard):
        raise LoadError("the kicked user still receives messages")
    return values


# ---------------------------------------------------------------------------------------------- shared steps


async def open_room(stage: Stage, host: int) -> str:
    """Open a live room that this socket's user hosts and has joined. Returns its id."""
    socket = stage.crowd.sockets[host]
    capacity = max(stage.sizes.people, 2)
    room = await socket.call("room.create", {"topic": "سهرة الخميس", "capacity": capacity})
    await socket.call("room.start", {"room_id": room["id"]})
    await enter(stage, [(host, room["id"])])
    return str(room["id"])


async def enter(stage: Stage, seats: Sequence[tuple[int, str]]) -> None:
    """Join rooms. seats: number of the socket, room."""
    await stage.crowd.call_each((number, "room.join", {"room_id": room_id}) for number, room_id in seats)


async def _first_word(stage: Stage, host: int, room_id: str) -> None:
    """Send a message and wait for it: then the workers run, and have handled all earlier events."""
    ear = Ear(stage.crowd.sockets[host])
    await stage.crowd.sockets[host].call("room.send", {"room_id": room_id, "text": "مساء الخير"})
    await ear.hears("room.message", room_id=room_id)


async def _say(stage: Stage, host: int, room_id: str, inside: int) -> float:
    """Return the seconds from the call until all sockets in the room, the host's included, have the message."""
    frames, began = stage.crowd.counts.frames + inside + 1, time.perf_counter()  # 1: the call's answer
    await stage.crowd.sockets[host].call("room.send", {"room_id": room_id, "text": "مساء الخير يا جماعة"})
    await stage.delivered(frames)
    took = time.perf_counter() - began
    if stage.crowd.counts.frames > frames:
        raise LoadError("other frames came too, so counting frames does not tell who has the message")
    return took


async def _fill_up(stage: Stage, amount: int) -> None:
    present = len(stage.crowd.sockets)
    await stage.connect(amount - present, present)


async def _end_rooms(stage: Stage) -> None:
    """End the rooms of earlier rounds: a user may have only a few open rooms."""
    owner = await asyncpg.connect(stage.world.servers.postgres_url("daira_owner"))
    await owner.execute("UPDATE rooms SET state = 'ended', ended_at = now() WHERE state <> 'ended'")
    await owner.close()


async def _redis_work(redis: Redis) -> tuple[float, float]:
    """Return the commands so far, including those within scripts, and the CPU seconds."""
    info: dict[str, float] = await redis.info()
    return info["total_commands_processed"], info["used_cpu_user"] + info["used_cpu_sys"]


SCENARIOS = (
    Scenario(
        "room-join", "Joining a live room",
        (
            Figure("cpu", "room.join, node", "µs of CPU a join"),
            Figure("redis", "room.join, Redis", "µs of CPU a join"),
            Figure("p50", "room.join, p50", "ms"),
            Figure("p95", "room.join, p95", "ms"),
            Figure("commands", "room.join, including commands in scripts", "Redis commands a join"),
        ),
        (Ours,), room_join, section="rooms", against="users in the room",
    ),
    Scenario(
        "room-message", "A message to a live room",
        (
            Figure("cpu", "node of the listeners", "µs of CPU a delivery"),
            Figure("send", "node of the host", "µs of CPU a message"),
            Figure("p50", "from room.send until all have the message, p50", "ms"),
            Figure("p95", "from room.send until all have the message, p95", "ms"),
        ),
        (Ours,), room_message, nodes=2, works=True, section="rooms", against="users in the room",
    ),
    Scenario(
        "room-evening", "A big evening",
        (
            Figure("acknowledged", "joins acknowledged", "%", asked="100"),
            Figure("join_p50", "join, p50", "ms"),
            Figure("join_p95", "join, p95", "ms", asked="< 250"),
            Figure("join_p99", "join, p99", "ms"),
            Figure("join_most", "join, the slowest", "ms"),
            Figure("join_cpu", "both nodes, pushes to others included", "µs of CPU a join"),
            Figure("busy", "both nodes while users join", "% of a core"),
            Figure("counted", "from the last join until all speakers see the right count", "s", asked="< 2"),
            Figure("message", "from room.send until all have the message, the slowest of 5", "s", asked="< 1"),
            Figure("kick", "from room.kick until the last of 3 sockets is removed", "s", asked="< 1"),
        ),
        (Ours,), big_evening, nodes=2, works=True, section="rooms",
    ),
)  # fmt: skip
