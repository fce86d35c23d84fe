"""Search on OpenSearch keeps the same contract as on PostgreSQL: the same tests, on a cluster of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.search_engines import prepare_search
from storage.opensearch_indices import OpenSearchIndices
from tests.cluster import Cluster
from tests.contract.test_search import *  # noqa: F403
from tests.opensearch_node import OpenSearchNode
from tests.people import Person

pytestmark = [pytest.mark.chaos, pytest.mark.opensearch, pytest.mark.timeout(300)]


class OpenSearchCluster(Cluster):
    async def settle(self, *people: Person) -> None:
        """Also wait until searches find what workers have written."""
        await super().settle(*people)
        assert self.stores.opensearch is not None
        indices = OpenSearchIndices(self.stores.opensearch)
        await indices.refresh(indices.alias)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(opensearch: OpenSearchNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    await opensearch.start()
    overrides = {"search_engine": "opensearch", "opensearch_url": opensearch.url, "prefix": "contract"}
    running = OpenSearchCluster(Path(tmp_path_factory.mktemp("servers")), None, **overrides)
    await running.start_servers()
    await prepare_search(running.settings())
    await running.start_processes()
    yield running
    await running.stop()
