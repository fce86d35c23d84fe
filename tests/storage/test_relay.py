"""The relay, beside another one that dies, and on a log that has lost everything."""

from types import SimpleNamespace

import pytest

from storage import outbox
from storage.database import Database, DatabaseUnavailable
from storage.event_log import EventLog, partition
from storage.kafka_log import KafkaLog
from storage.redis_streams import RedisStreams
from tests.faults import fail_once, soon
from tests.storage.log_reader import TOPIC, Reader
from tests.storage.releases import OwnDatabase
from workers import relay
from workers.relay import _Relay


@pytest.fixture
async def database(own_database: OwnDatabase):
    """PostgreSQL as workers, with an outbox that no other relay reads."""
    await own_database.migrate()
    own = Database(own_database.urls[2], largest=4)
    await own.connect()
    yield own
    await own.close()


@pytest.fixture
def new_relay(database, monkeypatch):
    monkeypatch.setattr(relay, "CHECK_LOG_EVERY_S", 3_600.0)  # only when there is a reason
    return lambda event_log: _Relay(SimpleNamespace(database=database, event_log=event_log))


async def add_events(own: OwnDatabase, *ids: int) -> None:
    for event_id in ids:
        await own.owner.execute(
            "INSERT INTO outbox (id, topic, key, payload) VALUES ($1, $2, 'key0', '')", event_id, TOPIC
        )


async def carry_all(carrier: _Relay) -> None:
    while await carrier.turn():
        continue


async def test_events_that_a_relay_appended_before_it_died_are_not_appended_again(
    new_relay, own_database, redis, shards, monkeypatch
):
    event_log = RedisStreams(redis, shards)
    dying, living = new_relay(event_log), new_relay(event_log)
    await add_events(own_database, 1)
    await carry_all(living)
    await add_events(own_database, 2)

    fail_once(monkeypatch, outbox, "mark_sent", DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await carry_all(dying)
    await add_events(own_database, 3)
    await carry_all(living)
    entries = await redis.commands.xrange(event_log.stream(TOPIC, partition("key0")))
    assert [int(fields[b"id"]) for _, fields in entries] == [1, 2, 3]


@pytest.mark.kafka
async def test_groups_read_a_log_that_was_emptied_when_nothing_of_it_can_be_sent_again(
    new_relay, own_database, database, kafka, redis, shards
):
    """Kafka was down for so long that all rows of sent events are deleted, and comes back without its data."""

    async def is_stored() -> bool:
        return bool(await database.fetch("SELECT FROM log_offsets WHERE next_offset > 0"))

    async def relay_and_read(event_log: EventLog, *ids: int) -> list[int]:
        await add_events(own_database, *ids)
        await carry_all(new_relay(event_log))
        reader = Reader(event_log, "g", database)
        await reader.until(len(ids))
        assert await soon(is_stored, True)
        await reader.end()
        await event_log.close()
        return [record.event_id for record in reader.seen]

    full, empty = [await kafka.deployment(f"{redis.prefix}-{name}", [TOPIC]) for name in ("full", "empty")]
    assert await relay_and_read(KafkaLog(full, shards), *range(1, 11)) == [*range(1, 11)]
    await own_database.owner.execute("DELETE FROM outbox")
    assert await relay_and_read(KafkaLog(empty, shards), 11) == [11]
