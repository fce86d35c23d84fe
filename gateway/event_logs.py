"""The event log that the settings name: on Redis Streams, or on Kafka."""

import ssl

from gateway.retrying import patiently
from gateway.settings import Settings
from protocol.events import EVENTS
from storage.event_log import EventLog, EventLogUnavailable
from storage.kafka_log import KafkaLog
from storage.kafka_servers import KafkaServers, Login
from storage.kafka_topics import Layout, ensure_topics
from storage.redis import Redis
from storage.redis_streams import RedisStreams


def event_log_of(settings: Settings, redis: Redis) -> EventLog:
    """It connects at first use. Close it before `redis`."""
    servers = kafka_servers(settings)
    return RedisStreams(redis) if servers is None else KafkaLog(servers, redis)


def kafka_servers(settings: Settings) -> KafkaServers | None:
    """None if the event log is on Redis Streams."""
    if settings.kafka is None:
        return None
    brokers, user, password, mechanism = settings.kafka
    login = Login(user, password, mechanism) if user else None
    tls = ssl.create_default_context(cafile=settings.kafka_ca) if settings.kafka_tls else None
    return KafkaServers(brokers, settings.prefix, login, tls)


async def prepare_topics(settings: Settings) -> None:
    """Create what is missing in Kafka. Waits up to 30 s for it. Raises EventLogUnavailable."""
    servers = kafka_servers(settings)
    if servers is not None:
        layout = Layout(settings.kafka_partitions, settings.kafka_replicas, settings.kafka_retention)
        await patiently(lambda: ensure_topics(servers, sorted(EVENTS), layout), EventLogUnavailable)
