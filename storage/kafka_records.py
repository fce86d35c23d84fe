"""The form of records in Kafka: the event's key and payload, and its id and trace as headers."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from storage.event_log import Record

Headers = list[tuple[str, bytes]]


def to_headers(record: Record) -> Headers:
    headers = [("id", b"%d" % record.event_id)]
    return [*headers, ("trace", record.trace.encode())] if record.trace else headers


def read_record(topic: str, found: ConsumerRecord) -> Record:
    """topic: the name without the prefix."""
    headers = dict(found.headers)
    trace = headers.get("trace", b"").decode()
    return Record(int(headers["id"]), topic, found.key.decode(), found.value, trace)


async def send(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]) -> None:
    """Send records of one partition in large batches, and wait until Kafka has acknowledged them."""
    acknowledged = []
    batch = producer.create_batch()
    for record in records:
        fields = {"key": record.key.encode(), "value": record.payload, "headers": to_headers(record)}
        if batch.append(timestamp=None, **fields) is None:  # it is full
            acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, **fields)
    acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledged)
