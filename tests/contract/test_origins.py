"""Allowed origins: the server's own hosts, with any scheme, and the listed ones."""

import json

import aiohttp
import pytest

from tests.cluster import Cluster

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
OWN = "chat.example.org:8443"


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def status(http: aiohttp.ClientSession, base: str, origin: str, **headers: str) -> int:
    """Return the handshake's status, and close the session that it opened: a node that stops would wait for it."""
    names = {"Origin": origin, "Host": OWN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with http.get(base + HANDSHAKE, headers=names) as response:
        answer = await response.text()
    if response.status == 200:
        url = f"{base}{HANDSHAKE}&sid={json.loads(answer.removeprefix('0'))['sid']}"
        async with http.post(url, data="1", headers=names) as closed, http.get(url, headers=names) as last:
            assert (closed.status, last.status) == (200, 200)
    return response.status


@pytest.mark.parametrize("listed", ["", "https://app.example.org"])
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
async def test_pages_of_the_server_itself_may_connect(cluster: Cluster, http, node, scheme, listed):
    base = cluster.url(await node(allowed_origins=listed))
    assert await status(http, base, f"{scheme}://{OWN}") == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", f"https://{OWN}.evil.example.org", "https://chat.example.org", "x"]
)
async def test_pages_of_other_origins_may_not_connect(cluster: Cluster, http, node, origin):
    base = cluster.url(await node(allowed_origins="https://app.example.org"))
    assert await status(http, base, origin) == 400
    assert await status(http, base, "https://app.example.org") == 200


async def test_a_forwarded_host_counts_only_from_a_trusted_proxy(cluster: Cluster, http, node):
    trusting = cluster.url(await node(trusted_proxies="127.0.0.1"))
    page, host = "https://www.example.org", "www.example.org"
    assert await status(http, cluster.url(), page, X_Forwarded_Host=host) == 400
    assert await status(http, trusting, page, X_Forwarded_Host=host) == 200
    assert await status(http, trusting, "https://evil.example.org", X_Forwarded_Host=host) == 400
