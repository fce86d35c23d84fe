"""Fixtures for tests of row policies, of the event log, and of what is stored in Redis."""

import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.stores import SCRIPTS
from storage.database import Database
from storage.redis import Redis
from storage.redis_servers import servers_of
from storage.shards import Shards
from tests.cluster import Cluster
from tests.redis_cluster import RedisCluster
from tests.storage.policies.world import World
from tests.storage.releases import OwnDatabase


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


@pytest.fixture(scope="session")
async def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisCluster]:
    running = RedisCluster(tmp_path_factory.mktemp("redis-cluster"))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(params=["one server", "cluster"])
def redis_url(request: pytest.FixtureRequest, idle_cluster: Cluster) -> str:
    if request.param == "cluster":
        return str(request.getfixturevalue("redis_cluster").url)
    return idle_cluster.servers.redis_url


@pytest.fixture
async def new_shards(redis_url: str, idle_cluster: Cluster) -> AsyncIterator[Callable[[], Shards]]:
    """A function that returns shards of one prefix, not started yet."""
    prefix = idle_cluster.unique("test").replace("_", "-")
    made: list[Shards] = []

    def new() -> Shards:
        made.append(Shards(servers_of(redis_url), prefix, SCRIPTS))
        return made[-1]

    yield new
    for each in made:
        await each.stop()


@pytest.fixture
async def any_shards(new_shards: Callable[[], Shards]) -> Shards:
    """Shards on one server, and on a cluster."""
    shards = new_shards()
    await shards.start()
    return shards


@pytest.fixture
async def own_database(idle_cluster: Cluster) -> AsyncIterator[OwnDatabase]:
    """A database of this test's own, which nothing has migrated."""
    own = OwnDatabase(idle_cluster)
    await own.create()
    yield own
    await own.drop()
