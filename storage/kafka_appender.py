"""Appends batches of the outbox to Kafka, each exactly once.

A batch is one transaction of Kafka. It also holds a marker, in a topic of its own: the batch's number and the ids of
its events. A relay that dies between Kafka's commit and that of PostgreSQL leaves events that look unsent; the next one
finds them in the marker. Its producer has the same transactional id, so Kafka refuses what the dead one still sends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from storage.event_log import Appended, Record, partition
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_records import send
from storage.kafka_servers import KafkaServers

MARKERS = "relay"  # the topic
CLOSE_TIMEOUT_S = 1.0


class KafkaAppender:
    """Connects at first use, and again after each error."""

    def __init__(self, servers: KafkaServers, breaker: KafkaBreaker) -> None:
        self._servers = servers
        self._breaker = breaker
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._last = 0
        self._marker = TopicPartition(servers.topic(MARKERS), 0)

    async def append(self, batch: int, records: Sequence[Record]) -> int:
        """Returns the number of the batch before. Raises EventLogUnavailable: the batch may be in the log or not."""
        marker = msgspec.msgpack.encode(Appended(batch, [record.event_id for record in records]))
        try:
            async with self._breaker.reaching():
                producer, _ = await self._connect()
                parts: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
                for record in records:
                    topic = self._servers.topic(record.topic)
                    count = len(await producer.partitions_for(topic))
                    parts[topic, partition(record.key, count)].append(record)
                await producer.begin_transaction()
                outcomes = await asyncio.gather(
                    *(send(producer, topic, number, part) for (topic, number), part in parts.items()),
                    producer.send_and_wait(self._marker.topic, marker, b"batch", self._marker.partition),
                    return_exceptions=True,
                )
                for outcome in outcomes:
                    if isinstance(outcome, BaseException):
                        raise outcome
                await producer.commit_transaction()
        except BaseException:
            await self.close()  # the next producer ends the transaction
            raise
        before, self._last = self._last, batch
        return before

    async def last(self) -> Appended:
        """The last batch that is in the log. No earlier producer can append any more."""
        try:
            async with self._breaker.reaching():
                _, reader = await self._connect()
                found = await self._read_last(reader)
        except BaseException:
            await self.close()
            raise
        self._last = found.batch
        return found

    async def close(self) -> None:
        producer, reader, self._producer, self._reader = self._producer, self._reader, None, None
        for each in (producer, reader):
            if each is not None:
                with suppress(Exception):  # it is given up, whatever its state
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await each.stop()

    async def _connect(self) -> tuple[AIOKafkaProducer, AIOKafkaConsumer]:
        if self._producer is None or self._reader is None:
            self._producer = self._servers.producer(self._servers.topic(MARKERS))
            self._reader = self._servers.consumer()
            await self._producer.start()  # ends the transaction of the producer before
            await self._reader.start()
            self._last = (await self._read_last(self._reader)).batch
        return self._producer, self._reader

    async def _read_last(self, reader: AIOKafkaConsumer) -> Appended:
        """Read the end of the markers' topic; further back while it holds only what was rolled back.

        Kafka answers a commit before readers can see it, so this reads up to the end of all records, not up to that of
        committed ones.
        """
        committed_end = (await reader.end_offsets([self._marker]))[self._marker]
        back, last = 4, None
        while last is None and (committed_end or self._last):
            start = max(committed_end - back, 0)
            reader.assign([self._marker])  # forgets the end that was known
            reader.seek(self._marker, start)
            end = None
            while end is None or await reader.position(self._marker) < end:
                for found in (await reader.getmany(self._marker, timeout_ms=100)).get(self._marker, ()):
                    last = found
                end = reader.highwater(self._marker)
            if start == 0:
                break
            back *= 8
        return msgspec.msgpack.decode(last.value, type=Appended) if last else Appended(0, [])
