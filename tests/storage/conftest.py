"""The fixture for tests of row policies."""

from collections.abc import AsyncIterator

import pytest

from tests.cluster import Cluster
from tests.storage.policies.world import World


@pytest.fixture(scope="module")
async def world(idle_cluster: Cluster) -> AsyncIterator[World]:
    found = World(idle_cluster)
    await found.open()
    yield found
    await found.close()
