"""The fixture for tests of database functions."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.cluster import Cluster
from tests.storage.functions.rows import Rows


@pytest.fixture(scope="session")
async def connection(idle_cluster: Cluster) -> AsyncIterator[Any]:
    """A superuser's: it may write rows without triggers."""
    found = await asyncpg.connect(idle_cluster.servers.postgres_url("postgres"))
    yield found
    await found.close()


@pytest.fixture
async def rows(connection: Any) -> AsyncIterator[Rows]:
    transaction = connection.transaction()
    await transaction.start()
    yield Rows(connection)
    await transaction.rollback()
