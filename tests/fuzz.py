"""Structured fuzzing of both codecs over real sockets: `.venv/bin/python -m tests.fuzz --seconds 60`.

It changes valid packets slightly: types, ids, arguments, bytes, frames and their order. Handlers must not break, other
clients must not be disturbed, and no object may leak.
"""

import argparse
import asyncio
import gc
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import uvloop
from prometheus_client import REGISTRY

from engine.socket import EngineSocket
from gateway.connection import Connection
from gateway.observability import configure_logs
from protocol.rpc import methods
from tests.cluster import Cluster

AT_ONCE = 24
GONE_WITHIN_S = 15.0
PATH = "/socket.io/?EIO=4&transport=websocket"
TEXTS = ["", "x", "سلام", "\x00", "\ud800", "a" * 5_001, "1", "-1", "9" * 40, "null", "[]", "🙂" * 40, "\u202e", "٣"]
SCALARS = [None, True, False, 0, -1, 2**31, 2**53 + 1, 2**63, -(2**63), 1.5, float("inf"), float("nan"), b"", b"\xff"]


def value(random_: random.Random, depth: int = 0) -> Any:
    kind = random_.randrange(10)
    if kind < 4:
        return random_.choice(TEXTS)
    if kind < 7 or depth > 3:
        return random_.choice(SCALARS)
    if kind == 7:
        return [value(random_, depth + 1) for _ in range(random_.randrange(4))]
    if kind == 8:
        return {"_placeholder": True, "num": random_.choice([0, 1, -1, "0", 99])}
    return {str(value(random_, 9)): value(random_, depth + 1) for _ in range(random_.randrange(4))}


def argument(random_: random.Random, name: str) -> Any:
    """Return mostly an object with the method's own fields, some with wrong values."""
    method = methods.get(name)
    if method is None or random_.random() < 0.2:
        return value(random_)
    fields = [field for field in method.request.__struct_fields__ if random_.random() < 0.8]
    return {field: random_.choice(["1", "text", value(random_)]) for field in fields}


def packet(random_: random.Random) -> dict[str, Any]:
    names = [method.name for method in methods if not method.name.startswith("auth.") or random_.random() < 0.05]
    name = random_.choice([*names, "no.such", value(random_)])  # few auth.* calls: hashing passwords is slow
    data: Any = [name, argument(random_, name) if isinstance(name, str) else value(random_)]
    if random_.random() < 0.1:
        data = random_.choice([[], [name], [*data, 1], name, None, {}])
    bent = {"type": 2, "nsp": "/", "data": data, "id": random_.randrange(1_000)}
    if random_.random() < 0.15:
        bent[random_.choice(list(bent))] = random_.choice([0, 1, 3, 4, 5, 6, 7, "/", "/x", None, value(random_)])
    if random_.random() < 0.05:
        bent.pop(random_.choice(list(bent)))
    return bent


def as_msgpack(random_: random.Random, bent: dict[str, Any]) -> bytes:
    try:
        encoded = msgpack.packb(bent, unicode_errors="surrogatepass")
    except (OverflowError, ValueError):
        encoded = b"\xc1"
    return damaged(random_, encoded)


