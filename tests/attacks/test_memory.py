"""Hostile input leaves nothing in memory: no reference cycles for the rare garbage collection, no larger heap."""

import asyncio
import gc
from pathlib import Path

import pytest

from gateway.connection import ANONYMOUS_BOUNDS
from protocol import errors
from protocol.wire import MAX_PAYLOAD
from tests.attacks.corpus import HOSTILE
from tests.attacks.test_frames import encoded
from tests.cluster import Cluster
from tests.engine.test_framing import BareSocket
from tests.gateway.test_commands import Installation
from tests.patience import WAIT_S

FRAMES = 10_000
AT_ONCE = 20
ROUNDS = 3
GROWTH = 20 * 1024 * 1024  # bytes

REFUSED = [
    ("system.ping", {"unknown": 1}, "INVALID_ARGUMENT"),
    ("no.such.method", {}, "UNIMPLEMENTED"),
    ("post.get", {"post_id": "1"}, "NOT_FOUND"),
    ("post.create", {"text": ""}, "INVALID_ARGUMENT"),
    ("post.create", {"text": "x", "visibility": "circle", "circle_id": "1"}, "NOT_FOUND"),
    ("feed.get", {"cursor": "forged"}, "INVALID_ARGUMENT"),
    ("auth.refresh", {"refresh_token": "forged"}, "UNAUTHENTICATED"),
    ("room.join", {"room_id": "1"}, "NOT_FOUND"),
]


@pytest.fixture
def collected():
    """Disable automatic garbage collection; yield a function that collects and returns the garbage."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.garbage.clear()

    def collect() -> list[object]:
        gc.collect()
        return list(gc.garbage)

    yield collect
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize("method_and_code", REFUSED, ids=lambda refused: f"{refused[0]} {refused[2]}")
async def test_a_refused_call_leaves_no_cycle(cluster: Cluster, person, collected, method_and_code):
    method, argument, code = method_and_code
    alice = await person("alice")
    for _ in range(20):
        assert (await alice.refused(method, **argument)).code == code
    found = collected()
    assert [each for each in found if isinstance(each, errors.CallError)] == []


class Node:
    """A node in its own process, on the cluster's servers."""

    def __init__(self, cluster: Cluster) -> None:
        self._installation = Installation(cluster.data_dir)
        self.port = self._installation.port
        self._process = self._installation.start("serve", DAIRA_LOG_LEVEL="error", DAIRA_LIMIT_CALLS="10000/second")

    async def listens(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    @property
    def memory(self) -> int:
        """Resident bytes."""
        fields = Path(f"/proc/{self._process.pid}/status").read_text().split()
        return int(fields[fields.index("VmRSS:") + 1]) * 1024

    async def stop(self) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.communicate)


async def attack(port: int, token: str | None, codec: str, frames: bytes, amount: int) -> None:
    """Send these frames `amount` times, over AT_ONCE sockets; a socket that is closed is replaced."""
    left = iter(range(amount))

    async def send_some() -> None:
        socket = None
        for _ in left:
            if socket is None:
                socket = await BareSocket().open(port)
                await socket.enter(token, codec)
            try:
                socket.send(frames)
                async with asyncio.timeout(WAIT_S):
                    await socket.receive()
            except (asyncio.IncompleteReadError, ConnectionError):
                await socket.close()
                socket = None
        if socket is not None:
            await socket.close()

    await asyncio.gather(*(send_some() for _ in range(AT_ONCE)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's memory from /proc, as on Linux")
@pytest.mark.timeout(300)
async def test_ten_thousand_hostile_frames_do_not_grow_a_nodes_memory(cluster: Cluster):
    node = Node(cluster)
    await node.listens()
    [token] = await cluster.tokens([cluster.unique("mallory")])

    async def grew_in(amount: int) -> int:
        before = node.memory
        for hostile in HOSTILE.values():
            anonymous = encoded(hostile, ANONYMOUS_BOUNDS.payload - 200)
            await attack(node.port, None, hostile.codec, anonymous, amount // len(HOSTILE))
            signed_in = encoded(hostile, MAX_PAYLOAD - 200)
            await attack(node.port, token, hostile.codec, signed_in, amount // len(HOSTILE) // 10)
        return node.memory - before

    try:
        await grew_in(FRAMES // 4)  # fills pools and caches
        # A heap may still settle in one round, and the last sockets may still be closing. A leak grows in every round.
        growth = []
        while not growth or (growth[-1] >= GROWTH and len(growth) < ROUNDS):
            growth.append(await grew_in(FRAMES))
        assert growth[-1] < GROWTH, f"each round of {FRAMES} frames left bytes: {growth}"
    finally:
        await node.stop()
