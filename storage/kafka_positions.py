"""What Kafka knows of positions: the ends of partitions, and how far groups are behind them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from storage.event_log import EventLogUnavailable, Lag
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_servers import KafkaServers
from storage.kafka_topics import partition_counts


class KafkaPositions:
    """Connects at first use, and anew after each error. All methods raise EventLogUnavailable."""

    def __init__(self, servers: KafkaServers, breaker: KafkaBreaker) -> None:
        self._servers = servers
        self._breaker = breaker
        self._connecting = asyncio.Lock()
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """All partitions of these topics, which must exist."""
        async with self._connected() as (admin, _):
            counts = await partition_counts(admin, [self._servers.topic(topic) for topic in topics])
        for topic in topics:
            if self._servers.topic(topic) not in counts:
                raise EventLogUnavailable(f"Kafka lacks the topic {self._servers.topic(topic)}: run `daira migrate`")
        return [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        async with self._connected() as (_, consumer):
            return await self._ends(consumer, partitions)

    async def offsets_at(self, partitions: Sequence[TopicPartition], time: datetime) -> dict[int, int]:
        """The offset of the first record from that time on, by partition."""
        async with self._connected() as (_, consumer):
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(time.timestamp() * 1_000)))
            ends = await self._ends(consumer, partitions)
        return {tp.partition: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}

    async def lags(self) -> list[Lag]:
        async with self._connected() as (admin, consumer):
            listed = await admin.list_consumer_groups()
            groups = sorted({name for name, _ in listed if name.startswith(self._servers.topic(""))})
            found = await asyncio.gather(*map(admin.list_consumer_group_offsets, groups))
            committed = {
                (group, tp): place.offset
                for group, places in zip(groups, found, strict=True)
                for tp, place in places.items()
            }
            ends = await self._ends(consumer, list({tp for _, tp in committed}))
        lags: dict[tuple[str, str], int] = {}
        for (group, tp), offset in committed.items():
            key = self._servers.name(tp.topic), self._servers.name(group)
            lags[key] = lags.get(key, 0) + max(ends[tp] - offset, 0)
        return [Lag(topic, group, records) for (topic, group), records in sorted(lags.items())]

    async def ping(self) -> None:
        async with self._connected() as (admin, _):
            await admin.describe_cluster()

    async def close(self) -> None:
        admin, consumer, self._admin, self._consumer = self._admin, self._consumer, None, None
        if admin is not None and consumer is not None:
            await _give_up(admin, consumer)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
        try:
            async with self._breaker.reaching():
                async with self._connecting:
                    admin, consumer = self._admin, self._consumer
                    if admin is None or consumer is None:
                        admin, consumer = await self._connect()
                yield admin, consumer
        except EventLogUnavailable:
            await self.close()
            raise

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        admin, consumer = self._servers.admin(), self._servers.consumer()
        try:
            await admin.start()
            await consumer.start()
        except BaseException:  # a scrape that is cancelled, too: nobody must be given what has not started
            await _give_up(admin, consumer)
            raise
        self._admin, self._consumer = admin, consumer
        return admin, consumer

    @staticmethod
    async def _ends(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions) if partitions else {}
        return ends


async def _give_up(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
    with suppress(Exception):  # whatever their state
        await consumer.stop()
    with suppress(Exception):
        await admin.close()