def as_json(random_: random.Random, bent: dict[str, Any]) -> str:
    head = f"{bent.get('type', 2)}"
    if random_.random() < 0.1:
        head += f"{random_.choice(['1', '2', '99', '-', 'x'])}-"
    namespace = bent.get("nsp", "/")
    head += "" if namespace == "/" else f"{namespace},"
    head += str(bent.get("id", ""))
    text = "4" + head + json.dumps(bent.get("data"), default=lambda raw: {"_placeholder": True, "num": len(raw)})
    return damaged(random_, text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def damaged(random_: random.Random, encoded: bytes) -> bytes:
    kind = random_.random()
    if kind < 0.85 or not encoded:
        return encoded
    place = random_.randrange(len(encoded))
    if kind < 0.90:
        return encoded[:place]
    if kind < 0.95:
        return encoded[:place] + bytes([random_.randrange(256)]) + encoded[place + 1 :]
    return encoded[:place] + random_.randbytes(random_.randrange(8)) + encoded[place:]


async def still_open(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Read for two milliseconds, and return whether the socket is open."""
    try:
        async with asyncio.timeout(0.002):
            message = await socket.receive()
    except TimeoutError:
        return True
    return message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


async def one_client(cluster: Cluster, session: aiohttp.ClientSession, seed: int, token: str) -> int:
    """Return how many packets it could send."""
    random_ = random.Random(seed)
    binary = random_.random() < 0.5
    auth = random_.choice([{"token": token}, {"token": token}, {}, value(random_)])
    node = random_.choice("ab")
    sent = 0
    async with session.ws_connect(cluster.url(node).replace("http", "ws") + PATH, max_msg_size=0) as socket:
        try:
            if binary:
                await socket.send_bytes(as_msgpack(random_, {"type": 0, "nsp": "/", "data": auth}))
            else:
                await socket.send_str("40" + json.dumps(auth, default=str))
            for _ in range(random_.randrange(1, 60)):
                if random_.random() < 0.02:
                    binary = not binary
                if random_.random() < 0.02:
                    await socket.send_str(random_.choice(["2", "3", "1", "6", "5", "2probe", "7", "", "4", "b"]))
                elif binary:
                    await socket.send_bytes(as_msgpack(random_, packet(random_)))
                else:
                    await socket.send_str(as_json(random_, packet(random_)))
                sent += 1
                if random_.random() < 0.1:
                    await asyncio.sleep(0)
                if random_.random() < 0.3 and not await still_open(socket):
                    return sent
        except (ConnectionError, aiohttp.ClientError):
            return sent
    return sent


def broken() -> float:
    """Return the number of broken connections and of INTERNAL errors so far."""
    closed = REGISTRY.get_sample_value("daira_sockets_closed_total", {"reason": "broken"}) or 0.0
    internal = sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "daira_calls_refused_total" and sample.labels["code"] == "INTERNAL"
    )
    return closed + internal


def of_clients() -> dict[int, Any]:
    """Return all objects of connections in memory, by identity."""
    gc.collect()
    return {id(each): each for each in gc.get_objects() if isinstance(each, EngineSocket | Connection)}


async def fuzz(cluster: Cluster, seconds: float, seed: int) -> dict[str, float]:
    """Return counts of packets sent, faults and leaked objects, and the slowest answer of a bystander in seconds."""
    earlier = of_clients()  # kept alive, so that no identity is reused; sockets of other tests may still time out
    bystander = await cluster.person("bystander", node="a")
    [token] = await cluster.tokens([cluster.unique("fuzzer")])
    before, began, sent, slowest = broken(), time.monotonic(), 0, 0.0
    numbers = iter(range(seed, seed + 10_000_000))

    async def keep_going(session: aiohttp.ClientSession) -> None:
        nonlocal sent
        while time.monotonic() - began < seconds:
            got_sent = await one_client(cluster, session, next(numbers), token)
            sent += got_sent

    async def keep_asking() -> None:
        nonlocal slowest
        while time.monotonic() - began < seconds:
            asked = time.monotonic()
            await bystander.call("system.ping")
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.01)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(keep_asking(), *(keep_going(session) for _ in range(AT_ONCE)))
    await bystander.close()

    over_at = time.monotonic() + GONE_WITHIN_S  # calls that are under way end first
    while (left := len(of_clients().keys() - earlier.keys())) and time.monotonic() < over_at:
        await asyncio.sleep(0.2)
    return {"sent": sent, "broken": broken() - before, "left": left, "slowest_s": slowest}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    configure_logs("error", "console")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), driver=None)
        await cluster.start()
        print(f"seed {arguments.seed}:", await fuzz(cluster, arguments.seconds, arguments.seed))
        await cluster.leave()
        await cluster.stop()


if __name__ == "__main__":
    uvloop.run(main())
