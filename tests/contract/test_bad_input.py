"""Invalid input: a clear error that names the field, no write, no traceback, and no effect on other clients."""

import asyncio
import json

import aiohttp
import msgpack
import pytest

from engine.socket import EngineSocket
from gateway.connection import ANONYMOUS_BOUNDS
from tests.cluster import Cluster
from tests.patience import WAIT_S

CODECS = ("json", "msgpack")


class Raw:
    """A WebSocket on which the test writes raw frames."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse, codec: str) -> None:
        self.web_socket = web_socket
        self.codec = codec

    async def connect(self, token: str | None) -> None:
        await self.web_socket.receive()  # OPEN
        auth = {"token": token} if token else {}
        if self.codec == "json":
            await self.web_socket.send_str("40" + json.dumps(auth))
        else:
            await self.web_socket.send_bytes(msgpack.packb({"type": 0, "nsp": "/", "data": auth}))
        for _ in range(2):  # CONNECT, session.ready
            await self.web_socket.receive()

    async def event(self, method: str, encoded: bytes) -> dict:
        """Call with an encoded argument, valid or not; return the answer."""
        if self.codec == "json":
            await self.web_socket.send_str(f'421["{method}",' + encoded.decode("utf-8", "surrogatepass") + "]")
            message = await self.web_socket.receive(timeout=WAIT_S)
            return json.loads(message.data[3:])[0]
        head = b"\x84\xa4type\x02\xa4data\x92" + msgpack.packb(method) + encoded
        await self.web_socket.send_bytes(head + b"\xa3nsp\xa1/\xa2id\x01")
        message = await self.web_socket.receive(timeout=WAIT_S)
        return msgpack.unpackb(message.data)["data"][0]

    def encode(self, value) -> bytes:
        return json.dumps(value).encode() if self.codec == "json" else msgpack.packb(value)

    async def ends(self) -> None:
        """Wait until the server closes the connection."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self.web_socket.receive()
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                    return


@pytest.fixture
async def raw(cluster: Cluster, person):
    session = aiohttp.ClientSession()

    async def open_socket(codec: str, token: str | None) -> Raw:
        url = f"{cluster.url()}/socket.io/?EIO=4&transport=websocket"
        socket = Raw(await session.ws_connect(url, max_msg_size=0), codec)
        await socket.connect(token)
        return socket

    yield open_socket
    await session.close()


BAD_POSTS = [
    ({"text": 5}, "text"),
    ({"text": None}, "text"),
    ({"text": ["x"]}, "text"),
    ({}, "text"),
    ({"text": "x", "extra": 1}, "extra"),
    ({"text": "x" * 5_001}, "text"),
    ({"text": "a\x00b"}, "text"),
    ({"text": "x", "visibility": 3}, "visibility"),
    ({"text": "x", "circle_id": 5}, "circle_id"),
    ({"text": "x", "circle_id": "-5"}, "circle_id"),
    ({"text": "x", "circle_id": "9999999999999999999"}, "circle_id"),
    ({"text": "x", "circle_id": "5\n"}, "circle_id"),
    ({"text": "x", "media_ids": [None]}, "media_ids[0]"),
    ({"text": "x", "media_ids": ["1"] * 11}, "media_ids"),
    ({"text": "x", "idempotency_key": "a\x00"}, "idempotency_key"),
    ([], "$"),
    ("text", "$"),
    (7, "$"),
    (True, "$"),
]


@pytest.mark.parametrize("codec", CODECS)
async def test_bad_arguments_name_their_field_and_write_nothing(cluster: Cluster, person, raw, codec, capfd):
    alice = await person("alice")
    socket = await raw(codec, alice.token)
    for argument, field in BAD_POSTS:
        answer = await socket.event("post.create", socket.encode(argument))
        assert answer["ok"] is False, argument
        error = answer["error"]
        assert error["code"] == "INVALID_ARGUMENT", argument
        assert [detail["field"] for detail in error["details"]] == [field], argument
    assert (await alice.call("user.me"))["post_count"] == 0
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("codec", "encoded"),
    [
        ("json", b'{"text":"\\ud800"}'),
        ("json", b'{"text":"x\\udfff and more text after it"}'),
        ("json", b'{"text":"a\\u0000b"}'),
        ("msgpack", b"\x81\xa4text\xa3\xed\xa0\x80"),
        ("msgpack", b"\x81\xa4text\xa3a\x00b"),
        ("msgpack", b"\x81\xa4text\xc4\x03abc"),
        ("msgpack", b"\x81\xa4text\xd4\x00\x00"),
        ("msgpack", b"\x81\xa4text\xd4\x07\x00"),
        ("msgpack", b"\x81\xa4text\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("msgpack", b"\x81\xa4text\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ],
)
async def test_bad_text_in_either_codec(cluster: Cluster, person, raw, codec, encoded, capfd):
    alice = await person("alice")
    socket = await raw(codec, alice.token)
    answer = await socket.event("post.create", encoded)
    assert answer["error"]["code"] == "INVALID_ARGUMENT"
    assert answer["error"]["details"][0]["field"] in ("text", "$")
    assert (await alice.call("user.me"))["post_count"] == 0
    assert "Traceback" not in capfd.readouterr().err


def json_event(body: str) -> str:
    return "42" + body


