"""The settings that the overlay for OpenSearch adds reach a real node behind TLS and a login, and it alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, encode_basic_auth, web

from gateway.search_engines import opensearch_servers, prepare_search
from gateway.settings import Settings
from storage.opensearch import OpenSearch
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink
from storage.search_engine import Document, SearchUnavailable
from tests.deploy import facts
from tests.deploy.tools import DEPLOY
from tests.opensearch_node import OpenSearchNode
from tests.senders.certificates import Trust, make_trust

pytestmark = pytest.mark.opensearch

OVERLAY = DEPLOY / "kubernetes" / "overlays" / "search"
PASSWORD = "كلمة سر with spaces"


@asynccontextmanager
async def door(node: OpenSearchNode, trust: Trust, user: str) -> AsyncIterator[str]:
    """Before the node: a server that ends TLS, and refuses requests without the login. Yields its URL."""
    allowed = encode_basic_auth(user, PASSWORD)
    async with ClientSession() as session:

        async def forward(request: web.Request) -> web.Response:
            if request.headers.get("authorization") != allowed:
                return web.Response(status=401, text="Unauthorized")
            headers = {"content-type": request.headers["content-type"]}
            url = f"{node.url}{request.path_qs}"
            async with session.request(request.method, url, data=await request.read(), headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust.server).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def settings(opensearch: OpenSearchNode, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Those of the overlay, with the address and the authority of a server of the test."""
    await opensearch.start()
    trust = make_trust(tmp_path)
    lines = (OVERLAY / "settings.env").read_text().split()
    told = dict(line.split("=", 1) for line in lines)
    assert told.keys() <= facts.VARIABLES
    assert told["DAIRA_OPENSEARCH_URL"].startswith("https://")
    async with door(opensearch, trust, told["DAIRA_OPENSEARCH_USER"]) as url:
        yield told | {"DAIRA_OPENSEARCH_URL": url, "DAIRA_OPENSEARCH_CA": trust.file}


def read(told: dict[str, str], password: str = PASSWORD) -> Settings:
    fields = {name.removeprefix("DAIRA_").lower(): value for name, value in told.items()}
    return Settings(_env_file=None, prefix="login", opensearch_password=password, **fields)


async def find(settings: Settings) -> list[int]:
    servers = opensearch_servers(settings)
    assert servers is not None
    link = OpenSearchLink(servers)
    try:
        engine, indices = OpenSearch(link), OpenSearchIndices(link)
        await engine.write([Document("post", 1, ["a"], "", datetime(2026, 1, 1, tzinfo=UTC))])
        await indices.refresh(indices.alias)
        return [each.id for each in await engine.candidates("post", [["a"]], 5)]
    finally:
        await link.close()


async def test_a_node_is_reached_by_tls_with_a_login(settings: dict[str, str]):
    await prepare_search(read(settings))
    assert await find(read(settings)) == [1]


async def test_a_wrong_password_finds_nothing(settings: dict[str, str]):
    with pytest.raises(SearchUnavailable, match="401"):
        await find(read(settings, "wrong"))


async def test_a_server_whose_authority_is_another_is_not_told_the_password(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
):
    other = make_trust(tmp_path_factory.mktemp("other"))
    for told in (settings | {"DAIRA_OPENSEARCH_CA": other.file}, settings | {"DAIRA_OPENSEARCH_CA": ""}):
        with pytest.raises(SearchUnavailable, match="certificate"):
            await find(read({name: value for name, value in told.items() if value}))
