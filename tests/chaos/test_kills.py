"""kill -9 of each process while posts are created: no acknowledged post is lost, and the system recovers by itself."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field

import pytest
import socketio

from tests.chaos.deployment import Client, Deployment
from tests.gateway.test_commands import answers, free_ports

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

HONEST = {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"}
LATEST_ANSWER_S = 12.0
FOLLOWERS = 5


@dataclass
class Ledger:
    """The answers that the author got."""

    acknowledged: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    lost_answers: int = 0
    slowest_s: float = 0.0


async def publish_for_ever(deployment: Deployment, token: str, ledger: Ledger, stop: asyncio.Event) -> None:
    """Create posts one after the other, each with an idempotency key, and each retried until it is acknowledged."""
    node, number = 0, 0
    client = await deployment.client(token, node)
    while not stop.is_set():
        began = time.monotonic()
        arguments = {"text": f"post {number}", "idempotency_key": f"key-{number}"}
        try:
            answer = await answer_or_loss(client, "post.create", arguments)
        except (socketio.exceptions.SocketIOError, ConnectionError):
            ledger.lost_answers += 1
            await client.shutdown()
            node += 1
            client = await deployment.client(token, node)
            continue
        ledger.slowest_s = max(ledger.slowest_s, time.monotonic() - began)
        code = "OK" if answer["ok"] else answer["error"]["code"]
        ledger.codes[code] = ledger.codes.get(code, 0) + 1
        if answer["ok"]:
            ledger.acknowledged.append(answer["data"]["id"])
            number += 1
        await asyncio.sleep(0.01)
    await client.disconnect()


async def answer_or_loss(client: "Client", method: str, arguments: dict) -> dict:
    """Call, and raise ConnectionError if the socket is lost, which the official client's `call` does not notice."""
    calling = asyncio.ensure_future(client.call(method, arguments, timeout=LATEST_ANSWER_S))
    lost = asyncio.ensure_future(client.lost.wait())
    await asyncio.wait({calling, lost}, return_when=asyncio.FIRST_COMPLETED)
    lost.cancel()
    if not calling.done():
        calling.cancel()
        raise ConnectionError("the socket was lost during a call")
    return calling.result()


async def whole_feed(client: socketio.AsyncClient) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        answer = await client.call(
            "feed.get", {"mode": "latest", "limit": 100, "cursor": cursor}, timeout=LATEST_ANSWER_S
        )
        assert answer["ok"], answer
        seen += [item["post"]["id"] for item in answer["data"]["items"]]
        cursor = answer["data"]["next_cursor"]
        if cursor is None:
            return seen


async def test_no_acknowledged_post_is_lost_whatever_is_killed(deployment: Deployment):
    names = ["author", *(f"follower{number}" for number in range(FOLLOWERS))]
    author_token, *follower_tokens = await deployment.tokens(names)
    author = await deployment.client(author_token, 0)
    author_id = (await author.call("user.me", {}))["data"]["id"]
    await author.disconnect()
    followers = [await deployment.client(token, 1) for token in follower_tokens]
    for follower in followers:
        assert (await follower.call("graph.follow", {"user_id": author_id}))["ok"]
        assert (await follower.call("feed.get", {}))["ok"]  # an inbox to write into

    ledger, stop = Ledger(), asyncio.Event()
    publishing = asyncio.create_task(publish_for_ever(deployment, author_token, ledger, stop))
    await progress(ledger, 20)
    for victim in ("node-0", "worker-0", "redis", "postgres", "node-1", "worker-1", "redis", "postgres"):
        if victim in deployment.processes:
            deployment.kill(victim)
            deployment.spawn(victim)
        else:
            os.kill(deployment.servers_running.process_id(victim), signal.SIGKILL)
        # Recovered: posts are acknowledged again.
        await progress(ledger, 20)
    stop.set()
    await publishing

    print(f"\n{len(ledger.acknowledged)} acknowledged, {ledger.codes}, {ledger.lost_answers} answers lost with their "
          f"node, slowest answer {ledger.slowest_s:.2f} s")  # fmt: skip
    assert set(ledger.codes) <= HONEST
    assert ledger.slowest_s < LATEST_ANSWER_S
    assert len(set(ledger.acknowledged)) == len(ledger.acknowledged)
    for token in follower_tokens:
        follower = await deployment.client(token, 0)
        async with asyncio.timeout(30):
            while (feed := await whole_feed(follower)) != sorted(ledger.acknowledged, key=int, reverse=True):
                assert len(feed) == len(set(feed))
                await asyncio.sleep(0.2)
        await follower.disconnect()
    for follower in followers:
        await follower.shutdown()


