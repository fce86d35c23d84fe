"""The event log's contract, on both engines: in order for each key, nothing lost when a consumer dies."""

import asyncio
import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from storage.event_log import PARTITIONS, EventLog, LogPlace, Record, partition
from storage.kafka_log import KafkaLog
from storage.redis_streams import RedisStreams
from tests.faults import soon
from tests.patience import WAIT_S
from tests.storage.log_reader import TOPIC, Reader, in_order, records


@pytest.fixture(params=["redis", pytest.param("kafka", marks=pytest.mark.kafka)])
async def event_log(request, redis, shards, kafka):
    log: EventLog = RedisStreams(redis, shards)
    if request.param == "kafka":
        log = KafkaLog(await kafka.deployment(redis.prefix, [TOPIC]), shards)
    yield log
    await log.close()


async def test_each_group_reads_everything_in_order_per_key(event_log, database):
    sent = records(keys=20, each=20)
    readers = [Reader(event_log, group, database) for group in ("g1", "g2")]
    for start in range(0, len(sent), 50):
        await event_log.append(start, sent[start : start + 50])
    for reader in readers:
        await reader.until(400)
        assert in_order(reader.seen)
        assert len(reader.seen) == 400

    async def lags() -> set[tuple[str, int]]:
        return {(lag.group, lag.records) for lag in await event_log.lags()}

    assert await soon(lags, {("g1", 0), ("g2", 0)}) == {("g1", 0), ("g2", 0)}
    for reader in readers:
        await reader.end()
    assert await event_log.last_append() == (350, [record.event_id for record in sent[350:]])


async def test_a_new_group_reads_all_records_that_are_still_kept(event_log, database):
    await event_log.append(1, records(3, 3))
    assert await event_log.lags() == []
    late = Reader(event_log, "late", database)
    await late.until(9)
    await late.end()


async def test_two_consumers_share_partitions_and_take_over_when_one_ends(event_log, database):
    first = Reader(event_log, "g", database)
    sent = records(keys=40, each=10)
    await event_log.append(1, sent[:200])
    await first.until(200)
    second = Reader(event_log, "g", database)
    async with asyncio.timeout(WAIT_S):
        while len(second.seen) == 0:  # until the second has its share of partitions
            await event_log.append(2, sent[200:201])
            sent_again = records(keys=40, each=1)
            await event_log.append(2, sent_again)
            await asyncio.sleep(0.2)
    await first.end()
    await event_log.append(3, sent[201:])
    async with asyncio.timeout(WAIT_S):
        while {record.event_id for record in first.seen + second.seen} != {record.event_id for record in sent}:
            await asyncio.sleep(0.05)
    await second.end()


async def test_unacknowledged_records_are_delivered_again_in_order(event_log, database):
    await event_log.append(1, records(keys=1, each=50))
    failing = Reader(event_log, "g", database, fail_at=20)
    await failing.until(20)
    failing.task.cancel()
    await asyncio.gather(failing.task, return_exceptions=True)
    healthy = Reader(event_log, "g", database)
    await healthy.until(50)
    assert [record.event_id for record in healthy.seen] == list(range(1, 51))
    await healthy.end()


async def test_a_stuck_partition_does_not_block_others(event_log, database):
    released = asyncio.Event()
    done: list[int] = []
    stuck_key = "key0"
    free_key = next(f"key{n}" for n in range(1, 99) if partition(f"key{n}") != partition(stuck_key))

    async def react(batch) -> None:
        for record in batch.records:
            if record.key == stuck_key:
                await released.wait()
            done.append(record.event_id)

    stop = asyncio.Event()
    task = asyncio.create_task(event_log.consume("g", [TOPIC], react, stop, database))
    await event_log.append(1, [Record(1, TOPIC, stuck_key, b"")])
    for number in range(2, 12):
        await event_log.append(number, [Record(number, TOPIC, free_key, b"")])
    async with asyncio.timeout(WAIT_S):
        while len(done) < 10:
            await asyncio.sleep(0.01)
    assert 1 not in done
    released.set()
    async with asyncio.timeout(WAIT_S):
        while 1 not in done:
            await asyncio.sleep(0.01)
    stop.set()
    await task


