"""Dead letters in a topic of Kafka. A letter's key is its id; a record without a value deletes it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from storage.event_log import DeadLetter, Record, partition
from storage.kafka_records import send
from storage.kafka_servers import KafkaServers
from storage.kafka_topics import DEAD_LETTERS

LONGEST_CAUSE = 2_000


class KafkaDeadLetters:
    """Reads the topic once to learn where each letter is, and then only what was added. Methods raise KafkaError."""

    def __init__(self, servers: KafkaServers) -> None:
        self._servers = servers
        self._place = TopicPartition(servers.topic(DEAD_LETTERS), 0)
        self._reader: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()
        self._offsets: dict[str, int] = {}  # by letter, oldest first

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

    async def ids(self) -> list[str]:
        """Those of all letters, oldest first. If it is cancelled, the next call goes on where this one was."""
        async with self._reading:
            try:
                await self._read_news()
            except Exception:
                await self.close()
                raise
            return list(self._offsets)

    async def read(self, ids: Sequence[str]) -> list[DeadLetter]:
        """Those of these letters that `ids` has found, oldest first."""
        wanted = {self._offsets[each] for each in ids if each in self._offsets}
        letters: list[DeadLetter] = []
        if wanted:
            reader = await self._open(min(wanted))
            try:
                while await reader.position(self._place) <= max(wanted):
                    letters += [
                        msgspec.msgpack.decode(found.value, type=DeadLetter)
                        for found in await self._fetch(reader)
                        if found.offset in wanted
                    ]
            finally:
                await _give_up(reader)
        return letters

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        self._offsets.clear()
        if reader is not None:
            await _give_up(reader)

    async def _read_news(self) -> None:
        if self._reader is None:
            self._reader = await self._open(0)
        reader, end = self._reader, (await self._reader.end_offsets([self._place]))[self._place]
        while await reader.position(self._place) < end:
            for found in await self._fetch(reader):
                letter_id = found.key.decode()
                self._offsets.pop(letter_id, None)
                if found.value is not None:
                    self._offsets[letter_id] = found.offset

    async def _fetch(self, reader: AIOKafkaConsumer) -> Sequence[ConsumerRecord]:
        found: dict[TopicPartition, list[ConsumerRecord]] = await reader.getmany(self._place, timeout_ms=100)
        return found.get(self._place, ())

    async def _open(self, offset: int) -> AIOKafkaConsumer:
        """A reader from that offset on, or from the oldest record after it that is left."""
        reader = self._servers.consumer()
        try:
            await reader.start()
            reader.assign([self._place])
            reader.seek(self._place, offset)
        except BaseException:
            await _give_up(reader)
            raise
        return reader


async def _give_up(reader: AIOKafkaConsumer) -> None:
    with suppress(Exception):  # whatever its state
        await reader.stop()
