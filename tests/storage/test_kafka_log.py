"""The event log on Kafka: positions in the reaction's own transaction, workers and relays that were replaced."""

import asyncio
import dataclasses
import time

import pytest
from aiokafka import AIOKafkaConsumer

from storage import kafka_consumer, log_offsets
from storage.cancellation import end
from storage.event_log import Batch, EventLogUnavailable, LogPlace, PartitionTaken, Record, partition
from storage.kafka_dead_letters import KafkaDeadLetters
from storage.kafka_log import KafkaLog
from storage.kafka_servers import ANSWER_TIMEOUT_S, KafkaLogin
from storage.kafka_topics import Layout, ensure_topics
from storage.metrics import BREAKER_OPEN
from tests.faults import Held, fail_once, soon
from tests.patience import WAIT_S
from tests.storage.log_reader import TOPIC, Reader, records

pytestmark = pytest.mark.kafka

FAR = 1 << 60  # the id of an event that no other test has
PLACE = (TOPIC, partition("key0"))


@pytest.fixture
async def servers(redis, kafka):
    return await kafka.deployment(redis.prefix, [TOPIC])


@pytest.fixture
async def event_log(servers, shards):
    log = KafkaLog(servers, shards)
    yield log
    await log.close()


async def next_offset(database) -> int:
    [row] = await database.fetch("SELECT next_offset FROM log_offsets WHERE (topic, partition) = ($1, $2)", *PLACE)
    return row["next_offset"]


