"""Faults that tests cause on purpose, and the state that they check afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import ConnectionError as RedisDown

from gateway.catching_up import CatchingUp
from gateway.node import Node
from stage.room_channel import LIVE_ROOM
from tests.patience import WAIT_S


async def soon(look, wanted) -> object:
    """Call `look` until it returns `wanted` or time runs out; return its last result."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + WAIT_S
    while (seen := await look()) != wanted and loop.time() < give_up_at:
        await asyncio.sleep(0.05)
    return seen


def blink(cluster, node: str) -> None:
    """Break that node's link to Redis; it reconnects a fifth of a second later."""
    for link in cluster.node(node)._stores.shards._links.values():
        link.reopen()


async def forget_location(cluster, who) -> None:
    """Remove a user's locations from Redis, as after an outage that is longer than they are kept."""
    stores = cluster.stores
    await stores.shards.call(
        stores.redis_keys.shard_of_user(int(who.id)), "DEL", stores.redis_keys.locations(int(who.id))
    )


@asynccontextmanager
async def cut(node: Node) -> AsyncIterator[None]:
    """Keep the node's link to Redis down within the context, and wait until it is up again after it."""
    link = next(iter(node._stores.shards._links.values()))

    async def refuse():
        raise ConnectionRefusedError

    connect, link._connect = link._connect, refuse
    try:
        link.connection_lost(None)
        yield
    finally:
        link._connect = connect
        async with asyncio.timeout(WAIT_S):
            await link.is_up.wait()


def catches_up(monkeypatch) -> asyncio.Event:
    """Return an event that is set once a node has reported its users again after a lost link."""
    seen = Held(monkeypatch, CatchingUp, "until_done")
    seen.go.set()
    return seen.done


async def calm(person, room_id: str) -> None:
    """Wait until the room has got all pushes caused so far: the second pulse follows everything of the first."""
    for emoji in ("👏", "🔥"):
        await person.call("room.react", room_id=room_id, emoji=emoji)
        while emoji not in (await person.expect("room.reacted"))["counts"]:
            continue


class Held:
    """Make the next call of a method wait until `go` is set. behind: wait after its work, not before."""

    def __init__(self, monkeypatch, thing, name: str, *, behind: bool = False, when=lambda *_: True) -> None:
        self.came, self.go, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        real = getattr(thing, name)

        async def held(*arguments, **options):
            if self.came.is_set() or not when(*arguments):
                return await real(*arguments, **options)
            self.came.set()
            if not behind:
                await self.go.wait()
            answer = await real(*arguments, **options)
            self.done.set()
            if behind:
                await self.go.wait()
            return answer

        monkeypatch.setattr(thing, name, held)


def fail_once(monkeypatch, thing, name: str, error: Exception) -> asyncio.Event:
    """Make the next call of a method raise an error. Returns an event that is set then."""
    failed = asyncio.Event()
    real = getattr(thing, name)

    async def fail(*arguments, **options):
        if failed.is_set():
            return await real(*arguments, **options)
        failed.set()
        raise error

    monkeypatch.setattr(thing, name, fail)
    return failed


def sockets_inside(cluster, room_id: str, who) -> int:
    """Return how many sockets of the user are in the room's channel, on both nodes."""
    members = [member for name in "ab" for member in cluster.node(name).parts.members.of_user(int(who.id))]
    return sum(LIVE_ROOM.channel(int(room_id)) in member.channels for member in members)


async def inside(cluster, room_id: str) -> set[int]:
    return {*(await cluster.stores.roster.look(int(room_id), 0, 100)).page}


async def waiting_for_rows(cluster) -> int:
    """Return how many transactions wait for another transaction."""
    owner = await cluster.owner()
    try:
        return await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
    finally:
        await owner.close()


async def is_to_be_looked_at(cluster, room_id: str) -> bool:
    return int(room_id) in await cluster.stores.roster.due(time.time() + 3_600, 1_000)


async def open_turns(cluster, room_id: str, who) -> int:
    owner = await cluster.owner()
    try:
        return await owner.fetchval(
            "SELECT count(*) FROM room_turns WHERE room_id = $1 AND user_id = $2 AND ended_at IS NULL",
            int(room_id), int(who.id),
        )  # fmt: skip
    finally:
        await owner.close()


def break_once(monkeypatch, thing, name: str, *, behind: bool = False, when=lambda *_: True) -> None:
    """Make the next call of a method fail as if Redis was lost. behind: after its work, before the answer."""
    real = getattr(thing, name)

    def broken(*arguments, **options):
        if not when(*arguments):
            return real(*arguments, **options)
        monkeypatch.setattr(thing, name, real)
        if behind:
            return lose(real(*arguments, **options))
        raise RedisDown("the link to Redis is down")

    async def lose(answer):
        await answer
        raise RedisDown("the link to Redis was lost")

    monkeypatch.setattr(thing, name, broken)


async def count(person, room_id) -> int:
    return (await person.call("room.get", room_id=room_id))["audience_count"]


async def speakers(person, room_id) -> list[str]:
    return [each["id"] for each in (await person.call("room.get", room_id=room_id))["speakers"]]
