"""Redis Streams as the event log: what only they can lose, and how lag is counted and streams are trimmed."""

import asyncio
import itertools
import secrets
from types import SimpleNamespace

import pytest

from storage.database import Database
from storage.event_log import PARTITIONS, LogFull, partition
from storage.leases import Leases
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S
from tests.ports import free_ports
from tests.redis_cluster import RedisServers
from tests.storage.log_reader import TOPIC, Reader, records
from workers.relay import _Relay


@pytest.fixture
def event_log(redis, shards):
    return RedisStreams(redis, shards)


async def unread_by(event_log: RedisStreams, redis: Redis) -> list[tuple[str, int]]:
    """Return the lag of a group that got three of seven records and acknowledged one, and of a new group."""
    await event_log.append(1, records(keys=1, each=7))
    stream = event_log.stream(TOPIC, partition("key0"))
    for group in ("behind", "new"):
        await event_log.ensure_group(stream, group)
    [[_, given]] = await redis.commands.xreadgroup("behind", "owner", {stream: ">"}, count=3)
    await redis.commands.xack(stream, "behind", given[0][0])
    return [(lag.group, lag.records) for lag in await event_log.lags()]


async def test_lag_is_counted_without_reading_records(event_log, redis, monkeypatch):
    groups = event_log._groups

    async def of_a_server_that_lost_count() -> list:
        found = await groups()
        for _, _, each in found:
            for group in each:
                group["lag"] = None
        return found

    monkeypatch.setattr(event_log, "_groups", of_a_server_that_lost_count)
    monkeypatch.setattr(redis.commands, "xrange", None)
    assert await unread_by(event_log, redis) == [("behind", 6), ("new", 7)]
    monkeypatch.setattr("storage.redis_streams.MOST_COUNTED", 2)
    assert [lag.records for lag in await event_log.lags()] == [4, 2]


async def test_lag_comes_from_the_server_if_it_knows_it(event_log, redis, monkeypatch):
    monkeypatch.setattr("storage.redis_streams.MOST_COUNTED", 1)
    assert await unread_by(event_log, redis) == [("behind", 6), ("new", 7)]
    stream = event_log.stream(TOPIC, partition("key0"))
    middle = (await redis.commands.xrange(stream))[4][0]
    await redis.commands.xdel(stream, middle)  # from here on the server does not know it
    assert [lag.records for lag in await event_log.lags()] == [3, 1]


async def test_work_on_a_replaced_master_is_repeated(idle_cluster: Cluster, database, shards):
    class Replicated(Redis):
        master = ("old", 1)

    redis = Replicated(idle_cluster.servers.redis_url, f"log-{secrets.token_hex(4)}")
    event_log = RedisStreams(redis, shards)
    seen: list[int] = []
    stop = asyncio.Event()

    async def react(batch) -> None:
        seen.append(len(batch.records))
        redis.master = ("new", 2)

    await event_log.append(1, records(keys=1, each=3))
    task = asyncio.create_task(event_log.consume("g", [TOPIC], react, stop, database))
    async with asyncio.timeout(WAIT_S):
        while len(seen) < 2:
            await asyncio.sleep(0.01)
    stop.set()
    await task
    assert seen == [3, 3]
    await redis.close()


async def test_a_record_whose_acknowledgement_was_lost_in_a_crash_is_delivered_again(tmp_path, database, shards):
    servers, [port] = RedisServers(tmp_path), free_ports(1)
    persistent = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    servers.spawn(port, *persistent)
    await servers.until(port, "PONG", "ping")
    redis = Redis(f"redis://127.0.0.1:{port}/0", "log")
    event_log = RedisStreams(redis, shards)
    reader = Reader(event_log, "g", database)
    await event_log.append(1, records(keys=1, each=1))
    await reader.until(1)  # before that the group may not read its partition yet
    async with asyncio.timeout(WAIT_S):
        while [lag.records for lag in await event_log.lags()] != [0]:
            await asyncio.sleep(0.01)
    stream = event_log.stream(TOPIC, partition("key0"))
    [(entry_id, _)] = await redis.commands.xrange(stream)
    await redis.commands.xclaim(stream, "g", "owner", 0, [entry_id], force=True, justid=True)
    servers.kill(port)
    servers.spawn(port, *persistent)
    async with asyncio.timeout(WAIT_S):
        while len(reader.seen) < 2:
            await asyncio.sleep(0.01)
    await reader.end()
    await redis.close()
    await servers.stop()


async def test_what_a_former_owner_read_is_found_in_a_busy_partition(event_log, redis, monkeypatch, database):
    monkeypatch.setattr("storage.stream_consumer._RECHECK_S", 0.5)
    first, *later = records(keys=1, each=500)
    reader = Reader(event_log, "g", database)
    await event_log.append(1, [first])
    await reader.until(1)
    assert await soon(lambda: unread(event_log), {"g": 0}) == {"g": 0}
    stream = event_log.stream(TOPIC, partition("key0"))
    [(entry_id, _)] = await redis.commands.xrange(stream)
    await redis.commands.xclaim(stream, "g", "owner", 0, [entry_id], force=True, justid=True)
    for record in later:
        await event_log.append(record.event_id, [record])
        await reader.until(record.event_id)
        if reader.seen.count(first) == 2:
            break
        await asyncio.sleep(0.01)
    await reader.end()
    assert reader.seen.count(first) == 2
    assert len(reader.seen) == len({*reader.seen}) + 1


