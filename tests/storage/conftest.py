"""Fixtures for tests of row policies and of the event log."""

import secrets
from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from storage.redis import Redis
from tests.cluster import Cluster
from tests.storage.policies.world import World


@pytest.fixture(scope="module")
async def world(idle_cluster: Cluster) -> AsyncIterator[World]:
    found = World(idle_cluster)
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def redis(idle_cluster: Cluster):
    """A Redis with its own prefix."""
    own = Redis(idle_cluster.servers.redis_url, f"log-{secrets.token_hex(4)}")
    yield own
    await own.close()


@pytest.fixture
async def database(idle_cluster: Cluster):
    """PostgreSQL as workers, without positions of other tests."""
    own = Database(idle_cluster.servers.postgres_url("daira_worker"), largest=8)
    await own.connect()
    owner = await idle_cluster.owner()
    await owner.execute("DELETE FROM log_offsets")
    await owner.close()
    yield own
    await own.close()
