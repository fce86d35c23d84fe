"""WebSocket frames that RFC 6455 forbids clients, and unusual ones that it allows, over raw sockets to a node."""

import asyncio
import itertools
import json
import os
from random import Random

import aiohttp
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import gathered_writes
from engine.frames import FrameReader
from engine.gathered_writes import GatheredWrites
from protocol.packets import websocket_frame
from protocol.wire import MAX_PAYLOAD
from tests.cluster import Cluster
from tests.patience import WAIT_S

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=websocket%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def frame(first_byte: int, payload: bytes = b"", *, masked: bool = True, declared: int | None = None) -> bytes:
    """Return a client frame. declared: the length in its head, if it differs."""
    mask = os.urandom(4)
    length = len(payload)
    if declared is not None:
        lengths = bytes([127]) + declared.to_bytes(8, "big")
    elif length < 126:
        lengths = bytes([length])
    elif length < 65_536:
        lengths = bytes([126]) + length.to_bytes(2, "big")
    else:
        lengths = bytes([127]) + length.to_bytes(8, "big")
    if not masked:
        return bytes([first_byte]) + lengths + payload
    sent = bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))
    return bytes([first_byte, lengths[0] | 0x80]) + lengths[1:] + mask + sent


def text(payload: str) -> bytes:
    return frame(FINAL | TEXT, payload.encode())


PING_CALL = '421["system.ping",{}]'


class BareSocket:
    """A WebSocket on which the test writes raw bytes."""

    async def open(self, port: int) -> "BareSocket":
        await self.shake_hands(port)
        opening = (await self.receive())[1]
        self.sid = json.loads(opening[1:])["sid"]
        return self

    async def shake_hands(self, port: int, query: str = "") -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.write(HANDSHAKE % query.encode())
        assert b" 101 " in await self._reader.readuntil(b"\r\n\r\n")

    async def enter(self, token: str | None = None, codec: str = "json") -> None:
        """Send CONNECT. Without a token the client is anonymous, and may call system.ping."""
        auth = {"token": token} if token else {}
        if codec == "json":
            self.send(text("40" + json.dumps(auth)))
        else:
            self.send(frame(FINAL | BINARY, msgpack.packb({"type": 0, "nsp": "/", "data": auth})))
        while b"session.ready" not in (await self.receive())[1]:
            continue

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """Return the first byte and the payload of the next frame."""
        async with asyncio.timeout(WAIT_S):
            first, length = await self._reader.readexactly(2)
            if length > 125:
                length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
            return first, await self._reader.readexactly(length)

    async def has_read_more(self) -> bool:
        """Whether more than the received frames arrived with them. Loses a byte if so."""
        try:
            async with asyncio.timeout(0):
                return bool(await self._reader.read(1))
        except TimeoutError:
            return False

    async def answer(self) -> dict:
        first, payload = await self.receive()
        assert (first, payload[:3]) == (FINAL | TEXT, b"431")
        return json.loads(payload[3:])[0]

    async def answered_or_closed(self) -> None:
        try:
            await self.receive()
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def close_code(self) -> int | None:
        """Return the code of the server's close frame, its last one; None if it hangs up without one."""
        code = None
        try:
            while True:
                first, payload = await self.receive()
                assert code is None, "a frame followed the close"
                if first == FINAL | CLOSE:
                    code = int.from_bytes(payload[:2], "big")
        except (asyncio.IncompleteReadError, ConnectionError):
            return code

    async def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def bare(cluster: Cluster):
    [token] = await cluster.tokens([cluster.unique("bare")])
    socket = await BareSocket().open(cluster.ports["a"])
    await socket.enter(token)
    yield socket
    await socket.close()


