"""The fixture for tests of row policies."""

from collections.abc import AsyncIterator

import pytest

from tests.cluster import Cluster
from tests.storage.policies.world import World


@pytest.fixture(scope="session")
async def world(cluster: Cluster) -> AsyncIterator[World]:
    found = World(cluster)
    await found.open()
    yield found
    await found.close()
