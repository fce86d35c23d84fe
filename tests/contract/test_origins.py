"""Which pages may connect: those of this very server, by whichever scheme they name it, and those that are listed."""

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
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with http.get(base + HANDSHAKE, headers={"Origin": origin, "Host": OWN, **names}) as response:
        return response.status


@pytest.mark.parametrize("listed", ["", "https://app.example.org"])
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
async def test_its_own_pages_may_connect(cluster: Cluster, http, node, scheme, listed):
    base = cluster.url(await node(allowed_origins=listed))
    assert await status(http, base, f"{scheme}://{OWN}") == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", f"https://{OWN}.evil.example.org", "https://chat.example.org", "x"]
)
async def test_other_pages_may_not(cluster: Cluster, http, node, origin):
    base = cluster.url(await node(allowed_origins="https://app.example.org"))
    assert await status(http, base, origin) == 400
    assert await status(http, base, "https://app.example.org") == 200


async def test_a_proxy_names_the_host_only_if_it_is_trusted(cluster: Cluster, http, node):
    trusting = cluster.url(await node(trusted_proxies="127.0.0.1"))
    page, host = "https://www.example.org", "www.example.org"
    assert await status(http, cluster.url(), page, X_Forwarded_Host=host) == 400
    assert await status(http, trusting, page, X_Forwarded_Host=host) == 200
    assert await status(http, trusting, "https://evil.example.org", X_Forwarded_Host=host) == 400
