"""20 clients on two nodes write to one chat of 250 members, while a worker and a node are killed."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any

import asyncpg
import pytest
import socketio

from tests.chaos.deployment import Deployment
from tests.chaos.test_kills import HONEST, answer_or_loss

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

MEMBERS, CLIENTS, MESSAGES = 250, 20, 250  # messages of each client
CHAT_ID = 1
KILLS = {1_000: "worker-0", 2_500: "node-0", 4_000: "worker-1"}  # by messages acknowledged before


class Writer:
    """A member who sends messages, each repeated with its key until it is acknowledged, and marks them as read."""

    acknowledged = 0  # of all writers

    def __init__(self, deployment: Deployment, number: int, token: str) -> None:
        self._deployment = deployment
        self._number = number
        self._token = token
        self._node = number
        self.seqs: list[int] = []
        self.marks: list[int] = []

    async def write(self) -> None:
        self._client = await self._deployment.client(self._token, self._node)
        for number in range(MESSAGES):
            text = f"{self._number}-{number}"
            sent = await self._done("chat.send", text=text, idempotency_key=text)
            self.seqs.append(sent["seq"])
            Writer.acknowledged += 1
            if number % 5 == 0:
                self.marks.append((await self._done("chat.mark", read_seq=sent["seq"]))["read_seq"])
        await self._client.disconnect()

    async def _done(self, method: str, **arguments: Any) -> Any:
        """Repeat the call until it succeeds, on another node if this one is lost."""
        while True:
            try:
                answer = await answer_or_loss(self._client, method, {"chat_id": str(CHAT_ID), **arguments})
            except (socketio.exceptions.SocketIOError, ConnectionError):
                await self._client.shutdown()
                self._node += 1
                self._client = await self._deployment.client(self._token, self._node)
                continue
            if answer["ok"]:
                return answer["data"]
            assert answer["error"]["code"] in HONEST, answer
            await asyncio.sleep(0.1)


class Observer:
    """A member on the node that is not killed, who only listens."""

    def __init__(self) -> None:
        self.seqs: set[int] = set()
        self.marks: defaultdict[str, list[int]] = defaultdict(list)

    async def listen(self, deployment: Deployment, token: str) -> None:
        self.client = await deployment.client(token, 1)
        self.client.on("chat.message", self._on_message)
        self.client.on("chat.marked", self._on_mark)

    async def _on_message(self, push: Any, *_: str) -> None:
        self.seqs.add(push["message"]["seq"])

    async def _on_mark(self, push: Any, *_: str) -> None:
        self.marks[push["user_id"]].append(push["read_seq"])


async def create_chat(deployment: Deployment, names: list[str]) -> None:
    owner = await asyncpg.connect(deployment.servers_running.servers.postgres_url("daira_owner"))
    await owner.execute(
        "INSERT INTO chats (id, kind, title, creator_id) SELECT $1, 'group', 'x', id FROM users WHERE username = $2",
        CHAT_ID, names[0],
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO chat_members (chat_id, user_id, state)
        SELECT $1, id, 'active' FROM users WHERE username = ANY ($2)""",
        CHAT_ID, names,
    )  # fmt: skip
    await owner.close()


async def history(deployment: Deployment, token: str, node: int) -> list[tuple[int, str]]:
    client = await deployment.client(token, node)
    found: list[tuple[int, str]] = []
    while True:
        arguments = {"chat_id": str(CHAT_ID), "after_seq": len(found), "limit": 100}
        answer = await client.call("chat.history", arguments, timeout=12)
        found += [(item["seq"], item["text"]) for item in answer["data"]["items"]]
        if answer["data"]["to_seq"] == answer["data"]["last_seq"]:
            await client.disconnect()
            return found


async def test_one_chat_keeps_its_numbers_whatever_is_killed(deployment: Deployment):
    names = [f"member{number}" for number in range(MEMBERS)]
    tokens = await deployment.tokens(names)
    await create_chat(deployment, names)
    observer = Observer()
    await observer.listen(deployment, tokens[CLIENTS])
    writers = [Writer(deployment, number, token) for number, token in enumerate(tokens[:CLIENTS])]
    writing = [asyncio.create_task(writer.write()) for writer in writers]
    for threshold, victim in KILLS.items():
        while Writer.acknowledged < threshold and not all(task.done() for task in writing):
            await asyncio.sleep(0.02)
        deployment.kill(victim)
        deployment.spawn(victim)
    await asyncio.gather(*writing)

    async with asyncio.timeout(60):
        while len(observer.seqs) < CLIENTS * MESSAGES:
            await asyncio.sleep(0.1)
    assert not observer.client.lost.is_set()
    assert all(marks == sorted(marks) for marks in observer.marks.values())
    await observer.client.disconnect()
    everything = {(seq, f"{writer._number}-{number}") for writer in writers for number, seq in enumerate(writer.seqs)}
    first = await history(deployment, tokens[0], 0)
    assert [seq for seq, _ in first] == [*range(1, CLIENTS * MESSAGES + 1)]
    assert len({text for _, text in first}) == CLIENTS * MESSAGES
    assert set(first) == everything
    for token, node in zip(tokens[1:MEMBERS:50], itertools.count(), strict=False):
        assert await history(deployment, token, node) == first
    for writer in writers:
        assert writer.seqs == sorted(writer.seqs)
        assert writer.marks == sorted(writer.marks)
        assert writer.marks[-1] == writer.seqs[-5]
