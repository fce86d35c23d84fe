"""The event log on Kafka, for deployments of many machines."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from storage import log_offsets
from storage.database import Database, Transaction
from storage.event_log import Appended, DeadLetter, EventLogUnavailable, Lag, LogPlace, React, Record
from storage.kafka_appender import KafkaAppender
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_consumer import KafkaGroupConsumer
from storage.kafka_dead_letters import KafkaDeadLetters
from storage.kafka_positions import KafkaPositions
from storage.kafka_records import read_record
from storage.kafka_servers import KafkaServers, reaching
from storage.leases import Leases
from storage.partition_owner import LEASE_MS, RENEW_S
from storage.redis import RedisError
from storage.shards import Shards

RETRY_S = 0.5
TURN = "relay-turn"

log = structlog.get_logger()


class KafkaLog:
    """Connects at first use. `ensure_topics` must have created the topics."""

    def __init__(self, servers: KafkaServers, shards: Shards) -> None:
        """shards: for the leases of partitions and of the relay."""
        self._servers = servers
        self._shards = shards
        self._turns = Leases(shards, TURN)
        self._breaker = KafkaBreaker(servers)
        self._appender = KafkaAppender(servers, self._breaker)
        self._dead = KafkaDeadLetters(servers)
        self._positions = KafkaPositions(servers, self._breaker)
        self._id = secrets.token_hex(8)
        self._turn_until = 0.0  # monotonic, s

    async def take_turn(self) -> bool:
        now = time.monotonic()
        if now > self._turn_until - LEASE_MS / 1_000 + RENEW_S:
            [is_ours] = await self._turns.hold([TURN], self._id, lifetime_ms=LEASE_MS, most=1)
            self._turn_until = now + LEASE_MS / 1_000 if is_ours else 0.0
        return now < self._turn_until

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        return await self._appender.append(batch, records)

    async def last_append(self) -> Appended:
        return await self._appender.last()

    async def forget_positions(self, tx: Transaction) -> None:
        known = await log_offsets.read_positions(tx)
        places = {TopicPartition(self._servers.topic(topic), number): (topic, number) for topic, number in known}
        ends = await self._positions.ends(list(places))
        await log_offsets.limit(tx, {places[tp]: offset for tp, offset in ends.items()})

    async def consume(
        self,
        group: str,
        topics: Sequence[str],
        react: React,
        stop: asyncio.Event,
        database: Database,
        *,
        gather_s: float = 0.0,
    ) -> None:
        while not stop.is_set():
            try:
                partitions = await self._positions.partitions(topics)
                async with reaching():
                    consumer = KafkaGroupConsumer(
                        self._servers, self._shards, database, group, partitions, react, gather_s
                    )
                    await consumer.run(stop)
            except EventLogUnavailable as error:
                log.warning("a group waits for the event log", group=group, error=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S * random.uniform(0.5, 1.5)):
                        await stop.wait()

    async def bury(self, group: str, record: Record, cause: str) -> None:
        async with self._producer() as producer:
            await self._dead.add(producer, group, record, cause)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        async with self._breaker.reaching():
            return await self._dead.read((await self._dead.ids())[:limit])

    async def count_dead_letters(self) -> int:
        async with self._breaker.reaching():
            return len(await self._dead.ids())

    async def replay(self, ids: Sequence[str] | None) -> int:
        async with self._producer() as producer:
            known = await self._dead.ids()
            letters = await self._dead.read(known if ids is None else ids)
            for letter in letters:
                await self._dead.replay(producer, letter)
        return len(letters)

    async def lags(self) -> list[Lag]:
        return await self._positions.lags()

    async def trim(self) -> None:
        """Nothing: Kafka deletes records by their age."""

    async def tail(self, topic: str) -> AsyncIterator[tuple[LogPlace, Record]]:
        partitions = await self._positions.partitions([topic])
        reader = self._servers.consumer()
        async with reaching():
            try:
                await reader.start()
                reader.assign(partitions)
                await reader.seek_to_end()
                while True:
                    for found in (await reader.getmany(timeout_ms=500)).values():
                        for each in found:
                            yield LogPlace(each.partition, str(each.offset)), read_record(topic, each)
            finally:
                await reader.stop()

    async def rewind(self, group: str, topic: str, to: datetime | LogPlace, database: Database) -> int:
        offsets = (
            {to.partition: int(to.position)}
            if isinstance(to, LogPlace)
            else await self._positions.offsets_at(await self._positions.partitions([topic]), to)
        )
        moved = await log_offsets.move(database, group, topic, offsets)
        if not moved:
            raise LookupError(f"the group {group} has never read {topic}")
        return moved

    async def forget(self, group: str) -> int:
        raise LookupError(
            "Kafka forgets a group by itself, `offsets.retention.minutes` after its last worker has ended"
        )

    async def ping(self) -> None:
        await self._positions.ping()

    async def close(self) -> None:
        """Let another process append."""
        self._breaker.close()
        await self._appender.close()
        await self._dead.close()
        await self._positions.close()
        with suppress(RedisError):  # the lease expires
            await self._turns.release(TURN, self._id)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = self._servers.producer()
        async with self._breaker.reaching():
            try:
                await producer.start()
                yield producer
            finally:
                await producer.stop()
