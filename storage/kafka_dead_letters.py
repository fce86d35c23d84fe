"""Dead letters in a topic of Kafka. A letter's key is its id; a record without a value deletes it."""

import asyncio
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from storage.event_log import DeadLetter, Record, partition
from storage.kafka_records import send
from storage.kafka_servers import KafkaServers
from storage.kafka_topics import DEAD_LETTERS

LONGEST_CAUSE = 2_000


class KafkaDeadLetters:
    """Reads the topic once, and then only what was added. Methods raise KafkaError."""

    def __init__(self, servers: KafkaServers) -> None:
        self._servers = servers
        self._place = TopicPartition(servers.topic(DEAD_LETTERS), 0)
        self._reader: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()
        self._letters: dict[bytes, bytes] = {}

    async def add(self, producer: AIOKafkaProducer, group: str, record: Record, cause: str) -> None:
        """Adding the same again replaces it."""
        letter = DeadLetter(f"{group}:{record.event_id}", group, cause[:LONGEST_CAUSE], record)
        await producer.send_and_wait(
            self._place.topic, msgspec.msgpack.encode(letter), letter.id.encode(), self._place.partition
        )

    async def replay(self, producer: AIOKafkaProducer, letter: DeadLetter) -> None:
        """Append the record again, then delete the letter."""
        record = letter.record
        topic = self._servers.topic(record.topic)
        count = len(await producer.partitions_for(topic))
        await send(producer, topic, partition(record.key, count), [record])
        await producer.send_and_wait(self._place.topic, None, letter.id.encode(), self._place.partition)

    async def read(self) -> list[DeadLetter]:
        """Oldest first."""
        async with self._reading:
            try:
                await self._read_news()
            except BaseException:
                await self.close()
                raise
        return [msgspec.msgpack.decode(letter, type=DeadLetter) for letter in self._letters.values()]

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        self._letters.clear()
        if reader is not None:
            with suppress(Exception):  # it is given up, whatever its state
                await reader.stop()

    async def _read_news(self) -> None:
        if self._reader is None:
            self._reader = self._servers.consumer()
            await self._reader.start()
            self._reader.assign([self._place])
            await self._reader.seek_to_beginning(self._place)
        reader, end = self._reader, (await self._reader.end_offsets([self._place]))[self._place]
        while await reader.position(self._place) < end:
            for found in (await reader.getmany(self._place, timeout_ms=100)).get(self._place, ()):
                self._letters.pop(found.key, None)
                if found.value is not None:
                    self._letters[found.key] = found.value
