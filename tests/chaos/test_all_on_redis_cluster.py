"""A deployment without a single Redis: a cluster for everything, and Kafka as the event log."""

import asyncio

import pytest

from gateway.event_logs import kafka_servers
from protocol.events import EVENTS
from storage.kafka_topics import Layout, ensure_topics
from tests.cluster import Cluster
from tests.kafka_broker import KafkaBroker
from tests.redis_cluster import RedisCluster

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(300)]

FAILOVER_S = 90


@pytest.fixture
async def deployment(kafka: KafkaBroker, tmp_path):
    """Two nodes and the workers, and the Redis Cluster."""
    redis = RedisCluster(tmp_path / "redis")
    await redis.start()
    await kafka.deployment("none", [])
    assert kafka.servers.kafka is not None
    address, user, password = kafka.servers.kafka
    settings = {"kafka_brokers": address, "kafka_user": user, "kafka_password": password, "kafka_mechanism": "PLAIN"}
    cluster = Cluster(tmp_path / "servers", None, redis_url=redis.url, prefix="all-on-cluster", **settings)
    servers = kafka_servers(cluster.settings())
    assert servers is not None
    await ensure_topics(servers, sorted(EVENTS), Layout(partitions=8, replicas=1, retention=24))
    await cluster.start()
    yield cluster, redis
    await cluster.leave()
    await cluster.stop()
    await redis.stop()


async def test_posts_reach_feeds_before_and_after_a_lost_master(deployment):
    cluster, redis = deployment
    alice, *followers = [await cluster.person(f"person{number}", node="ab"[number % 2]) for number in range(9)]
    for each in followers:
        await each.call("graph.follow", user_id=alice.id)
        await each.call("feed.get", mode="latest")
    post = await alice.call("post.create", text="before")
    for each in followers:
        await each.expect("feed.added", post_id=post["id"])
    redis.kill(redis.ports[0])
    written: list[str] = []
    async with asyncio.timeout(FAILOVER_S):
        while len(written) < 30:
            # The author's limit may be counted on the lost server.
            if (made := await tried(alice, "post.create", text=f"during {len(written)}")) is not None:
                written.append(made["id"])
            await asyncio.sleep(0.2)
        for each in followers:
            while (await items(each))[: len(written)] != written[::-1]:
                await asyncio.sleep(0.2)
    later = await alice.call("post.create", text="after")
    for each in followers:
        await each.expect("feed.added", post_id=later["id"])
        assert await items(each) == [later["id"], *written[::-1], post["id"]]


async def items(reader) -> list[str]:
    """The reader's feed; nothing while it is out of reach."""
    page = await tried(reader, "feed.get", mode="latest", limit=100)
    return [each["post"]["id"] for each in page["items"]] if page else []


async def tried(person, method: str, **argument) -> dict | None:
    """The answer's data; None if a service is out of reach."""
    answer = await person.answer(method, argument)
    assert answer["ok"] or answer["error"]["code"] == "UNAVAILABLE", answer
    return answer["data"] if answer["ok"] else None
