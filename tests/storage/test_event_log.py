"""The event log's contract: at least once, in order for each key, nothing lost when a consumer dies."""

import asyncio
import secrets

import pytest

from storage.event_log import PARTITIONS, Record, partition
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.cluster import Cluster
from tests.faults import soon
from tests.gateway.test_commands import free_ports
from tests.patience import WAIT_S
from tests.redis_cluster import RedisServers


@pytest.fixture
async def redis(idle_cluster: Cluster):
    """A Redis with its own prefix."""
    own = Redis(idle_cluster.servers.redis_url, f"log-{secrets.token_hex(4)}")
    yield own
    await own.close()


@pytest.fixture
def event_log(redis):
    return RedisStreams(redis)


def records(topic: str, keys: int, each: int) -> list[Record]:
    return [
        Record(number * keys + key + 1, topic, f"key{key}", b"payload") for number in range(each) for key in range(keys)
    ]


class Reader:
    """Consumes until told to stop, and records what it gets."""

    def __init__(self, event_log: RedisStreams, group: str, topics: list[str], fail_at: int | None = None) -> None:
        self.seen: list[Record] = []
        self.stop = asyncio.Event()
        self.news = asyncio.Condition()
        self._fail_at = fail_at
        self.task = asyncio.create_task(event_log.consume(group, topics, self.react, self.stop))

    async def react(self, batch) -> None:
        for record in batch:
            if self._fail_at is not None and len(self.seen) >= self._fail_at:
                raise RuntimeError("killed in the middle")
            async with self.news:
                self.seen.append(record)
                self.news.notify_all()

    async def until(self, amount: int) -> None:
        async with asyncio.timeout(WAIT_S), self.news:
            await self.news.wait_for(lambda: len({record.event_id for record in self.seen}) >= amount)

    async def end(self) -> None:
        self.stop.set()
        await self.task


def in_order(seen: list[Record]) -> bool:
    """Return the records by key, without repetitions."""
    newest: dict[str, int] = {}
    first = {}
    for record in seen:
        if record.event_id in first:
            continue
        first[record.event_id] = True
        if newest.get(record.key, 0) > record.event_id:
            return False
        newest[record.key] = record.event_id
    return True


async def test_each_group_reads_everything_in_order_per_key(event_log):
    sent = records("t", keys=20, each=20)
    readers = [Reader(event_log, group, ["t"]) for group in ("g1", "g2")]
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
    assert await event_log.last_batch() == 350


async def test_a_new_group_reads_all_records_that_are_still_kept(event_log):
    await event_log.append(1, records("t", 3, 3))
    assert await event_log.lags() == []
    late = Reader(event_log, "late", ["t"])
    await late.until(9)
    await late.end()


async def test_two_consumers_share_partitions_and_take_over_when_one_ends(event_log):
    first = Reader(event_log, "g", ["t"])
    sent = records("t", keys=40, each=10)
    await event_log.append(1, sent[:200])
    await first.until(200)
    second = Reader(event_log, "g", ["t"])
    async with asyncio.timeout(WAIT_S):
        while len(second.seen) == 0:  # until the second has its share of partitions
            await event_log.append(2, sent[200:201])
            sent_again = records("t", keys=40, each=1)
            await event_log.append(2, sent_again)
            await asyncio.sleep(0.2)
    await first.end()
    await event_log.append(3, sent[201:])
    async with asyncio.timeout(WAIT_S):
        while {record.event_id for record in first.seen + second.seen} != {record.event_id for record in sent}:
            await asyncio.sleep(0.05)
    await second.end()


async def unread_by(event_log: RedisStreams, redis: Redis) -> list[tuple[str, int]]:
    """Return the lag of a group that got three of seven records and acknowledged one, and of a new group."""
    await event_log.append(1, records("t", keys=1, each=7))
    stream = event_log.stream("t", partition("key0"))
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
    stream = event_log.stream("t", partition("key0"))
    middle = (await redis.commands.xrange(stream))[4][0]
    await redis.commands.xdel(stream, middle)  # from here on the server does not know it
    assert [lag.records for lag in await event_log.lags()] == [3, 1]


async def test_unacknowledged_records_are_delivered_again_in_order(event_log):
    await event_log.append(1, records("t", keys=1, each=50))
    failing = Reader(event_log, "g", ["t"], fail_at=20)
    await failing.until(20)
    failing.task.cancel()
    await asyncio.gather(failing.task, return_exceptions=True)
    healthy = Reader(event_log, "g", ["t"])
    await healthy.until(50)
    assert [record.event_id for record in healthy.seen] == list(range(1, 51))
    await healthy.end()


