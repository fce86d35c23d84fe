"""Attacks and races that once broke recovery, kept as regression tests."""

import asyncio
import json

import aiohttp
import pytest

from channels.members import Member
from domain.post_channels import POST
from protocol.posts import PostDeleted
from tests.cluster import Cluster
from tests.engine.test_slow_readers import Loud, Stuck
from tests.patience import WAIT_S

PATH = "/socket.io/?EIO=4&transport=websocket"


async def connected(cluster: Cluster, session: aiohttp.ClientSession, auth: dict, node: str = "a") -> Stuck:
    return await Stuck(session).connect(cluster.url(node), auth)


def holders(cluster: Cluster, pid: str) -> list[Member]:
    return [member for name in "ab" for member in cluster.node(name).parts.members.of_pid(pid)]


def text_frame(text: str) -> bytes:
    """Return a frame masked as clients must."""
    data = text.encode()
    length = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + data


@pytest.mark.parametrize("behind", ["1", "9", "41", "4x"])
async def test_a_socket_that_closes_right_after_connect_leaves_no_state(cluster: Cluster, person, monkeypatch, behind):
    monkeypatch.setattr("engine.socket.LINGER_S", 0.1)
    alice = await person("alice", node="b")
    members = cluster.node_a.parts.members
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.ports["a"])
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text_frame("40" + json.dumps({"token": alice.token})) + text_frame(behind))
        async with asyncio.timeout(WAIT_S):
            while await reader.read(1_000):
                pass
        writer.close()
    other = await cluster.again(alice, node="a")
    assert len(members.of_user(int(other.id))) == 1


async def test_only_one_socket_stays_after_concurrent_recoveries(cluster: Cluster, person):
    alice = await person("alice")
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            first = await connected(cluster, session, {"token": alice.token})
            auth = {"token": alice.token, "pid": first.pid, "offset": first.received[-1][2]}

            async def come_back(node: str, auth=auth):
                try:
                    return await connected(cluster, session, auth, node)
                except (TypeError, AttributeError):  # closed instead of connected
                    return None

            back = [each for each in await asyncio.gather(*(come_back(node) for node in "abab")) if each is not None]
            async with asyncio.timeout(WAIT_S):
                while len(holders(cluster, first.pid)) > 1:
                    await asyncio.sleep(0.01)
            # A moment later only one is open: the replaced sockets have closed.
            [one] = holders(cluster, first.pid)
            await cluster.settle(alice)
            assert holders(cluster, first.pid) == [one]
            for each in back:
                await each.socket.close()


async def test_a_disconnect_of_another_tab_does_not_end_the_recovery_of_the_first(cluster: Cluster, person):
    alice = await person("alice", node="b")
    async with aiohttp.ClientSession() as session:
        one = await connected(cluster, session, {"token": alice.token})
        two = await connected(cluster, session, {"token": alice.token})
        await alice.close()
        one.socket._response.connection.transport.abort()
        await two.socket.send_str("41")
        while cluster.node_a.parts.members.of_user(int(alice.id)):
            await asyncio.sleep(0.01)
        missed = PostDeleted(id=f"missed:{alice.id}", post_id="1")
        await cluster.stores.broadcaster.publish_to_users([int(alice.id)], missed)
        third = await connected(cluster, session, {"token": alice.token})
        auth = {"token": alice.token, "pid": one.pid, "offset": one.received[-1][2]}
        back = await connected(cluster, session, auth)
        assert back.received[-1][1]["recovered"] is True
        assert [push["id"] for event, push, _ in back.received if event == "post.deleted"] == [missed.id]
        await third.socket.close()


async def test_a_replay_larger_than_the_outbound_bound(cluster: Cluster, person):
    alice = await person("alice", node="b")
    post = await alice.call("post.create", text="open")
    room = POST.channel(int(post["id"]))
    async with aiohttp.ClientSession() as session:
        first = await connected(cluster, session, {"token": alice.token})
        await first.call("post.watch", post_id=post["id"])
        first.socket._response.connection.transport.abort()
        ids = [f"l:{post['id']}:{number}" for number in range(1_500)]  # three megabytes
        for push_id in ids:
            await cluster.stores.broadcaster.publish(room, Loud(id=push_id, post_id="1"))
        auth = {"token": alice.token, "pid": first.pid, "offset": first.received[-1][2]}
        back = await connected(cluster, session, auth, node="b")
        assert back.received[-1][1]["recovered"] is True
        assert [push["id"] for event, push, _ in back.received if event == "post.deleted"] == ids


async def test_a_flood_of_no_op_packets_closes_the_connection(cluster: Cluster, person, node):
    strict = await node(limit_calls="50/second")
    bob = await person("bob")
    async with aiohttp.ClientSession() as session:
        for nothing in ("6", "431[]", "40/x,"):
            client = await connected(cluster, session, {"token": bob.token}, node=strict)
            for _ in range(20_000):
                try:
                    await client.socket.send_str(nothing)
                except ConnectionError:
                    break
            async with asyncio.timeout(WAIT_S):
                while (await client.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass


async def test_the_total_size_of_attachments_is_bounded(cluster: Cluster, person):
    bob = await person("bob")
    async with aiohttp.ClientSession() as session:
        client = await connected(cluster, session, {"token": bob.token})
        await client.socket.send_str('4515-7["system.ping",{"_placeholder":true,"num":0}]')
        for _ in range(3):
            await client.socket.send_bytes(b"x" * 500_000)
        async with asyncio.timeout(WAIT_S):
            while (await client.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