REFUSED = {
    "text without a mask": (frame(FINAL | TEXT, PING_CALL.encode(), masked=False), 1002),
    "binary without a mask": (frame(FINAL | BINARY, b"\x80", masked=False), 1002),
    "a ping without a mask": (frame(FINAL | PING, b"?", masked=False), 1002),
    "a close without a mask": (frame(FINAL | CLOSE, b"\x03\xe8", masked=False), 1002),
    "nothing without a mask": (frame(FINAL | TEXT, masked=False), 1002),
    "the head of a long frame without a mask": (bytes([FINAL | TEXT, 127]), 1002),
    "a continuation without a mask": (frame(TEXT, b"42") + frame(FINAL | CONTINUED, b"1", masked=False), 1002),
    "reserved bit 1": (frame(FINAL | 0x40 | TEXT, b"2"), 1002),
    "reserved bit 2": (frame(FINAL | 0x20 | TEXT, b"2"), 1002),
    "reserved bit 3": (frame(FINAL | 0x10 | TEXT, b"2"), 1002),
    "reserved bit 1 of a ping": (frame(FINAL | 0x40 | PING), 1002),
    "reserved bit 1 of a continuation": (frame(TEXT, b"42") + frame(FINAL | 0x40 | CONTINUED, b"1"), 1002),
    "unknown data frame": (frame(FINAL | 0x3, b"2"), 1002),
    "unknown last data frame": (frame(FINAL | 0x7, b"2"), 1002),
    "unknown control frame": (frame(FINAL | 0xB, b"2"), 1002),
    "unknown last control frame": (frame(FINAL | 0xF, b"2"), 1002),
    "a ping in parts": (frame(PING, b"?"), 1002),
    "a close in parts": (frame(CLOSE, b"\x03\xe8"), 1002),
    "a ping of 126 bytes": (frame(FINAL | PING, b"?" * 126), 1002),
    "a pong of 70,000 bytes": (frame(FINAL | PONG, b"?" * 70_000), 1002),
    "a close of 126 bytes": (frame(FINAL | CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "a continuation of nothing": (frame(FINAL | CONTINUED, b"2"), 1002),
    "a continuation of nothing, not the last": (frame(CONTINUED, b"2"), 1002),
    "a continuation of what has ended": (
        frame(TEXT, b"421[") + frame(FINAL | CONTINUED, b'"system.ping"]') + frame(FINAL | CONTINUED, b"2"),
        1002,
    ),
    "a message inside a message": (frame(TEXT, b"42") + text(PING_CALL), 1002),
    "a message begins inside a message": (frame(TEXT, b"42") + frame(TEXT, b"1"), 1002),
    "a binary message inside a text": (frame(TEXT, b"42") + frame(FINAL | BINARY, b"\x80"), 1002),
    "a message inside one that began with nothing": (frame(TEXT) + text(PING_CALL), 1002),
    "a message begins inside one that began with nothing": (frame(TEXT) + frame(BINARY), 1002),
    "text that is not UTF-8": (frame(FINAL | TEXT, b"42\xff"), 1007),
    "text with a surrogate": (frame(FINAL | TEXT, b"42\xed\xa0\x80"), 1007),
    "text that ends inside a letter": (frame(FINAL | TEXT, b"42\xd9"), 1007),
    "text in parts that ends inside a letter": (frame(TEXT, b"42") + frame(FINAL | CONTINUED, b"\xd9"), 1007),
    "a close of one byte": (frame(FINAL | CLOSE, b"\x03"), 1002),
    "a close whose reason is not UTF-8": (frame(FINAL | CLOSE, b"\x03\xe8\xff"), 1007),
    **{
        f"close code {code}": (frame(FINAL | CLOSE, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "a frame above the limit": (frame(FINAL | TEXT, declared=MAX_PAYLOAD + 1), 1009),
    "a frame above the limit, sent whole": (text("4" * (MAX_PAYLOAD + 1)), 1009),
    "a frame above what 63 bits hold": (frame(FINAL | TEXT, declared=2**64 - 1), 1009),
    "a message above the limit in parts": (
        frame(TEXT, b"4" * (MAX_PAYLOAD // 2)) + frame(CONTINUED, b"4" * (MAX_PAYLOAD // 2)) + frame(CONTINUED, b"4"),
        1009,
    ),
    "a message above the limit by what its last part declares": (
        frame(TEXT, b"4") + frame(FINAL | CONTINUED, declared=MAX_PAYLOAD),
        1009,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_forbidden_frame_closes_the_connection(bare: BareSocket, what: str):
    sent, code = REFUSED[what]
    bare.send(sent)
    assert await bare.close_code() == code


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
async def test_a_close_is_answered_with_a_close(bare: BareSocket, code: int):
    bare.send(frame(FINAL | CLOSE, code.to_bytes(2, "big") + "إلى اللقاء".encode()))
    assert await bare.close_code() == 1000


async def test_a_close_without_a_code_is_answered_with_a_close(bare: BareSocket):
    bare.send(frame(FINAL | CLOSE))
    assert await bare.close_code() == 1000


async def test_a_client_with_unread_output_gets_nothing_after_the_close(cluster: Cluster, bare: BareSocket):
    socket = next(each for each in cluster.node_a.socket_server.sockets if each.sid == bare.sid)
    push = websocket_frame(FINAL | TEXT, b"x" * 10_000)
    while not socket.is_behind:
        socket.write(push)
        await asyncio.sleep(0)
    bare.send(frame(FINAL | TEXT, b"3", masked=False))
    socket.write(push)
    while not socket.closed:
        await asyncio.sleep(0)
    socket.write(push)
    assert await bare.close_code() == 1002


async def test_a_refused_frame_of_a_probe_does_not_affect_polling(cluster: Cluster):
    url = f"{cluster.url()}/socket.io/?EIO=4&transport=polling"
    async with aiohttp.ClientSession() as session:
        sid = json.loads((await (await session.get(url)).text())[1:])["sid"]
        for _ in range(2):
            probe = BareSocket()
            await probe.shake_hands(cluster.ports["a"], f"&sid={sid}")
            probe.send(frame(FINAL | TEXT, b"2probe"))
            assert await probe.receive() == (FINAL | TEXT, b"3probe")
            probe.send(frame(FINAL | TEXT, b"5", masked=False))
            assert await probe.close_code() == 1002
        assert await (await session.post(f"{url}&sid={sid}", data="40")).text() == "ok"
        assert (await (await session.get(f"{url}&sid={sid}")).text()).startswith("40")


async def test_frames_after_a_refused_frame_are_ignored(bare: BareSocket):
    bare.send(frame(FINAL | TEXT, b"2", masked=False) + text(PING_CALL))
    assert await bare.close_code() == 1002


CALL = PING_CALL.encode()
ALLOWED = {
    "whole": text(PING_CALL),
    "in two parts": frame(TEXT, CALL[:5]) + frame(FINAL | CONTINUED, CALL[5:]),
    "a byte a part": frame(TEXT)
    + b"".join(frame(CONTINUED, bytes([byte])) for byte in CALL)
    + frame(FINAL | CONTINUED),
    "in parts that begin with nothing": frame(TEXT) + frame(FINAL | CONTINUED, CALL),
    "in parts of which the last is nothing": frame(TEXT, CALL) + frame(FINAL | CONTINUED),
    **{f"{length} bytes": text('421["system.ping"' + " " * (length - 18) + "]") for length in (125, 126)},
}
LARGE = {length: '421["system.ping"' + " " * (length - 18) + "]" for length in (65_535, 65_536, MAX_PAYLOAD)}


@pytest.mark.parametrize("how", ALLOWED)
async def test_a_call_is_answered_however_it_is_fragmented(bare: BareSocket, how: str):
    bare.send(ALLOWED[how])
    assert (await bare.answer())["ok"]


@pytest.mark.parametrize("length", LARGE)
async def test_a_call_larger_than_its_fields_is_answered_and_refused(bare: BareSocket, length: int):
    bare.send(text(LARGE[length]))
    assert (await bare.answer())["error"]["details"][0]["field"] == "$"


async def test_a_message_of_the_largest_size_may_be_fragmented(bare: BareSocket):
    call = LARGE[MAX_PAYLOAD].encode()
    bare.send(
        frame(TEXT, call[:1_000]) + frame(CONTINUED, call[1_000:70_000]) + frame(FINAL | CONTINUED, call[70_000:])
    )
    assert (await bare.answer())["error"]["code"] == "INVALID_ARGUMENT"


async def test_a_character_may_be_split_between_fragments(bare: BareSocket):
    call = '421["system.ping",{"س":1}]'.encode()
    cut = call.index("س".encode()) + 1
    bare.send(frame(TEXT, call[:cut]) + frame(FINAL | CONTINUED, call[cut:]))
    assert (await bare.answer())["error"]["code"] == "INVALID_ARGUMENT"


async def test_pings_may_come_between_fragments(bare: BareSocket):
    asked = bytes(range(125))
    bare.send(
        frame(TEXT, CALL[:5]) + frame(FINAL | PING, asked) + frame(FINAL | PONG) + frame(FINAL | CONTINUED, CALL[5:])
    )
    assert await bare.receive() == (FINAL | PONG, asked)
    assert (await bare.answer())["ok"]


async def test_many_calls_in_one_write_are_all_answered(bare: BareSocket):
    bare.send(text(PING_CALL) * 40)
    for _ in range(40):
        assert (await bare.answer())["ok"]


@pytest.mark.parametrize(
    "end",
    [
        frame(FINAL | CLOSE, (1000).to_bytes(2, "big")),
        frame(FINAL | TEXT, b"2", masked=False),
        frame(FINAL | TEXT, b"\xff"),
        text("1"),
        text("41"),
    ],
    ids=["close", "broken frame", "broken text", "Engine.IO close", "Socket.IO disconnect"],
)
async def test_answers_to_calls_of_the_same_read_come_before_the_end(bare: BareSocket, end: bytes):
    bare.send(text(PING_CALL) * 3 + end)
    for _ in range(3):
        assert (await bare.answer())["ok"]
    while (await bare.receive())[0] != FINAL | CLOSE:
        continue


class Transport(asyncio.Transport):
    """Keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))


def test_writes_are_gathered_up_to_a_bound():
    transport = Transport()
    gathered = GatheredWrites(transport)
    gathered.write(b"a")
    gathered.write(b"b")
    assert (transport.written, gathered.get_write_buffer_size()) == ([], 2)
    gathered.write(b"c" * gathered_writes.LARGEST)
    assert [len(each) for each in transport.written] == [gathered_writes.LARGEST + 2]
    gathered.write(b"d")
    gathered.flush()
    gathered.flush()
    assert transport.written[1:] == [b"d"]


async def test_endless_empty_fragments_are_a_flood(cluster: Cluster, node):
    bare = await BareSocket().open(cluster.ports[await node(limit_calls="10/second")])
    bare.send(frame(TEXT) + frame(CONTINUED) * 3_000)
    assert await bare.close_code() is None


MESSAGES = st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), max_size=20)


class Heard(list[object]):
    """Records what a FrameReader reports, and pauses it after some messages."""

    held = 0
    reader: FrameReader

    def __init__(self, choices: Random) -> None:
        super().__init__()
        self._choices = choices

    def text_received(self, message: str | bytes) -> None:
        assert not self.reader.is_paused
        self.append(message)
        self.reader.is_paused = self._choices.random() < 0.3

    bytes_received = ping_received = text_received

    def part_received(self) -> None:
        return

    def pong_received(self) -> None:
        return

    def hold_writes(self) -> None:
        self.held += 1

    def release_writes(self) -> None:
        self.held -= 1


@given(messages=MESSAGES, choices=st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_messages_arrive_whole_however_frames_and_reads_are_split(messages: list[str | bytes], choices: Random):
    sent = b""
    for message in messages:
        opcode, payload = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        cuts = sorted(choices.sample(range(len(payload)), min(choices.randrange(4), len(payload))))
        parts = [payload[start:end] for start, end in itertools.pairwise((0, *cuts, len(payload)))]
        for index, part in enumerate(parts):
            sent += frame((opcode if index == 0 else CONTINUED) | (FINAL if index == len(parts) - 1 else 0), part)
            sent += frame(FINAL | PONG, b"?") if choices.random() < 0.2 else b""
    heard = Heard(choices)
    reader = heard.reader = FrameReader(heard, MAX_PAYLOAD)
    while sent:
        size = choices.choice((1, 2, 3, 5, 8, 100, 65_536))
        reader.feed(sent[:size])
        assert heard.held == 0
        while reader.is_paused:
            reader.is_paused = False
            reader.feed(b"")
        sent = sent[size:]
    assert heard == messages
