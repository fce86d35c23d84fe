"""The event log that the settings name: on Redis Streams, or on Kafka."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from gateway.observability import REDIS_POOL
from gateway.retrying import patiently, run_beside
from gateway.settings import Settings
from protocol.events import EVENTS
from storage.event_log import EventLog, EventLogUnavailable
from storage.kafka_log import KafkaLog
from storage.kafka_servers import KafkaLogin, KafkaServers
from storage.kafka_topics import Layout, ensure_topics
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from storage.shards import Shards

WATCH_EVERY_S = 5.0


@asynccontextmanager
async def open_event_log(settings: Settings, shards: Shards) -> AsyncIterator[EventLog]:
    """It connects at first use. shards: of DAIRA_REDIS_URL, for leases."""
    servers = kafka_servers(settings)
    async with AsyncExitStack() as closing:
        if servers is not None:
            event_log: EventLog = KafkaLog(servers, shards)
        else:
            redis = Redis(settings.redis, settings.prefix)
            closing.push_async_callback(redis.close)
            await run_beside(closing, "follow Redis' master", redis.follow_master)
            await run_beside(closing, "watch the pool of Redis", partial(_watch_pool, redis))
            event_log = RedisStreams(redis, shards)
        closing.push_async_callback(event_log.close)
        yield event_log


def kafka_servers(settings: Settings) -> KafkaServers | None:
    """None if the event log is on Redis Streams."""
    if settings.kafka is None:
        return None
    brokers, user, password, mechanism = settings.kafka
    login = KafkaLogin(user, password, mechanism) if user else None
    tls = ssl.create_default_context(cafile=settings.kafka_ca) if settings.kafka_tls else None
    return KafkaServers(brokers, settings.prefix, login, tls)


async def _watch_pool(redis: Redis) -> None:
    """Set the gauge of the pool every 5 s, forever."""
    while True:
        REDIS_POOL.labels("busy").set(len(redis.pool._in_use_connections))
        await asyncio.sleep(WATCH_EVERY_S)


async def prepare_topics(settings: Settings) -> None:
    """Create missing topics in Kafka. Waits up to 30 s for them. Raises EventLogUnavailable."""
    servers = kafka_servers(settings)
    if servers is not None:
        layout = Layout(settings.kafka_partitions, settings.kafka_replicas, settings.kafka_retention)
        await patiently(lambda: ensure_topics(servers, sorted(EVENTS), layout), EventLogUnavailable)
