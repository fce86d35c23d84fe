"""Dead letters in a topic of Kafka. A letter's key is its id; a record without a value deletes it."""

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from storage.event_log import DeadLetter, Record, partition
from storage.kafka_records import send
from storage.kafka_servers import KafkaServers
from storage.kafka_topics import DEAD_LETTERS

LONGEST_CAUSE = 2_000


class KafkaDeadLetters:
    """Methods raise KafkaError."""

    def __init__(self, servers: KafkaServers) -> None:
        self._servers = servers
        self._place = TopicPartition(servers.topic(DEAD_LETTERS), 0)

    async def add(self, producer: AIOKafkaProducer, group: str, record: Record, cause: str) -> None:
        """Adding the same again replaces it."""
        letter = DeadLetter(f"{group}:{record.event_id}", group, cause[:LONGEST_CAUSE], record)
        await producer.send_and_wait(
            self._place.topic, msgspec.msgpack.encode(letter), letter.id.encode(), self._place.partition
        )

    async def read(self) -> list[DeadLetter]:
        """Oldest first."""
        reader: AIOKafkaConsumer = self._servers.consumer()
        letters: dict[bytes, bytes] = {}
        await reader.start()
        try:
            reader.assign([self._place])
            last = (await reader.end_offsets([self._place]))[self._place]
            await reader.seek_to_beginning(self._place)
            while await reader.position(self._place) < last:
                for found in (await reader.getmany(self._place, timeout_ms=100)).get(self._place, ()):
                    letters.pop(found.key, None)
                    if found.value is not None:
                        letters[found.key] = found.value
        finally:
            await reader.stop()
        return [msgspec.msgpack.decode(letter, type=DeadLetter) for letter in letters.values()]

    async def replay(self, producer: AIOKafkaProducer, letter: DeadLetter) -> None:
        """Append the record again, then delete the letter."""
        record = letter.record
        topic = self._servers.topic(record.topic)
        count = len(await producer.partitions_for(topic))
        await send(producer, topic, partition(record.key, count), [record])
        await producer.send_and_wait(self._place.topic, None, letter.id.encode(), self._place.partition)
