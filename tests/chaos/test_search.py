"""OpenSearch is killed and hangs: nothing that was written is lost, and calls that need it are refused at once."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from storage.metrics import SEARCH_ITEMS
from storage.opensearch import OpenSearch
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink, OpenSearchServers
from storage.search_engine import MOST_CANDIDATES, Document, SearchUnavailable
from tests.chaos.deployment import PLENTY, Client, Deployment
from tests.gateway.test_commands import answers, free_ports
from tests.opensearch_node import OpenSearchNode
from tests.patience import WAIT_S

pytestmark = [pytest.mark.chaos, pytest.mark.opensearch, pytest.mark.timeout(600)]

START = datetime(2026, 11, 1, tzinfo=UTC)
DOCUMENTS = 20_000


async def test_a_bulk_whose_node_is_killed_is_whole_after_it_returns(opensearch: OpenSearchNode) -> None:
    await opensearch.start()
    link = OpenSearchLink(OpenSearchServers(opensearch.url, "killed"))
    indices, engine = OpenSearchIndices(link), OpenSearch(link)
    await indices.ensure()
    documents = [Document("post", number, ["a"], "", START + timedelta(seconds=number)) for number in range(DOCUMENTS)]
    written = SEARCH_ITEMS.labels("written")._value
    before = written.get()
    outages = 0

    async def write() -> None:
        """As workers do: until it succeeds."""
        nonlocal outages
        while True:
            try:
                return await engine.write(documents, read_at=1)
            except SearchUnavailable:
                outages += 1
                await asyncio.sleep(0.1)

    writing = asyncio.create_task(write())
    async with asyncio.timeout(WAIT_S):
        while not written.get() - before:
            await asyncio.sleep(0.001)
    opensearch.kill()
    assert written.get() - before < DOCUMENTS, "it was killed after the end"
    await opensearch.start()
    await writing
    assert outages
    await indices.refresh(indices.alias)
    assert await indices.count() == DOCUMENTS
    newest = [each.id for each in await engine.candidates("post", [["a"]], MOST_CANDIDATES)]
    assert newest == [*range(DOCUMENTS - 1, DOCUMENTS - 1 - MOST_CANDIDATES, -1)]
    await link.close()


class Searching(Deployment):
    """Search is on OpenSearch. The sidecar of node-0 has a known port."""

    def __init__(self, data_dir: Path, opensearch: OpenSearchNode) -> None:
        super().__init__(data_dir)
        self.environment |= {
            "DAIRA_SEARCH_ENGINE": "opensearch",
            "DAIRA_OPENSEARCH_URL": opensearch.url,
            "DAIRA_LIMIT_SEARCH": PLENTY,
            "DAIRA_PORT": str(self.node_ports[0]),  # where the doctor looks
        }
        [sidecar] = free_ports(1)
        self.sidecar = f"http://127.0.0.1:{sidecar}"
        self._ports = {"DAIRA_PORT": str(self.node_ports[0]), "DAIRA_SIDECAR_PORT": str(sidecar)}

    async def begin_servers(self) -> None:
        await super().begin_servers()
        await self.command("migrate")

    def spawn(self, name: str) -> None:
        if name == "node-0":
            self.processes[name] = self.start("serve", **self._ports)
        else:
            super().spawn(name)

    async def command(self, *arguments: str) -> str:
        result = await asyncio.to_thread(self.run, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    async def refused(self) -> float:
        """Requests to OpenSearch that node-0 did not make, as it is down."""
        async with ClientSession() as session, session.get(f"{self.sidecar}/metrics") as answer:
            found = re.search(r'daira_breaker_refused_total{dependency="opensearch"} (.+)', await answer.text())
        return float(found[1]) if found else 0.0


@pytest_asyncio.fixture(loop_scope="session")
async def searching(tmp_path: Path, opensearch: OpenSearchNode) -> AsyncIterator[Searching]:
    await opensearch.start()
    running = Searching(tmp_path / "data", opensearch)
    try:
        await running.begin()
        yield running
    finally:
        await running.end()


async def search(client: Client, q: str) -> list[str]:
    answer = await client.call("search.query", {"q": q, "kind": "post", "limit": 50}, timeout=WAIT_S)
    assert answer["ok"], answer
    return [item["post"]["id"] for item in answer["data"]["items"]]


async def finds(client: Client, q: str, ids: list[str]) -> None:
    async with asyncio.timeout(4 * WAIT_S):
        while True:
            answer = await client.call("search.query", {"q": q, "kind": "post", "limit": 50}, timeout=WAIT_S)
            if answer["ok"] and {item["post"]["id"] for item in answer["data"]["items"]} == {*ids}:
                return
            await asyncio.sleep(0.1)


async def publish(client: Client, text: str) -> str:
    answer = await client.call("post.create", {"text": text}, timeout=WAIT_S)
    assert answer["ok"], answer
    post_id: str = answer["data"]["id"]
    return post_id


@pytest.mark.parametrize("kind", ["killed", "hanging"])
async def test_search_without_its_cluster_is_refused_at_once_and_misses_nothing_later(
    searching: Searching, opensearch: OpenSearchNode, kind: str
) -> None:
    [token] = await searching.tokens(["author"])
    client = await searching.client(token, 0)
    ids = [await publish(client, "كشري اسكندراني") for _ in range(3)]
    await finds(client, "كشري", ids)
    (opensearch.kill if kind == "killed" else opensearch.pause)()
    try:
        ids += [await publish(client, "كشري اسكندراني") for _ in range(3)]  # all else goes on
        async with asyncio.timeout(WAIT_S):
            while not await searching.refused():
                # One of several tries the cluster; the others are refused.
                found = await asyncio.gather(
                    *(client.call("search.query", {"q": "كشري"}, timeout=WAIT_S) for _ in range(3))
                )
                assert {answer["error"]["code"] for answer in found} == {"UNAVAILABLE"}
        body = await answers(f"{searching.sidecar}/health/ready")  # search alone is missing
        assert body["dependencies"]["opensearch"]["ok"] is False
    finally:
        opensearch.resume() if kind == "hanging" else await opensearch.start()
    await finds(client, "كشري", ids)
    assert (await answers(f"{searching.sidecar}/health/ready"))["dependencies"]["opensearch"]["ok"]
    await client.disconnect()


async def test_the_index_is_built_anew_while_posts_are_written(searching: Searching) -> None:
    [token] = await searching.tokens(["author"])
    client = await searching.client(token, 0)
    ids = [await publish(client, f"ملوخية بالارانب {number}") for number in range(20)]
    await finds(client, "ملوخية", ids)
    reindexing = asyncio.create_task(searching.command("search", "reindex"))
    while not reindexing.done():
        if len(ids) < 50:
            ids.append(await publish(client, f"ملوخية بالارانب {len(ids)}"))
        assert await search(client, "ملوخية")  # never refused, never empty
    assert "was filled with" in await reindexing
    await finds(client, "ملوخية", ids)
    assert "OpenSearch 2.19" in await searching.command("doctor")
    await client.disconnect()