async def test_a_record_that_committed_with_its_effect_is_never_read_again(event_log, database):
    """A worker dies in its 21st reaction: the next one begins there."""
    done: list[int] = []
    dies = asyncio.Event()

    async def react(batch: Batch) -> None:
        for place, record in enumerate(batch.records):
            if len(done) == 20:
                dies.set()
                await asyncio.Event().wait()
            async with database.transaction() as tx:
                await batch.advance(tx, place + 1)
            done.append(record.event_id)

    await event_log.append(1, records(keys=1, each=50))
    task = asyncio.create_task(event_log.consume("g", [TOPIC], react, asyncio.Event(), database))
    await asyncio.wait_for(dies.wait(), WAIT_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    healthy = Reader(event_log, "g", database)
    await healthy.until(30)
    await healthy.end()
    assert [record.event_id for record in healthy.seen] == list(range(21, 51))


async def test_a_worker_that_was_replaced_cannot_commit(event_log, database):
    """Its partition goes on with the epoch after that of the other."""
    outcomes: list[str] = []

    async def react(batch: Batch) -> None:
        if not outcomes:
            await log_offsets.claim(database, "g", [PLACE])  # another process takes the partition over
        try:
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO handled_events (event_id) VALUES ($1)", batch.records[0].event_id)
                await batch.advance(tx, len(batch.records))
        except PartitionTaken:
            outcomes.append("rolled back")
            raise
        outcomes.append("committed")

    stop = asyncio.Event()
    task = asyncio.create_task(event_log.consume("g", [TOPIC], react, stop, database))
    await event_log.append(1, [Record(FAR, TOPIC, "key0", b"")])

    async def seen() -> list[str]:
        return outcomes

    wanted = ["rolled back", "committed"]
    assert await soon(seen, wanted) == wanted  # so the first insert is gone: the key is unique
    stop.set()
    await task


async def test_a_relay_that_was_replaced_cannot_append(event_log, servers, shards):
    other = KafkaLog(servers, shards)
    await event_log.append(1, records(keys=1, each=1))
    assert await other.last_append() == (1, [1])
    with pytest.raises(EventLogUnavailable):
        await event_log.append(2, records(keys=1, each=1))
    assert await other.append(3, records(keys=2, each=1)) == 1
    assert await event_log.last_append() == (3, [1, 2])
    await other.close()


async def test_one_process_at_a_time_appends(event_log, servers, shards):
    other = KafkaLog(servers, shards)
    assert await event_log.take_turn()
    assert not await other.take_turn()
    await event_log.close()
    assert await other.take_turn()
    await other.close()


async def test_groups_go_back_to_the_end_of_a_log_that_has_lost_its_end(event_log, database):
    await event_log.append(1, records(keys=1, each=10))
    reader = Reader(event_log, "g", database)
    await reader.until(10)

    async def lag() -> int:
        return sum(each.records for each in await event_log.lags() if each.group == "g")

    assert await soon(lag, 0) == 0  # the mark of the transaction, too
    await reader.end()
    end = await next_offset(database)
    await log_offsets.move(database, "g", TOPIC, {PLACE[1]: end + 100})
    async with database.transaction() as tx:
        await event_log.forget_positions(tx)
    assert await next_offset(database) == end


async def test_a_group_whose_position_is_behind_the_end_reads_from_the_start(event_log, database, monkeypatch):
    """A partition has lost its records, and no relay misses them."""
    monkeypatch.setattr(kafka_consumer, "_RELAY_MOVES_S", 0.05)
    await event_log.append(1, records(keys=1, each=10))
    before = Reader(event_log, "g", database)
    await before.until(10)
    await before.end()
    await log_offsets.move(database, "g", TOPIC, {PLACE[1]: 1_000})
    await event_log.append(2, [Record(FAR, TOPIC, "key0", b"")])
    after = Reader(event_log, "g", database)
    await after.until(11)
    await after.end()
    assert await next_offset(database) < 1_000


async def test_a_group_follows_a_rewind_and_shows_its_lag_after_faults_of_kafka_and_postgresql(
    event_log, database, monkeypatch
):
    await event_log.append(1, records(keys=1, each=10))
    reader = Reader(event_log, "g", database)
    await reader.until(10)
    faults = [
        fail_once(monkeypatch, AIOKafkaConsumer, "commit", AssertionError()),
        fail_once(monkeypatch, log_offsets, "epochs", TimeoutError()),
    ]
    await event_log.append(2, [Record(FAR, TOPIC, "key0", b"")])
    await reader.until(11)
    for fault in faults:
        await asyncio.wait_for(fault.wait(), WAIT_S)
    await event_log.rewind("g", TOPIC, LogPlace(PLACE[1], "0"), database)

    async def seen() -> int:
        return len(reader.seen)

    async def lag() -> int:
        return sum(each.records for each in await event_log.lags() if each.group == "g")

    assert await soon(seen, 22) == 22
    assert await soon(lag, 0) == 0
    await reader.end()


async def test_a_group_that_can_no_longer_read_ends_so_that_it_is_started_again(event_log, database, monkeypatch):
    fail_once(monkeypatch, AIOKafkaConsumer, "getmany", ValueError("a fault of the client"))
    with pytest.raises(ValueError, match="a fault of the client"):
        await Reader(event_log, "g", database).task
    await event_log.append(1, records(keys=1, each=10))
    reader = Reader(event_log, "g", database)
    await reader.until(10)
    await reader.end()


async def test_topics_get_more_partitions(event_log, servers):
    async def partitions() -> int:
        return len(await event_log._positions.partitions([TOPIC]))

    await ensure_topics(servers, [TOPIC], Layout(partitions=12, replicas=1, retention=24))
    assert await soon(partitions, 12) == 12
    await ensure_topics(servers, [TOPIC], Layout(partitions=8, replicas=1, retention=24))  # never fewer
    assert await partitions() == 12


async def test_what_is_wrong_with_kafka_is_named(servers, shards):
    log = KafkaLog(servers, shards)
    with pytest.raises(EventLogUnavailable, match=r"lacks the topic .*\.absent: run `daira migrate`"):
        await log._positions.partitions(["absent"])
    await log.close()
    stranger = KafkaLog(dataclasses.replace(servers, login=KafkaLogin("daira", "wrong")), shards)
    with pytest.raises(EventLogUnavailable, match="Kafka: "):
        await stranger.ping()
    await stranger.close()


async def test_a_scrape_that_is_cancelled_while_it_connects_spoils_no_later_one(event_log, monkeypatch):
    """Sidecars wait for a second alone. The next one goes on with the same connection."""
    starts = Held(monkeypatch, AIOKafkaConsumer, "start")
    scrape = asyncio.create_task(event_log.lags())
    await starts.came.wait()
    await end(scrape)
    starts.go.set()
    assert isinstance(await event_log.lags(), list)
    assert starts.done.is_set()


async def test_dead_letters_are_counted_even_if_each_scrape_is_cancelled_on_the_way(event_log, monkeypatch):
    for record in records(keys=1, each=3):
        await event_log.bury("g", record, "ValueError: broken")
    opened = Held(monkeypatch, KafkaDeadLetters, "_open", behind=True)
    fetched = Held(monkeypatch, KafkaDeadLetters, "_fetch")
    opened.go.set()
    scrape = asyncio.create_task(event_log.count_dead_letters())
    await fetched.came.wait()
    await end(scrape)
    opened_again = Held(monkeypatch, KafkaDeadLetters, "_open")
    opened_again.go.set()
    assert await event_log.count_dead_letters() == 3
    assert not opened_again.came.is_set(), "it goes on with the same reader"


async def test_a_broker_that_hangs_is_refused_at_once_and_found_again(event_log, kafka):
    """A request under way when the broker begins to hang is refused within seconds."""

    async def tried(batch: int) -> float:
        began = time.monotonic()
        with pytest.raises(EventLogUnavailable):
            await event_log.append(batch, records(keys=1, each=1))
        return time.monotonic() - began

    assert await event_log.append(1, records(keys=1, each=1)) == 0
    kafka.pause()
    try:
        first = await tried(2)
        assert BREAKER_OPEN.labels("kafka")._value.get() == 1
        later = [await tried(2) for _ in range(5)]
        with pytest.raises(EventLogUnavailable):
            await asyncio.wait_for(event_log.ping(), 1)
    finally:
        kafka.resume()
    resumed = time.monotonic()
    async with asyncio.timeout(WAIT_S):
        while (await _last(event_log)) is None:
            await asyncio.sleep(0.1)
    assert first < ANSWER_TIMEOUT_S - 1
    assert max(later) < 0.5
    assert BREAKER_OPEN.labels("kafka")._value.get() == 0
    print(f"\nnoticed after {first:.1f} s; then refused in {max(later) * 1_000:.0f} ms; "
          f"answered {time.monotonic() - resumed:.1f} s after it went on")  # fmt: skip


async def _last(event_log: KafkaLog):
    try:
        return await event_log.last_append()
    except EventLogUnavailable:
        return None