async def test_work_on_a_replaced_master_is_repeated(idle_cluster: Cluster):
    class Replicated(Redis):
        master = ("old", 1)

    redis = Replicated(idle_cluster.servers.redis_url, f"log-{secrets.token_hex(4)}")
    event_log = RedisStreams(redis)
    seen: list[int] = []
    stop = asyncio.Event()

    async def react(batch) -> None:
        seen.append(len(batch))
        redis.master = ("new", 2)

    await event_log.append(1, records("t", keys=1, each=3))
    task = asyncio.create_task(event_log.consume("g", ["t"], react, stop))
    async with asyncio.timeout(WAIT_S):
        while len(seen) < 2:
            await asyncio.sleep(0.01)
    stop.set()
    await task
    assert seen == [3, 3]
    await redis.close()


async def test_a_record_whose_acknowledgement_was_lost_in_a_crash_is_delivered_again(tmp_path):
    servers, [port] = RedisServers(tmp_path), free_ports(1)
    persistent = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
    servers.spawn(port, *persistent)
    await servers.until(port, "PONG", "ping")
    redis = Redis(f"redis://127.0.0.1:{port}/0", "log")
    event_log = RedisStreams(redis)
    reader = Reader(event_log, "g", ["t"])
    await event_log.append(1, records("t", keys=1, each=1))
    await reader.until(1)  # before that the group may not read its partition yet
    async with asyncio.timeout(WAIT_S):
        while [lag.records for lag in await event_log.lags()] != [0]:
            await asyncio.sleep(0.01)
    stream = event_log.stream("t", partition("key0"))
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


async def test_a_group_continues_after_errors_while_reading(event_log, redis, monkeypatch):
    read, stumbled = redis.blocking.xreadgroup, asyncio.Event()

    async def stumbles_once(*arguments, **options):
        if not stumbled.is_set():
            stumbled.set()
            raise ValueError("an answer that nobody understands")
        return await read(*arguments, **options)

    monkeypatch.setattr(redis.blocking, "xreadgroup", stumbles_once)
    reader = Reader(event_log, "g", ["t"])
    await asyncio.wait_for(stumbled.wait(), WAIT_S)
    await event_log.append(1, records("t", keys=1, each=1))
    await reader.until(1)
    await reader.end()


async def test_a_stuck_partition_does_not_block_others(event_log):
    released = asyncio.Event()
    done: list[int] = []
    stuck_key = "key0"
    free_key = next(f"key{n}" for n in range(1, 99) if partition(f"key{n}") != partition(stuck_key))

    async def react(batch) -> None:
        for record in batch:
            if record.key == stuck_key:
                await released.wait()
            done.append(record.event_id)

    stop = asyncio.Event()
    task = asyncio.create_task(event_log.consume("g", ["t"], react, stop))
    await event_log.append(1, [Record(1, "t", stuck_key, b"")])
    for number in range(2, 12):
        await event_log.append(number, [Record(number, "t", free_key, b"")])
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


async def test_dead_letters_are_stored_with_their_cause_and_replayed(event_log):
    reader = Reader(event_log, "g", ["t"])
    record = Record(7, "t", "key", b"payload")
    await event_log.bury("g", record, "ValueError: broken")
    await event_log.bury("g", Record(8, "t", "key", b"other"), "x" * 5_000)
    first, second = await event_log.dead_letters(10)
    assert (first.group, first.cause, first.record) == ("g", "ValueError: broken", record)
    assert len(second.cause) == 2_000
    assert await event_log.replay([first.id]) == 1
    await reader.until(1)
    assert reader.seen == [record]
    assert await event_log.replay(None) == 1
    assert await event_log.dead_letters(10) == []
    await reader.until(2)
    await reader.end()


async def test_trimming_keeps_records_that_a_group_has_not_read(event_log, redis, monkeypatch):
    monkeypatch.setattr("storage.redis_streams.KEEP_READ_MS", -1_000)
    sent = records("t", keys=1, each=3_000)
    fast = Reader(event_log, "fast", ["t"])
    slow = Reader(event_log, "slow", ["t"])
    await event_log.append(1, sent[:10])
    await fast.until(10)
    await slow.until(10)
    await slow.end()
    await event_log.append(2, sent[10:])
    await fast.until(3_000)
    await fast.end()
    await event_log.trim()
    again = Reader(event_log, "slow", ["t"])
    await again.until(2_990)
    await again.end()
    await event_log.trim()
    stream = event_log.stream("t", partition("key0"))
    assert await redis.commands.xlen(stream) < 200


def test_keys_spread_over_all_partitions():
    assert {partition(str(number)) for number in range(1_000)} == set(range(PARTITIONS))