async def test_a_lease_is_released_once_no_read_can_get_records(event_log, redis, shards, monkeypatch, database):
    read, goes_on, is_reading = redis.blocking.xreadgroup, asyncio.Event(), asyncio.Event()

    async def slow(*arguments, **options):
        is_reading.set()
        await goes_on.wait()
        return await read(*arguments, **options)

    streams = [event_log.stream(TOPIC, index) for index in range(PARTITIONS)]

    async def another_takes() -> set[bool]:
        return {*await Leases(shards, "log:g").hold(streams, "another", lifetime_ms=5_000, most=PARTITIONS)}

    monkeypatch.setattr(redis.blocking, "xreadgroup", slow)
    reader = Reader(event_log, "g", database)
    await asyncio.wait_for(is_reading.wait(), WAIT_S)
    reader.stop.set()
    for _ in range(10):
        await asyncio.sleep(0.02)
        assert await another_takes() == {False}
    goes_on.set()
    assert await soon(another_takes, {True}) == {True}
    await reader.task


async def test_a_group_without_workers_is_forgotten(event_log, database):
    await event_log.append(1, records(keys=20, each=1))
    reader = Reader(event_log, "gone", database)
    await reader.until(20)
    await reader.end()
    with pytest.raises(LookupError):
        await event_log.forget("another")
    assert await event_log.forget("gone") == PARTITIONS
    assert await event_log.lags() == []


async def test_a_group_continues_after_errors_while_reading(event_log, redis, monkeypatch, database):
    read, stumbled = redis.blocking.xreadgroup, asyncio.Event()

    async def stumbles_once(*arguments, **options):
        if not stumbled.is_set():
            stumbled.set()
            raise ValueError("an answer that nobody understands")
        return await read(*arguments, **options)

    monkeypatch.setattr(redis.blocking, "xreadgroup", stumbles_once)
    reader = Reader(event_log, "g", database)
    await asyncio.wait_for(stumbled.wait(), WAIT_S)
    await event_log.append(1, records(keys=1, each=1))
    await reader.until(1)
    await reader.end()


async def test_trimming_keeps_records_that_a_group_has_not_read(event_log, redis, monkeypatch, database):
    monkeypatch.setattr("storage.redis_streams.KEEP_READ_MS", -1_000)
    sent = records(keys=1, each=3_000)
    fast = Reader(event_log, "fast", database)
    slow = Reader(event_log, "slow", database)
    await event_log.append(1, sent[:10])
    await fast.until(10)
    await slow.until(10)
    await slow.end()
    await event_log.append(2, sent[10:])
    await fast.until(3_000)
    await fast.end()
    await event_log.trim()
    again = Reader(event_log, "slow", database)
    await again.until(2_990)
    await again.end()
    await event_log.trim()
    stream = event_log.stream(TOPIC, partition("key0"))
    assert await redis.commands.xlen(stream) < 200


async def test_records_that_all_groups_have_read_do_not_fill_a_partition(event_log, redis, monkeypatch, database):
    monkeypatch.setattr("storage.redis_streams.LONGEST_PARTITION", 1_000)
    sent = records(keys=1, each=4_000)
    stream = event_log.stream(TOPIC, partition("key0"))
    reader = Reader(event_log, "g", database)
    for start in range(0, 4_000, 500):
        await event_log.append(start, sent[start : start + 500])
        await reader.until(start + 500)
        assert await soon(lambda: unread(event_log), {"g": 0}) == {"g": 0}
    await reader.end()
    assert await redis.commands.xlen(stream) <= 1_600
    await event_log.append(4_000, sent[:1_001])
    with pytest.raises(LogFull, match=f"has not read: {TOPIC}"):
        await event_log.append(4_001, sent[:1])


async def unread(event_log: RedisStreams) -> dict[str, int]:
    return {lag.group: lag.records for lag in await event_log.lags()}


async def test_a_long_partition_is_trimmed_of_what_was_read_at_once(event_log, redis, monkeypatch, database):
    monkeypatch.setattr("storage.redis_streams.LONGEST_WITH_READ", 1_000)
    stream = event_log.stream(TOPIC, partition("key0"))
    reader = Reader(event_log, "g", database)
    await event_log.append(1, records(keys=1, each=900))
    await reader.until(900)
    await event_log.trim()
    assert await redis.commands.xlen(stream) == 900
    await event_log.append(2, records(keys=1, each=1_800)[900:])
    await reader.until(1_800)
    assert await soon(lambda: unread(event_log), {"g": 0}) == {"g": 0}
    await event_log.trim()
    await reader.end()
    assert await redis.commands.xlen(stream) < 200


async def test_a_full_topic_does_not_hold_up_the_others(event_log, redis, own_database, monkeypatch):
    await own_database.migrate()
    database = Database(own_database.urls[2], largest=2)
    await database.connect()
    monkeypatch.setattr("storage.redis_streams.LONGEST_PARTITION", 200)
    ids = itertools.count(1)

    async def add(topic: str, amount: int) -> None:
        rows = [(next(ids), topic, "key", b"") for _ in range(amount)]
        await own_database.owner.executemany(
            "INSERT INTO outbox (id, topic, key, payload) VALUES ($1, $2, $3, $4)", rows
        )

    async def unsent() -> list[str]:
        found = await own_database.owner.fetch("SELECT topic FROM outbox WHERE sent_batch IS NULL ORDER BY id")
        return [row["topic"] for row in found]

    relay = _Relay(SimpleNamespace(database=database, event_log=event_log))
    monkeypatch.setattr("workers.relay.FULL_TOPICS_REST_S", 3_600)
    stream = event_log.stream("full", partition("key"))
    await event_log.ensure_group(stream, "slow")
    await add("full", 300)
    await relay.turn()
    await add("full", 1)
    await add("other", 1)
    await relay.turn()
    await relay.turn()
    assert await unsent() == ["full"]
    await redis.commands.xgroup_setid(stream, "slow", "$")  # as if it had read all
    monkeypatch.setattr(relay, "_try_full_topics_at", 0)
    await relay.turn()
    assert await unsent() == []
    await database.close()
