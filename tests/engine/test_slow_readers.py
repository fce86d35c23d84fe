"""Clients that do not read, read too slowly, or never finish a handshake are closed, and their memory is freed."""

import asyncio
import json
from typing import ClassVar

import aiohttp
import pytest

from domain.post_channels import POST
from engine.metrics import CLOSED
from engine.socket import MAX_OUTBOUND
from protocol.posts import PostDeleted
from protocol.pushes import Flow, History
from tests.cluster import Cluster
from tests.patience import WAIT_S

PADDING = "x" * 2_000


class Loud(PostDeleted, frozen=True):
    history: ClassVar[History] = History(pushes=20_000, bytes=64 * 1024 * 1024)
    text: str = PADDING


class Passing(Loud, frozen=True):
    flow: ClassVar[Flow] = "drop"


class Latest(Loud, frozen=True):
    flow: ClassVar[Flow] = "conflate"


class Stuck:
    """A signed-in client that stops reading when told to."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def connect(self, url: str, auth: dict) -> "Stuck":
        self.socket = await self._session.ws_connect(
            url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", max_msg_size=0
        )
        await self.socket.receive()
        await self.socket.send_str("40" + json.dumps(auth))
        self.received: list[tuple[str, dict, str]] = []
        while True:
            text = await self._receive()
            if text.startswith("40"):
                self.pid = json.loads(text[2:])["pid"]
            else:
                self.note(text)
                if self.received[-1][0] == "session.ready":
                    return self

    async def _receive(self) -> str:
        """Return the next message that is not a ping, and answer pings."""
        while (text := (await self.socket.receive()).data) == "2":
            await self.socket.send_str("3")
        return text

    def note(self, text: str) -> None:
        if text.startswith("42"):
            event, push, *offset = json.loads(text[2:])
            self.received.append((event, push, offset[0] if offset else ""))

    async def call(self, method: str, **argument) -> None:
        await self.socket.send_str("421" + json.dumps([method, argument]))
        while not (text := await self._receive()).startswith("431"):
            self.note(text)

    def stop_reading(self) -> None:
        self.socket._response.connection.transport.pause_reading()

    async def read_to_the_end(self) -> None:
        self.socket._response.connection.transport.resume_reading()
        while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            assert message.data != "41", "a slow client must not get DISCONNECT: it would not reconnect"
            self.note(message.data)


@pytest.fixture
async def stuck(cluster: Cluster, person):
    """Return a reader on node a who watches a post of Alice's, and the name of its room."""
    alice, reader = await person("alice"), await person("reader")
    post = await alice.call("post.create", text="hot")
    await reader.close()
    async with aiohttp.ClientSession() as session:
        client = await Stuck(session).connect(cluster.url("a"), {"token": reader.token})
        await client.call("post.watch", post_id=post["id"])
        client.id, client.token = int(reader.id), reader.token
        yield client, POST.channel(int(post["id"])), alice, post


def socket_of(cluster: Cluster, user_id: int):
    [member] = cluster.node_a.parts.members.of_user(user_id)
    return member._socket


async def test_a_client_that_does_not_read_is_closed_at_the_bound_and_recovers(cluster: Cluster, stuck):
    client, room, alice, post = stuck
    await alice.call("post.watch", post_id=post["id"])
    socket = socket_of(cluster, client.id)
    client.stop_reading()
    sent, most = 0, 0
    while not socket.closed:
        sent += 1
        await cluster.stores.broadcaster.publish(room, Loud(id=f"loud:{post['id']}:{sent}", post_id="1"))
        most = max(most, socket.outbound_bytes)
        assert sent < 20_000
    assert most < MAX_OUTBOUND + 100_000
    assert not cluster.node_a.parts.members.of_user(client.id)
    await alice.expect("post.deleted", id=f"loud:{post['id']}:{sent}")
    await client.read_to_the_end()
    had = [push["id"] for event, push, _ in client.received if event == "post.deleted"]
    last = client.received[-1][2]
    async with aiohttp.ClientSession() as session:
        auth = {"token": client.token, "pid": client.pid, "offset": last}
        returned = await Stuck(session).connect(cluster.url("b"), auth)
    had += [push["id"] for event, push, _ in returned.received if event == "post.deleted"]
    assert had == [f"loud:{post['id']}:{number}" for number in range(1, sent + 1)]
    assert returned.received[-1][1]["recovered"] is True


