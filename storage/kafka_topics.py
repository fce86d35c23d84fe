"""Topics of Kafka: created by `daira migrate`, with partitions, replicas and retention."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from storage.event_log import EventLogUnavailable
from storage.kafka_appender import MARKERS
from storage.kafka_servers import KafkaServers, reaching

DEAD_LETTERS = "dead-letters"
MOST_REPLICAS = 3
_HOUR_MS = 60 * 60 * 1_000
_SAFE = {"unclean.leader.election.enable": "false"}  # rather wait for the leader than lose its last records
# The newest record of each key stays, however old it is.
_MARKER_SETTINGS = {**_SAFE, "cleanup.policy": "compact", "segment.ms": str(_HOUR_MS)}
_DEAD_SETTINGS = {**_SAFE, "cleanup.policy": "compact,delete", "retention.ms": str(30 * 24 * _HOUR_MS)}


class Layout(NamedTuple):
    """replicas: of each partition; None for three, or fewer if there are fewer brokers. retention: in hours."""

    partitions: int
    replicas: int | None
    retention: float


async def ensure_topics(servers: KafkaServers, topics: Sequence[str], layout: Layout) -> None:
    """Create missing topics, and add partitions to those with fewer. Raises EventLogUnavailable."""
    admin = servers.admin()
    async with reaching():
        try:
            await admin.start()
            replicas = wanted_replicas(layout.replicas, len((await admin.describe_cluster())["brokers"]))
            safe = {"min.insync.replicas": str(max(replicas - 1, 1))}
            kept = {**_SAFE, **safe, "retention.ms": str(int(layout.retention * _HOUR_MS))}
            wanted = {
                **{servers.topic(topic): (layout.partitions, kept) for topic in topics},
                servers.topic(MARKERS): (1, {**_MARKER_SETTINGS, **safe}),
                servers.topic(DEAD_LETTERS): (1, {**_DEAD_SETTINGS, **safe}),
            }
            known = await partition_counts(admin, list(wanted))
            await _create(admin, {name: each for name, each in wanted.items() if name not in known}, replicas)
            small = {name: count for name, (count, _) in wanted.items() if known.get(name, count) < count}
            if small:
                await admin.create_partitions({name: NewPartitions(count) for name, count in small.items()})
        finally:
            await admin.close()


def wanted_replicas(setting: int | None, brokers: int) -> int:
    """setting: see `Layout`."""
    return setting or min(brokers, MOST_REPLICAS)


async def partition_counts(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    """The number of partitions of each topic that exists."""
    found = await admin.describe_topics(list(topics))
    return {each["topic"]: len(each["partitions"]) for each in found if not each["error_code"]}


async def _create(admin: AIOKafkaAdminClient, topics: Mapping[str, tuple[int, dict[str, str]]], replicas: int) -> None:
    if not topics:
        return
    new = [NewTopic(name, count, replicas, topic_configs=settings) for name, (count, settings) in topics.items()]
    answer = await admin.create_topics(new)
    for name, code, *message in answer.topic_errors:
        if code and code != TopicAlreadyExistsError.errno:  # another `daira migrate` was quicker
            raise EventLogUnavailable(f"Kafka: the topic {name} cannot be created: {message[0] or for_code(code)}")
