"""A live room whose host's node is killed continues, and absent users are removed from it."""

import asyncio
import os
import signal
import time

import pytest

from tests.chaos.deployment import Client, Deployment
from tests.patience import WAIT_S

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

LISTENERS = 40


async def call(client: Client, method: str, **argument):
    answer = await client.call(method, argument, timeout=15)
    assert answer["ok"], answer
    return answer["data"]


async def test_a_room_outlives_its_hosts_node(deployment: Deployment):
    names = ["host", "cohost", "watched", *(f"listener{number}" for number in range(LISTENERS))]
    tokens = dict(zip(names, await deployment.tokens(names), strict=True))
    clients = {name: await deployment.client(tokens[name], index % 2) for index, name in enumerate(names)}
    host, cohost = clients["host"], clients["cohost"]  # on node 0 and on node 1
    me = {name: (await call(client, "user.me"))["id"] for name, client in clients.items()}
    pushes: list[tuple[float, str, dict]] = []
    cohost.on("*", lambda event, push, *_: pushes.append((time.monotonic(), event, push)))

    async def pushed(event: str, fits) -> float:
        """Wait for such a push; return the seconds until it came."""
        began = time.monotonic()
        async with asyncio.timeout(WAIT_S):
            while True:
                for at, name, push in pushes:
                    if name == event and fits(push):
                        return at - began
                await asyncio.sleep(0.05)

    room = await call(host, "room.create", topic="A majlis that lasts")
    room_id = room["id"]
    await call(host, "room.start", room_id=room_id)
    await call(host, "room.join", room_id=room_id)
    for name, client in clients.items():
        if name != "host":
            await call(client, "room.join", room_id=room_id)
    await call(host, "room.set_role", room_id=room_id, user_id=me["cohost"], role="cohost")
    # These users are on node 0 and do not return.
    await call(cohost, "presence.watch", user_ids=[me["watched"], me["cohost"]])
    gone = [name for index, name in enumerate(names) if index % 2 == 0 and name != "host"]
    deployment.kill("node-0")

    # The host returns, as host, while the room still waits.
    host = await deployment.client(tokens["host"], 1)
    assert (await call(host, "room.join", room_id=room_id))["role"] == "host"
    offline_s = await pushed(
        "presence.changed",
        lambda push: push["presence"]["user_id"] == me["watched"] and push["presence"]["status"] == "offline",
    )
    async with asyncio.timeout(WAIT_S):
        while (await call(cohost, "room.get", room_id=room_id))["audience_count"] != len(names) - len(gone):
            await asyncio.sleep(0.1)
    inside, cursor = set(), None
    while True:
        page = await call(cohost, "room.participants", room_id=room_id, limit=100, cursor=cursor)
        inside |= {each["user"]["id"] for each in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert inside == {me[name] for name in names if name not in gone}
    message = await call(host, "room.send", room_id=room_id, text="still here")
    await pushed("room.message", lambda push: push["message"]["id"] == message["id"])

    print(f"\noffline after {offline_s:.1f} s")
    for client in clients.values():
        await client.shutdown()
    await host.shutdown()


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_an_outage_of_redis_shows_no_user_offline(deployment: Deployment, how: str):
    """Redis is stopped for longer than a node may be silent, or killed with the data in its memory."""
    names = ["host", "watcher", "quiet", "leaver"]
    tokens = dict(zip(names, await deployment.tokens(names), strict=True))
    clients = {name: await deployment.client(tokens[name], index % 2) for index, name in enumerate(names)}
    me = {name: (await call(client, "user.me"))["id"] for name, client in clients.items()}
    room_id = (await call(clients["host"], "room.create", topic="steady"))["id"]
    await call(clients["host"], "room.start", room_id=room_id)
    for client in clients.values():
        await call(client, "room.join", room_id=room_id)
    shown: dict[str, list[str]] = {each: [] for each in me.values()}
    watcher = clients["watcher"]
    watcher.on(
        "presence.changed", lambda push, *_: shown[push["presence"]["user_id"]].append(push["presence"]["status"])
    )
    await call(watcher, "presence.watch", user_ids=list(me.values()))
    process = deployment.servers_running.process_id("redis")
    if how == "killed":
        os.kill(process, signal.SIGKILL)
        await clients["leaver"].disconnect()
    else:
        os.kill(process, signal.SIGSTOP)
        await clients["leaver"].disconnect()
        await asyncio.sleep(8)
        os.kill(process, signal.SIGCONT)
    async with asyncio.timeout(WAIT_S):
        while shown[me["leaver"]][-1:] != ["offline"]:
            await asyncio.sleep(0.1)
        while True:
            answer = await watcher.call("room.get", {"room_id": room_id}, timeout=15)
            if answer["ok"] and answer["data"]["audience_count"] == 3:
                break
            await asyncio.sleep(0.1)
    for name in ("host", "watcher", "quiet"):
        assert "offline" not in shown[me[name]], name
    for client in clients.values():
        await client.shutdown()
