"""Hostile HTTP clients (invalid, stalled or compressed requests): nothing is logged, and no connection stays open."""

import asyncio
import gzip
import json

import aiohttp
import pytest

from gateway.app import sidecar
from tests.cluster import Cluster
from tests.patience import WAIT_S

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("engine.http.PATIENCE_S", 0.2)
    monkeypatch.setattr("engine.http.LOOK_EVERY_S", 0.05)


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def polling_url(http: aiohttp.ClientSession, base: str) -> str:
    async with http.get(base + HANDSHAKE) as response:
        return f"{base}{HANDSHAKE}&sid={json.loads((await response.text())[1:])['sid']}"


async def sent(port: int, data: bytes) -> bytes:
    """Send data, and return everything received until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(WAIT_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_an_invalid_request_is_not_logged(cluster: Cluster, capfd):
    request = f"GET {HANDSHAKE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer S3CRET\x00\r\n\r\n"
    assert b" 400 " in await sent(cluster.ports["a"], request.encode())
    logged = capfd.readouterr().err
    assert "S3CRET" not in logged
    assert "Traceback" not in logged


@pytest.mark.parametrize("body", ["", "10 bytes.."])
async def test_a_body_that_stalls_is_cut_off(cluster: Cluster, http, node, impatient, capfd, body):
    name = await node()
    url = (await polling_url(http, cluster.url(name))).removeprefix(cluster.url(name))
    answer = await sent(
        cluster.ports[name], f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{body}".encode()
    )
    assert b" 500 " not in answer
    assert "Traceback" not in capfd.readouterr().err


async def test_an_answer_that_nobody_reads_is_cut_off(cluster: Cluster, impatient):
    running = sidecar(cluster.settings(), 0, cluster.stores, cluster.node_a.parts.services.database, cluster.node_a)
    reader, writer = await asyncio.open_connection("127.0.0.1", await running.start(), limit=1)
    assert reader  # kept open; its limit stops it from reading
    writer.write(b"GET /asyncapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    async with asyncio.timeout(WAIT_S):
        await _closed(writer)
    await running.stop()


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)
    except ConnectionError:
        return


async def test_a_compressed_body_is_refused_without_decompression(cluster: Cluster, http):
    url = await polling_url(http, cluster.url())
    bomb = gzip.compress(bytes(2**24))
    async with http.post(url, data=bomb, headers={"Content-Encoding": "gzip"}) as response:
        assert response.status == 415
    async with http.post(url, data="40") as response:
        assert response.status == 200


async def test_too_large_a_body_is_refused(cluster: Cluster, http):
    url = await polling_url(http, cluster.url())
    async with http.post(url, data="4" * 100_000) as response:
        assert response.status == 400
    async with http.get(url) as response:
        assert response.status == 400


async def test_connections_from_one_address_are_limited(cluster: Cluster, http, node):
    base = cluster.url(await node(limit_connect="1/second", limit_loopback=True))
    statuses = []
    for _ in range(5):
        async with http.get(base + HANDSHAKE) as response:
            statuses.append(response.status)
    assert statuses[:2] == [200, 200]
    assert statuses[-1] == 429
    assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8001", 200), ("[::1]:8001", 200), ("10.0.0.7", 200), ("localhost", 200), ("node-1:8001", 200),
        ("ops.example.org", 200), ("OPS.example.org.:80", 200),
        ("evil.example.org", 421), ("127.0.0.1.evil.example.org", 421), ("evil.example.org:8001", 421),
    ],
)  # fmt: skip
async def test_the_sidecar_answers_only_to_its_own_host_names(cluster: Cluster, http, host, status):
    """Otherwise another site could point its host name at the sidecar and read it (DNS rebinding)."""
    settings = cluster.settings(sidecar_names="ops.example.org")
    running = sidecar(settings, 0, cluster.stores, cluster.node_a.parts.services.database, cluster.node_a)
    port = await running.start()
    async with http.get(f"http://127.0.0.1:{port}/health/live", headers={"Host": host}) as response:
        assert response.status == status
    await running.stop()


async def test_the_sidecar_cuts_off_headers_that_never_end(cluster: Cluster, impatient):
    running = sidecar(cluster.settings(), 0, cluster.stores, cluster.node_a.parts.services.database, cluster.node_a)
    port = await running.start()
    assert await sent(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") == b""
    await running.stop()
