"""No frame blocks the event loop for long, whatever it carries, from anonymous or signed-in clients."""

import asyncio
import time

import pytest

from gateway.connection import ANONYMOUS_BOUNDS
from protocol.wire import MAX_PAYLOAD
from tests.attacks.corpus import HOSTILE, Hostile, call, packed
from tests.cluster import Cluster
from tests.engine.test_framing import BINARY, FINAL, TEXT, BareSocket
from tests.patience import WAIT_S

HELD_S = 0.02  # of CPU time, so that a busy machine does not matter
TRIES = 3
PING = {"json": call("system.ping", "{}"), "msgpack": packed("system.ping", b"\x80")}


def unmasked(first_byte: int, payload: bytes) -> bytes:
    """Return a frame with a mask of zeros, so that the test needs no masking."""
    return bytes([first_byte, 0xFF]) + len(payload).to_bytes(8, "big") + bytes(4) + payload


def encoded(hostile: Hostile, size: int) -> bytes:
    """Return the frames followed by a ping call, because some of them get no answer."""
    frames = [*hostile.frames(size), *PING[hostile.codec]]
    return b"".join(
        unmasked(FINAL | TEXT, frame.encode()) if isinstance(frame, str) else unmasked(FINAL | BINARY, frame)
        for frame in frames
    )


class Longest:
    """Measures the longest step of the event loop, in seconds of its thread's CPU time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> "Longest":
        self._watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.seconds, before = max(self.seconds, now - before), now


async def held_by(cluster: Cluster, token: str | None, codec: str, data: bytes) -> float:
    socket = await BareSocket().open(cluster.ports["a"])
    await socket.enter(token, codec)
    async with Longest() as longest:
        socket.send(data)
        async with asyncio.timeout(WAIT_S):
            await socket.answered_or_closed()
    await socket.close()
    return longest.seconds


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "anonymous"])
async def test_no_frame_blocks_the_loop(cluster: Cluster, name: str, signed_in: bool):
    hostile = HOSTILE[name]
    size = (MAX_PAYLOAD if signed_in else ANONYMOUS_BOUNDS.payload) - 200
    data = encoded(hostile, size)
    token = (await cluster.tokens([cluster.unique("mallory")]))[0] if signed_in else None
    held = [await held_by(cluster, token, hostile.codec, data) for _ in range(TRIES)]
    assert min(held) < HELD_S


async def test_a_large_message_of_an_anonymous_client_closes_with_1009(cluster: Cluster):
    socket = await BareSocket().open(cluster.ports["a"])
    await socket.enter()
    socket.send(unmasked(FINAL | TEXT, b"4" * (ANONYMOUS_BOUNDS.payload + 1)))
    assert await socket.close_code() == 1009
