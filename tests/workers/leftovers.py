"""Where a text is left: in tables, in the bucket, in Redis, in the event log on Kafka, in the index of OpenSearch."""

import asyncio

from aiokafka import TopicPartition

from gateway.event_logs import kafka_servers
from storage.kafka_topics import partition_counts
from storage.opensearch_indices import OpenSearchIndices
from storage.redis import Redis
from tests.cluster import Cluster
from tests.patience import WAIT_S

SHORT_S = 900  # what Redis keeps of pushes and caches expires within 15 minutes
TABLES = """
    SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND NOT relispartition
"""


async def tables_with(owner, token: str) -> list[str]:
    """The tables with that text in any column; bytes are searched as text and as what they are in hexadecimal."""
    pattern = f"%({token}|{token.encode().hex()})%"
    found = []
    for (table,) in await owner.fetch(TABLES):
        if await owner.fetchval(f"SELECT EXISTS (SELECT FROM {table} t WHERE lower(t::text) SIMILAR TO $1)", pattern):
            found.append(table)
    return found


async def objects_of(cluster: Cluster, keys: list[str]) -> list[str]:
    return [each.key for key in keys for each in await cluster.stores.objects.page(key)]


async def lasting_keys_with(cluster: Cluster, token: str) -> list[str]:
    """Keys of Redis whose name or value has the text, and that do not expire soon."""
    settings = cluster.stores.settings
    connections = Redis(settings.redis, settings.prefix)
    redis = connections.commands
    readers = {
        "string": redis.get, "hash": redis.hgetall, "set": redis.smembers, "stream": redis.xrange,
        "zset": lambda key: redis.zrange(key, 0, -1), "list": lambda key: redis.lrange(key, 0, -1),
    }  # fmt: skip
    found = []
    async for key in redis.scan_iter(match=f"{settings.prefix}:*", count=1_000):
        kind = (await redis.type(key)).decode()
        if kind == "none":
            continue  # it has expired since
        text = f"{key!r}{await readers[kind](key)!r}"
        if token in text and not 0 <= await redis.ttl(key) <= SHORT_S:
            found.append(f"{kind} {key.decode()}")
    await connections.close()
    return found


async def kafka_topics_with(cluster: Cluster, text: str) -> list[str]:
    """Topics of Kafka with a record, from the oldest on, whose key or value has the text. None without Kafka."""
    servers = kafka_servers(cluster.stores.settings)
    if servers is None:
        return []
    found = set()
    admin, consumer = servers.admin(), servers.consumer()
    await asyncio.gather(admin.start(), consumer.start())
    try:
        topics = [each for each in await consumer.topics() if each.startswith(f"{servers.prefix}.")]
        counts = await partition_counts(admin, topics)
        places = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        async with asyncio.timeout(WAIT_S):
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for place, records in (await consumer.getmany(timeout_ms=100)).items():
                    if any(text.encode() in b"".join((each.key or b"", each.value or b"")) for each in records):
                        found.add(servers.name(place.topic))
    finally:
        await asyncio.gather(admin.close(), consumer.stop())
    return sorted(found)


async def documents_with(cluster: Cluster, token: str) -> list[str]:
    """Ids of the documents of OpenSearch with that text. None without OpenSearch."""
    link = cluster.stores.opensearch
    if link is None:
        return []
    indices = OpenSearchIndices(link)
    await indices.refresh(indices.alias)
    answer = await link.request("search", "GET", f"{indices.alias}/_search?size=10000", deadline_s=WAIT_S)
    return [hit["_id"] for hit in answer["hits"]["hits"] if token in str(hit)]
