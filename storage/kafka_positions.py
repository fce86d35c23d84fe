"""What Kafka knows of positions: the ends of partitions, and how far groups are behind them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from storage.cancellation import end
from storage.event_log import EventLogUnavailable, Lag
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_servers import KafkaServers
from storage.kafka_topics import partition_counts


class KafkaPositions:
    """Connects at first use, and again after each error. All methods raise EventLogUnavailable."""

    def __init__(self, servers: KafkaServers, breaker: KafkaBreaker) -> None:
        self._servers = servers
        self._breaker = breaker
        self._connecting: asyncio.Task[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]] | None = None

    async def partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        """All partitions of these topics, which must exist."""
        async with self._connected() as (admin, _):
            counts = await partition_counts(admin, [self._servers.topic(topic) for topic in topics])
        for topic in topics:
            if self._servers.topic(topic) not in counts:
                raise EventLogUnavailable(f"Kafka lacks the topic {self._servers.topic(topic)}: run `daira migrate`")
        return [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]

    async def replicas(self, topics: Sequence[str]) -> tuple[int, int]:
        """The fewest that a partition of these topics has, and the number of brokers."""
        async with self._connected() as (admin, _):
            found = await admin.describe_topics([self._servers.topic(topic) for topic in topics])
            brokers = len((await admin.describe_cluster())["brokers"])
        return min(len(partition["replicas"]) for each in found for partition in each["partitions"]), brokers

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Those of the partitions that exist."""
        async with self._connected() as (admin, consumer):
            counts = await partition_counts(admin, list({tp.topic for tp in partitions}))
            return await self._ends(consumer, [tp for tp in partitions if tp.partition < counts.get(tp.topic, 0)])

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
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            await end(connecting)
            if not connecting.cancelled() and connecting.exception() is None:
                await _give_up(*connecting.result())

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
        try:
            async with self._breaker.reaching():
                if self._connecting is None:
                    self._connecting = asyncio.create_task(self._connect())
                # Shielded: a scrape waits for a second alone, and the next one goes on with the same connection.
                yield await asyncio.shield(self._connecting)
        except EventLogUnavailable:
            await self.close()
            raise

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        admin, consumer = self._servers.admin(), self._servers.consumer()
        try:
            await admin.start()
            await consumer.start()
        except BaseException:
            await _give_up(admin, consumer)
            raise
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
