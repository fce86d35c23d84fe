"""Access to the moderators' console: off by default, on a port and origin of its own, and closed to scripts."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
import socketio

from gateway.console import CONSOLE, SHARED, content_policy
from gateway.developer_page import PAGE
from tests.cluster import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(cluster: Cluster) -> AsyncIterator[str]:
    await cluster.add_node("staff", console_port=0)
    yield cluster.url("staff-console")
    await cluster.remove_node("staff")


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_only_the_console_port_serves_the_console(cluster: Cluster, url, http):
    assert (await http.get(f"{url}/admin")).status == 200
    for gateway in (cluster.url(), cluster.url("staff")):
        assert (await http.get(f"{gateway}/admin")).status == 404
        assert (await http.get(f"{gateway}/admin/console.js")).status == 404
    for path in ("/", "/dev/users", "/page/page.js", "/media/1/original"):
        assert (await http.get(url + path)).status == 404, path


async def test_every_file_is_served_with_a_policy_that_runs_no_text(url, http):
    files = {path.name: path for path in CONSOLE.iterdir()} | {name: PAGE / name for name in SHARED}
    for name, path in files.items():
        answer = await http.get(f"{url}/admin/{name}")
        assert await answer.read() == path.read_bytes()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    assert (await http.get(f"{url}/admin/%2e%2e/settings.py")).status == 404


def test_the_page_may_show_files_of_the_store_and_the_cdn_alone():
    policy = content_policy(["http://127.0.0.1:9000", "https://cdn.example.org/files"])
    for kind in ("img-src", "media-src"):
        assert f"; {kind} 'self' http://127.0.0.1:9000 https://cdn.example.org;" in policy
    assert "connect-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy


async def test_sockets_connect_on_the_console_port_from_its_own_origin_alone(cluster: Cluster, url):
    [token] = await cluster.tokens([cluster.unique("moderator")])
    for origin, is_let_in in ((url, True), (cluster.url("staff"), False), ("https://evil.example", False)):
        client = socketio.AsyncClient(reconnection=False)
        try:
            await client.connect(url, auth={"token": token}, headers={"Origin": origin}, transports=["websocket"])
            assert is_let_in
        except socketio.exceptions.ConnectionError:
            assert not is_let_in
        finally:
            await client.disconnect()