async def test_a_slow_reader_gets_the_newest_conflated_push_and_no_ephemeral_ones(cluster: Cluster, stuck):
    client, room, alice, post = stuck
    await alice.call("post.watch", post_id=post["id"])
    socket = socket_of(cluster, client.id)
    client.stop_reading()
    number = 0
    while socket.outbound_bytes < MAX_OUTBOUND // 2:  # much more than the network can still take
        number += 1
        await cluster.stores.broadcaster.publish(room, Loud(id=f"fill:{post['id']}:{number}", post_id="1"))
    await alice.expect("post.deleted", id=f"fill:{post['id']}:{number}")
    full = socket.outbound_bytes
    for each in range(100):
        await cluster.stores.broadcaster.publish(room, Passing(id=f"passing:{each}", post_id="1"))
        await cluster.stores.broadcaster.publish(room, Latest(id=f"latest:{each}", post_id="1"))
    await cluster.settle()
    assert socket.outbound_bytes <= full
    client.socket._response.connection.transport.resume_reading()
    while not client.received or client.received[-1][1]["id"] != "latest:99":
        client.note((await client.socket.receive()).data)
    kinds = [push["id"].partition(":")[0] for event, push, _ in client.received if event == "post.deleted"]
    assert kinds.count("fill") == number
    assert kinds.count("latest") <= 2
    assert kinds.count("passing") <= 1


async def test_a_client_that_answers_pings_but_does_not_read_is_closed(cluster: Cluster, person, node):
    impatient = await node(ping_interval=0.5, ping_timeout=2.0)
    alice, reader = await person("alice"), await person("reader")
    post = await alice.call("post.create", text="hot")
    slow = CLOSED.labels("slow")
    async with aiohttp.ClientSession() as session:
        client = await Stuck(session).connect(cluster.url(impatient), {"token": reader.token})
        await client.call("post.watch", post_id=post["id"])
        [member] = cluster.node(impatient).parts.members.of_user(int(reader.id))
        socket, cut_off = member._socket, slow._value.get()
        client.stop_reading()
        number = 0
        async with asyncio.timeout(30):
            while not socket.closed:
                if socket._awaits_pong:
                    await client.socket.send_str("3")
                    while socket._awaits_pong and not socket.closed:
                        await asyncio.sleep(0.01)
                elif not socket.is_behind:
                    number += 1
                    loud = Loud(id=f"l:{post['id']}:{number}", post_id="1")
                    await cluster.stores.broadcaster.publish(POST.channel(int(post["id"])), loud)
                else:
                    await asyncio.sleep(0.01)
    assert slow._value.get() == cut_off + 1


async def test_an_unfinished_handshake_is_closed(cluster: Cluster, monkeypatch, node):
    monkeypatch.setattr("engine.http.PATIENCE_S", 0.2)
    monkeypatch.setattr("engine.http.LOOK_EVERY_S", 0.05)
    host, port = "127.0.0.1", cluster.ports[await node()]
    reader, writer = await asyncio.open_connection(host, port)
    silent, other = await asyncio.open_connection(host, port)
    async with asyncio.timeout(WAIT_S):
        writer.write(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while not reader.at_eof():
            writer.write(b"y")
            try:
                await asyncio.wait_for(reader.read(1), 0.05)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert await silent.read() == b""
    writer.close()
    other.close()


async def test_a_flood_of_calls_is_refused_and_then_closed(cluster: Cluster, person, node):
    rated = await node(limit_calls="10/second")
    bob = await person("bob")
    async with aiohttp.ClientSession() as session:
        client = await Stuck(session).connect(cluster.url(rated), {"token": bob.token})
        for _ in range(2_000):
            await client.socket.send_str('42["system.ping"]')
        async with asyncio.timeout(WAIT_S):
            while (await client.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