UNREADABLE = [
    ("json", json_event('["post.create",' + "[" * 100_000 + "]" * 100_000 + "]")),
    ("json", json_event("{")),
    ("json", json_event("[]")),
    ("json", json_event("[5]")),
    ("json", json_event('["\\ud800')),
    ("json", "49"),
    ("json", "4"),
    ("json", "4x"),
    ("json", "45-[]"),
    ("json", "451-"),
    ("json", '4599-["a"]'),
    ("json", "40"),
    ("json", '44{"message":"x"}'),
    ("json", b"\x00\x01"),
    ("json", "9"),
    ("json", ""),
    ("msgpack", b""),
    ("msgpack", b"\xc1"),
    ("msgpack", b"\x81\xa4type\x09"),
    ("msgpack", b"\x82\xa4type\x02\xa4data\xc0"),
    ("msgpack", b"\x82\xa4type\x02\xa4data" + b"\x91" * 100_000 + b"\x90"),
    ("msgpack", b"\x82\xa4type\x02\xa4data\x92\xa1a" + b"\x91" * 100_000 + b"\x90"),
    ("msgpack", b"\x82\xa4type\x02\xa4data\x91\xff"),
    ("msgpack", b"\x81\xa4type\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("msgpack", json_event('["system.ping"]')),
]


@pytest.mark.parametrize(("codec", "frame"), UNREADABLE, ids=range(len(UNREADABLE)))
async def test_an_unreadable_envelope_closes_only_that_connection(cluster: Cluster, person, raw, codec, frame, capfd):
    alice = await person("alice")
    socket, bystander = await raw(codec, alice.token), await raw(codec, alice.token)
    if isinstance(frame, str):
        await socket.web_socket.send_str(frame)
    else:
        await socket.web_socket.send_bytes(frame)
    await socket.ends()
    answer = await bystander.event("system.ping", bystander.encode({}))
    assert answer["ok"] is True
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("codec", CODECS)
async def test_a_frame_above_a_mebibyte_closes_with_1009(cluster: Cluster, person, raw, codec):
    alice = await person("alice")
    socket, bystander = await raw(codec, alice.token), await raw(codec, alice.token)
    if codec == "json":
        await socket.web_socket.send_str("42" + "x" * 1024 * 1024)
    else:
        await socket.web_socket.send_bytes(b"x" * (1024 * 1024 + 1))
    await socket.ends()
    assert socket.web_socket.close_code == 1009
    assert (await bystander.event("system.ping", bystander.encode({})))["ok"] is True


async def test_an_event_before_connect_closes(cluster: Cluster, person):
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{cluster.url()}/socket.io/?EIO=4&transport=websocket")
        await socket.receive()
        await socket.send_str('42["system.ping"]')
        await Raw(socket, "json").ends()


async def test_placeholders_without_attachments(cluster: Cluster, person, raw):
    alice = await person("alice")
    socket = await raw("json", alice.token)
    await socket.web_socket.send_str('451-1["post.create",{"text":{"_placeholder":true,"num":7}}]')
    await socket.web_socket.send_bytes(b"abc")
    [answer] = json.loads((await socket.web_socket.receive(timeout=WAIT_S)).data[3:])
    assert answer["error"]["details"][0]["field"] == "text"


@pytest.mark.parametrize("body", ["x", "4", "4x", "\x1e", "4" + "y" * 100, b"\xff\xfe", "b%%%"])
async def test_unreadable_polling_payloads(cluster: Cluster, person, body):
    async with aiohttp.ClientSession() as session:
        url = f"{cluster.url()}/socket.io/?EIO=4&transport=polling"
        async with session.get(url) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        async with session.post(f"{url}&sid={sid}", data=body) as response:
            assert response.status in (200, 400)
        async with session.get(f"{url}&sid={sid}") as response:
            assert response.status in (200, 400)


async def test_a_polling_payload_with_more_packets_than_the_rate_of_a_second(cluster: Cluster, person, monkeypatch):
    looked_at = []
    received = EngineSocket.text_received
    monkeypatch.setattr(EngineSocket, "text_received", lambda *what: looked_at.append(what) or received(*what))
    most = ANONYMOUS_BOUNDS.packets_per_s
    async with aiohttp.ClientSession() as session:
        url = f"{cluster.url()}/socket.io/?EIO=4&transport=polling"
        for packets, status in ((most, 200), (most + 1, 400), (1024 * 1024, 400)):
            looked_at.clear()
            async with session.get(url) as response:
                sid = json.loads((await response.text())[1:])["sid"]
            async with session.post(f"{url}&sid={sid}", data="\x1e" * (packets - 1)) as response:
                assert response.status == status
            async with session.get(f"{url}&sid={sid}") as response:
                assert response.status == 400
            assert len(looked_at) == (1 if status == 200 else 0)  # an empty packet ends the socket


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("user.get", {"user_id": "x"}, "user_id"),
        ("user.list", {"user_ids": ["1"] * 101}, "user_ids"),
        ("user.list", {"user_ids": "1"}, "user_ids"),
        ("graph.mute", {"user_id": "1", "kind": "loud"}, "kind"),
        ("graph.mute", {"user_id": "1", "until": "yesterday"}, "until"),
        ("graph.followers", {"user_id": "1", "limit": 0}, "limit"),
        ("graph.followers", {"user_id": "1", "limit": 101}, "limit"),
        ("post.edit", {"post_id": "1", "version": 0, "text": "x"}, "version"),
        ("post.edit", {"post_id": "1", "version": 2**40, "text": "x"}, "version"),
        ("feed.get", {"mode": "best"}, "mode"),
        ("feed.get", {"cursor": ""}, "cursor"),
        ("session.revoke", {"session_id": None}, "session_id"),
    ],
)
async def test_bad_arguments_of_other_methods(cluster: Cluster, person, method, arguments, field):
    alice = await person("alice", kind="python-json")
    failed = await alice.refused(method, **arguments)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