async def test_records_gather_while_their_partition_rests(event_log, database):
    gather_s, began, handled = 0.5, list[float](), list[Record]()
    sent = records(keys=1, each=1_000)

    async def react(batch) -> None:
        began.append(time.monotonic())
        handled.extend(batch.records)

    async def until(amount: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(handled) < amount:
                await asyncio.sleep(0.01)

    stop = asyncio.Event()
    task = asyncio.create_task(event_log.consume("g", [TOPIC], react, stop, database, gather_s=gather_s))
    for number in range(3):
        await event_log.append(number, [sent[number]])
        await until(number + 1)
    assert all(later - before > gather_s - 0.01 for before, later in pairwise(began))  # timers count milliseconds
    await event_log.append(10, sent[3:])
    await until(1_000)
    assert handled == sent
    assert any(later - before < gather_s / 2 for before, later in pairwise(began[3:]))  # full batches do not rest
    stop.set()
    await task


async def test_dead_letters_are_stored_with_their_cause_and_replayed(event_log, database):
    reader = Reader(event_log, "g", database)
    record = Record(7, TOPIC, "key", b"payload")
    await event_log.bury("g", record, "ValueError: broken")
    await event_log.bury("g", Record(8, TOPIC, "key", b"other"), "x" * 5_000)
    first, second = await event_log.dead_letters(10)
    assert await event_log.count_dead_letters() == 2
    assert await event_log.dead_letters(1) == [first]
    assert (first.group, first.cause, first.record) == ("g", "ValueError: broken", record)
    assert len(second.cause) == 2_000
    assert await event_log.replay([first.id]) == 1
    await reader.until(1)
    assert reader.seen == [record]
    assert await event_log.replay(None) == 1
    assert (await event_log.count_dead_letters(), await event_log.dead_letters(10)) == (0, [])
    await reader.until(2)
    await reader.end()


def test_keys_spread_over_all_partitions():
    assert {partition(str(number)) for number in range(1_000)} == set(range(PARTITIONS))


async def test_a_relay_that_died_after_its_append_is_known_to_the_next(event_log):
    """It knows which events are in the log, so that none is appended twice."""
    assert await event_log.last_append() == (0, [])
    assert await event_log.append(3, records(keys=2, each=2)) == 0
    assert await event_log.append(5, records(keys=2, each=1)) == 3
    assert await event_log.last_append() == (5, [1, 2])


async def test_a_group_reads_again_from_a_time_or_from_a_place(event_log, database):
    sent = records(keys=20, each=5)
    began = datetime.now(UTC)
    await event_log.append(1, sent)
    reader = Reader(event_log, "g", database)
    await reader.until(100)

    async def lag() -> int:
        return sum(each.records for each in await event_log.lags())

    assert await soon(lag, 0) == 0
    reader.seen.clear()
    assert await event_log.rewind("g", TOPIC, began, database) == PARTITIONS
    await reader.until(100)
    assert in_order(reader.seen)
    assert {record.event_id for record in reader.seen} == {record.event_id for record in sent}
    with pytest.raises(LookupError):
        await event_log.rewind("unknown", TOPIC, began, database)
    await reader.end()


async def test_a_topic_is_watched_from_now_on(event_log):
    await event_log.append(1, records(keys=1, each=3))
    seen: list[tuple[LogPlace, Record]] = []
    watching = asyncio.Event()

    async def watch() -> None:
        async for found in event_log.tail(TOPIC):
            seen.append(found)
            watching.set()

    task = asyncio.create_task(watch())
    batch = 1
    async with asyncio.timeout(WAIT_S):
        while not watching.is_set():  # it begins at some time
            batch += 1
            await event_log.append(batch, [Record(batch, TOPIC, "key0", b"later")])
            await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    place, record = seen[0]
    assert record.payload == b"later"
    assert place.partition == partition("key0")