async def progress(ledger: Ledger, posts: int) -> None:
    """Wait until that many more posts have been acknowledged."""
    goal = len(ledger.acknowledged) + posts
    async with asyncio.timeout(60):
        while len(ledger.acknowledged) < goal:
            await asyncio.sleep(0.02)


async def test_a_node_without_its_servers_reports_it_and_recovers(deployment: Deployment):
    sidecar = free_ports(1)[0]
    deployment.processes["node-1"].terminate()
    deployment.processes["node-1"].wait()
    deployment.processes["node-1"].communicate()
    deployment.processes["node-1"] = deployment.start(
        "serve", DAIRA_PORT=str(deployment.node_ports[1]), DAIRA_SIDECAR_PORT=str(sidecar)
    )
    ready = f"http://127.0.0.1:{sidecar}/health/ready"
    await answers(ready)
    [token] = await deployment.tokens(["somebody"])
    client = await deployment.client(token, 1)
    process = deployment.servers_running.process_id("redis")
    os.kill(process, signal.SIGSTOP)  # alive, but silent
    try:
        body = await answers(ready, 503)
        assert body["dependencies"]["redis"]["ok"] is False
        began = time.monotonic()
        answer = await client.call("post.create", {"text": "x"}, timeout=15)
        assert answer["error"]["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        assert time.monotonic() - began < LATEST_ANSWER_S
        assert (await client.call("system.ping", {}))["ok"]
    finally:
        os.kill(process, signal.SIGCONT)
    assert (await answers(ready))["status"] == "ready"
    async with asyncio.timeout(20):
        while not (await client.call("post.create", {"text": "x"}, timeout=15))["ok"]:
            await asyncio.sleep(0.1)
    await client.disconnect()


async def test_redis_restarted_under_load_leaves_no_client_uninformed(deployment: Deployment):
    """Sockets stay, calls are refused at once, and each client gets all pushes or is told to reload."""
    author_token, *tokens = await deployment.tokens(["author", *(f"reader{number}" for number in range(10))])
    author = await deployment.client(author_token, 0)
    post_id = (await author.call("post.create", {"text": "open"}))["data"]["id"]
    readers = [await deployment.client(token, number) for number, token in enumerate(tokens)]
    received: list[list[tuple[str, dict]]] = [[] for _ in readers]
    for number, reader in enumerate(readers):
        reader.on("*", lambda event, push, *_, log=received[number]: log.append((event, push)))
        assert (await reader.call("post.watch", {"post_id": post_id}))["ok"]
    version, edits, codes, slowest = 1, 0, set(), 0.0

    async def edit() -> bool:
        nonlocal version, slowest
        began = time.monotonic()
        answer = await author.call(
            "post.edit", {"post_id": post_id, "version": version, "text": f"edit {version}"}, timeout=LATEST_ANSWER_S
        )
        slowest = max(slowest, time.monotonic() - began)
        codes.add("OK" if answer["ok"] else answer["error"]["code"])
        if answer["ok"]:
            version = answer["data"]["version"]
        return answer["ok"]

    for _ in range(3):
        for _ in range(10):
            await edit()
        os.kill(deployment.servers_running.process_id("redis"), signal.SIGKILL)
        for _ in range(10):
            await edit()
            await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        while not await edit():
            await asyncio.sleep(0.1)
    async with asyncio.timeout(30):
        while not all(await asyncio.gather(*(hears(log, f"edit {version - 1}") for log in received))):
            await edit()
    edits = version - 1
    told = 0
    for log in received:
        texts = {push["post"]["text"] for event, push in log if event == "post.edited"}
        afresh = sum(event == "session.ready" and not push["recovered"] for event, push in log)
        assert len(texts) >= edits - 1 or afresh, f"a client missed {edits - len(texts)} edits and was not told"
        told += afresh
    print(f"\n{edits} edits, answers {codes}, slowest {slowest:.2f} s, told to reload {told} times")
    assert codes <= HONEST
    assert not any(reader.lost.is_set() for reader in [author, *readers])
    for reader in [author, *readers]:
        await reader.disconnect()


async def hears(log: list[tuple[str, dict]], text: str) -> bool:
    """Return whether the edit arrives within a second."""
    for _ in range(50):
        if any(event == "post.edited" and push["post"]["text"] == text for event, push in log):
            return True
        await asyncio.sleep(0.02)
    return False
