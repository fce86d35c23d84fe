"""Details of Socket.IO's own server that clients in other languages rely on, tested on the wire."""

import asyncio
import base64
import json

import aiohttp
import msgpack
import pytest

from engine.polling import MOST_PACKETS_A_GET, SEPARATOR
from tests.cluster import Cluster
from tests.contract.test_attacks import polling
from tests.contract.test_coming_back import arrive, come_back, leave
from tests.contract.test_live_rooms import open_room
from tests.engine.test_framing import BINARY, FINAL, TEXT, BareSocket, frame, text
from tests.patience import WAIT_S


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def posted(http: aiohttp.ClientSession, url: str, body: str) -> str:
    async with http.post(url, data=body) as response:
        assert response.status == 200
        return await response.text()


async def fetched(http: aiohttp.ClientSession, url: str) -> list[str]:
    async with http.get(url) as response:
        assert response.status == 200
        return (await response.text()).split(SEPARATOR)


async def entered(http: aiohttp.ClientSession, cluster: Cluster, token: str | None = None) -> str:
    """Return the URL of a polling session that is connected and ready."""
    url = await polling(http, cluster)
    await posted(http, url, "40" + json.dumps({"token": token} if token else {}))
    received: list[str] = []
    while not any("session.ready" in packet for packet in received):
        received += await fetched(http, url)
    return url


# ---------------------------------------------------------------------------------------------- polling


async def test_a_get_returns_no_more_packets_than_clients_accept(cluster: Cluster, http):
    url = await entered(http, cluster)
    await posted(http, url, SEPARATOR.join(f'42{number}["system.ping"]' for number in range(40)))
    answers: list[str] = []
    while len(answers) < 40:
        some = await fetched(http, url)
        assert len(some) <= MOST_PACKETS_A_GET
        answers += some
    assert [packet.partition("[")[0] for packet in answers] == [f"43{number}" for number in range(40)]


async def test_a_close_answers_the_waiting_get_and_each_post(cluster: Cluster, http):
    url = await entered(http, cluster)
    waiting = asyncio.create_task(fetched(http, url))
    assert await posted(http, url, "41") == "ok"
    assert await posted(http, url, "1") == "ok"
    assert await waiting == ["6"]


async def test_answers_forbid_caching(cluster: Cluster, http):
    url = await polling(http, cluster)
    responses = [
        await http.post(url, data="40"),
        await http.get(url),
        await http.options(url),
        await http.get(url[:-3]),
    ]
    for response in responses:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("wrap", [76, 10_000], ids=["as Java wraps them", "in one line"])
async def test_base64_may_contain_line_breaks(cluster: Cluster, http, wrap):
    url = await polling(http, cluster)
    packet = msgpack.packb({"type": 0, "nsp": "/", "data": {"unknown": "x" * 200}})
    encoded = base64.b64encode(packet).decode()
    lines = [encoded[start : start + wrap] for start in range(0, len(encoded), wrap)]
    await posted(http, url, "b" + "\r\n".join(lines) + "\n")
    assert (await fetched(http, url))[0].startswith("b")


async def test_a_hot_room_reaches_a_polling_client_packet_by_packet(cluster: Cluster, http, person):
    """Pushes that were gathered into one write are separate packets again."""
    author = await person("author")
    post = await author.call("post.create", text="open")
    [token] = await cluster.tokens([cluster.unique("reader")])
    url = await entered(http, cluster, token)
    await posted(http, url, "421" + json.dumps(["post.watch", {"post_id": post["id"]}]))
    assert (await fetched(http, url))[0].startswith("431")
    delivery = cluster.node_a.parts.bus._delivery
    delivery._gather()  # as when there is much to do
    for version in range(1, 6):
        await author.call("post.edit", post_id=post["id"], version=version, text=f"edit {version}")
    edits: list[str] = []
    while not edits or "edit 5" not in edits[-1]:
        edits += [packet for packet in await fetched(http, url) if "post.edited" in packet]
    assert all(json.loads(packet[2:])[0] == "post.edited" for packet in edits)


# ---------------------------------------------------------------------------------------------- WebSocket


async def test_a_client_that_accepts_only_text_is_answered_in_text(cluster: Cluster):
    socket = BareSocket()
    await socket.shake_hands(cluster.ports["a"], "&b64=1")
    assert (await socket.receive())[1].startswith(b"0")
    packet = msgpack.packb({"type": 0, "nsp": "/", "data": {}})
    socket.send(text("b" + base64.b64encode(packet).decode()))
    first, payload = await socket.receive()
    assert (first, payload[:1]) == (FINAL | TEXT, b"b")
    assert msgpack.unpackb(base64.b64decode(payload[1:]))["type"] == 0
    await socket.close()


