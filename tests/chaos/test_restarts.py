"""Two nodes and 2,000 official clients under load: nodes are restarted and killed, and no client misses a push."""

import asyncio
import itertools
import json
import time

import pytest

from channels.broadcaster import Broadcaster
from domain.post_channels import POST
from gateway.stores import open_stores
from protocol.posts import PostDeleted
from tests.chaos.deployment import Deployment
from tests.people import CLIENTS

pytestmark = [pytest.mark.chaos, pytest.mark.javascript, pytest.mark.timeout(480)]

CROWD = 2_000
ROOMS = 20
BETWEEN_PUSHES_S = 0.2


class Crowd:
    """The process that holds the clients."""

    async def start(self, urls: list[str], people: list[dict[str, str]]) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "node", "crowd.mjs", cwd=CLIENTS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await self._tell({"urls": urls, "people": people})

    async def report(self) -> dict[str, int]:
        await self._tell({"do": "report"})
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())

    async def until(self, what: str, amount: int, at_most_s: float = 120) -> dict[str, int]:
        began = time.monotonic()
        while (report := await self.report())[what] < amount:
            assert time.monotonic() - began < at_most_s, f"never reached {amount} {what}: {report}"
            await asyncio.sleep(0.1)
        return report

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _tell(self, command: dict) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()


class Load:
    """Publishes a rising number to every room, again and again."""

    def __init__(self, broadcaster: Broadcaster, post_ids: list[str]) -> None:
        self._broadcaster = broadcaster
        self._post_ids = post_ids
        self.number = 0

    async def run(self) -> None:
        for self.number in itertools.count(1):
            for post_id in self._post_ids:
                push = PostDeleted(id=f"{post_id}:{self.number}", post_id=str(self.number))
                await self._broadcaster.publish(POST.channel(int(post_id)), push)
            await asyncio.sleep(BETWEEN_PUSHES_S)


async def test_rolling_restart_and_sigkill_lose_nothing(deployment: Deployment):
    deployment.environment["DAIRA_DRAIN"] = "3"
    for name in ("node-0", "node-1"):
        deployment.kill(name)
        deployment.spawn(name)
    author_token, *tokens = await deployment.tokens(["author", *(f"fan{number}" for number in range(CROWD))])
    for port in deployment.node_ports:
        await deployment.listens(port)
    author = await deployment.client(author_token, 0)
    post_ids = [(await author.call("post.create", {"text": f"room {n}"}))["data"]["id"] for n in range(ROOMS)]
    await author.disconnect()
    crowd = Crowd()
    people = [{"token": token, "post": post_ids[number % ROOMS]} for number, token in enumerate(tokens)]
    await crowd.start([f"http://127.0.0.1:{port}" for port in deployment.node_ports], people)
    await crowd.until("watching", CROWD)
    async with open_stores(deployment.settings) as stores:
        load = Load(stores.broadcaster, post_ids)
        loading = asyncio.create_task(load.run())
        await crowd.until("slowest", 5)
        for name in ("node-0", "node-1"):
            began = time.monotonic()
            deployment.processes[name].terminate()
            await asyncio.to_thread(deployment.processes[name].wait)
            print(f"\n{name} drained in {time.monotonic() - began:.1f} s")
            deployment.spawn(name)
            await deployment.listens(deployment.node_ports[int(name[-1])])
            await crowd.until("connected", CROWD)
            await crowd.until("slowest", load.number)
        began = time.monotonic()
        deployment.kill("node-0")
        await crowd.until("slowest", load.number + 1)
        print(f"all clients had all pushes {time.monotonic() - began:.1f} s after the SIGKILL")
        loading.cancel()
        await asyncio.wait([loading])
        report = await crowd.until("slowest", load.number - 1)
    await crowd.stop()
    print(report)
    assert report["connected"] == CROWD
    assert report["disconnects"] >= CROWD
    assert report["recovered"] == report["disconnects"]
    assert {report[what] for what in ("afresh", "gaps", "repeated", "disorder")} == {0}