async def test_invalid_base64_closes_the_connection(cluster: Cluster):
    socket = await BareSocket().open(cluster.ports["a"])
    socket.send(text("b%%%"))
    assert await socket.close_code() is None


async def test_unsolicited_pongs_and_acknowledgements_are_ignored(cluster: Cluster):
    socket = await BareSocket().open(cluster.ports["a"])
    socket.send(text("3"))  # Rust's client sends it right after OPEN
    await socket.enter()
    socket.send(text("3") + text("437[1]") + text('461-7[{"_placeholder":true,"num":0}]') + frame(FINAL | BINARY, b"x"))
    socket.send(text('421["system.ping",{}]'))
    assert (await socket.answer())["ok"]
    await socket.close()


async def test_an_unsolicited_pong_does_not_end_polling(cluster: Cluster, http):
    url = await entered(http, cluster)
    await posted(http, url, SEPARATOR.join(["3", '421["system.ping"]']))
    assert (await fetched(http, url))[0].startswith("431")


async def test_every_field_of_auth_may_be_a_string(cluster: Cluster, person):
    alice = await person("alice")
    socket = await BareSocket().open(cluster.ports["a"])
    socket.send(text("40" + json.dumps({"token": alice.token, "protocol": "1"})))
    assert (await socket.receive())[1].startswith(b'40{"sid"')
    await socket.close()


@pytest.mark.parametrize("ends", ["auth.logout", "session.revoke"])
async def test_the_last_answer_comes_before_the_transport_closes(cluster: Cluster, person, ends):
    """The server sends DISCONNECT, and later, if the client has not closed the transport, CLOSE before it closes it.

    The Python client drops an answer that it reads together with CLOSE.
    """
    alice = await person("alice")
    [session] = (await alice.call("session.list"))["items"]
    socket = await BareSocket().open(cluster.ports["a"])
    await socket.enter(alice.token)
    socket.send(text("421" + json.dumps([ends, {"session_id": session["id"]} if ends == "session.revoke" else {}])))
    received = []
    async with asyncio.timeout(WAIT_S):
        while not received or received[-1] != b"41":
            received.append((await socket.receive())[1])
        assert not await socket.has_read_more()
        assert (await socket.receive())[1] == b"1"
    assert any(payload.startswith(b"431") for payload in received)
    assert await socket.close_code() == 1000


# ---------------------------------------------------------------------------------------------- recovery and rooms


async def test_a_recovered_socket_keeps_its_id(cluster: Cluster):
    reader = await arrive(cluster)
    before = reader.client.get_sid()
    await leave(cluster, reader)
    back = await come_back(cluster, reader)
    assert back.ready["recovered"] is True
    assert back.client.get_sid() == before
    fresh = await arrive(cluster, like=reader)
    assert fresh.client.get_sid() not in ("", before)


@pytest.mark.parametrize(
    ("act", "reason"), [("room.kick", "kicked"), ("room.ban", "banned"), ("graph.block", "access")]
)
async def test_a_removal_while_away_is_pushed_once(cluster: Cluster, person, act, reason):
    host = await person("host")
    reader = await arrive(cluster)
    room_id = await open_room(host)
    await reader.call("room.join", room_id=room_id)
    await leave(cluster, reader)
    where = {} if act == "graph.block" else {"room_id": room_id}
    await host.call(act, user_id=reader.id, **where)
    await cluster.settle(host)
    back = await come_back(cluster, reader)
    await cluster.settle(back)
    assert [push["reason"] for push in back.heard("room.removed")] == [reason]


@pytest.mark.parametrize("node", ["a", "b"])
async def test_leaving_a_room_leaves_it_on_a_half_open_socket_too(cluster: Cluster, person, node):
    host = await person("host")
    half_open = await arrive(cluster)
    room_id = await open_room(host)
    await half_open.call("room.join", room_id=room_id)
    await host.expect("room.joined")
    newer = await arrive(cluster, node, half_open)
    await newer.call("room.leave", room_id=room_id)
    assert (await host.expect("room.left"))["user_id"] == half_open.id


async def test_a_newer_tab_stays_in_the_room_that_an_older_one_leaves(cluster: Cluster, person):
    host = await person("host")
    older = await arrive(cluster)
    newer = await arrive(cluster, "b", older)
    room_id = await open_room(host)
    await older.call("room.join", room_id=room_id)
    await newer.call("room.join", room_id=room_id)
    await older.call("room.leave", room_id=room_id)
    await cluster.settle(host, newer)
    assert host.heard("room.left") == []
    await newer.call("room.send", room_id=room_id, text="still here")


async def test_undefined_fields_count_as_absent_as_in_json(cluster: Cluster, person):
    alice = await person("alice", kind="python-msgpack")
    undefined = msgpack.ExtType(0, b"\0")
    found = await alice.send("user.get", {"username": alice.name, "cache": undefined})
    assert found["id"] == alice.id
