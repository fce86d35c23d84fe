"""The event path: retries, dead letters, a log that loses its end, repetitions that clients do not see."""

import asyncio
import dataclasses
import secrets
from collections.abc import Sequence

import pytest

from protocol.events import EVENTS, PostCreatedEvent
from storage import outbox
from storage.database import Conflict
from storage.event_log import Record
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S
from tests.people import Person
from tracing import traceparent
from workers import job as jobs
from workers import runner
from workers.fanout import fan_out_posts
from workers.job import Job, Tools, consumes, consumes_many
from workers.relay import _Relay


def test_each_event_has_a_reaction():
    consumed = {topic for reactions in jobs.groups().values() for topic in reactions}
    assert set(EVENTS) <= consumed


@pytest.fixture
async def own_log(cluster: Cluster, shards, monkeypatch):
    """An event log with its own prefix and quick retries."""
    monkeypatch.setattr(runner, "FIRST_WAIT_S", 0.001)
    redis = Redis(cluster.servers.redis_url, f"own-{secrets.token_hex(4)}")
    yield RedisStreams(redis, shards)
    await redis.close()


def tools_with(cluster: Cluster, event_log) -> Tools:
    return dataclasses.replace(cluster.workers.tools, event_log=event_log)


def record(event_id: int, post_id: int = 1) -> Record:
    event = PostCreatedEvent(post_id=post_id, author_id=1)
    return Record(event_id, event.topic, event.key, outbox.encode(event))


@pytest.fixture
def group(monkeypatch):
    """A group of the test; `attempts` records the events that it got."""
    name = f"test-{secrets.token_hex(4)}"
    attempts: list[int] = []

    @consumes(PostCreatedEvent, group=name)
    async def react(job: Job, event: PostCreatedEvent) -> None:
        attempts.append(job.event_id)
        if job.event_id == 666 or (job.event_id == 3 and attempts.count(3) < 3):
            raise ValueError("it is broken")

    yield name, attempts
    del jobs._groups[name]


async def test_a_failing_event_is_retried_then_dead_lettered_with_its_cause_and_replayed(cluster, own_log, group):
    name, attempts = group
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run_group(tools_with(cluster, own_log), name, stop))
    await own_log.append(1, [record(number) for number in (1, 3, 666, 4)])
    async with asyncio.timeout(WAIT_S):
        while 4 not in attempts:
            await asyncio.sleep(0.01)
    assert attempts == [1, 3, 3, 3, *[666] * runner.ATTEMPTS, 4]
    [letter] = await own_log.dead_letters(10)
    assert (letter.group, letter.cause, letter.record.event_id) == (name, "ValueError: it is broken", 666)
    assert await own_log.replay(None) == 1
    async with asyncio.timeout(WAIT_S):
        while attempts.count(666) < 2 * runner.ATTEMPTS:
            await asyncio.sleep(0.01)
    stop.set()
    await running


async def test_an_event_whose_reaction_times_out_is_retried_for_longer_but_not_for_ever(cluster, own_log, monkeypatch):
    name = f"test-{secrets.token_hex(4)}"
    attempts: list[int] = []
    monkeypatch.setattr(runner, "CONTENDED_ATTEMPTS", 2 * runner.ATTEMPTS)
    monkeypatch.setattr(runner, "LONGEST_CONTENDED_WAIT_S", 0.01)

    @consumes(PostCreatedEvent, group=name)
    async def react(job: Job, event: PostCreatedEvent) -> None:
        attempts.append(job.event_id)
        if job.event_id == 666 or attempts.count(job.event_id) <= runner.ATTEMPTS:
            raise TimeoutError if job.event_id % 2 else Conflict("a deadlock")

    async def last() -> int:
        return attempts.count(4)

    stop = asyncio.Event()
    running = asyncio.create_task(runner.run_group(tools_with(cluster, own_log), name, stop))
    try:
        await own_log.append(1, [record(number) for number in (1, 666, 4)])
        assert await soon(last, runner.ATTEMPTS + 1) == runner.ATTEMPTS + 1
    finally:
        stop.set()
        await running
        del jobs._groups[name]
    assert attempts == [*[1] * (runner.ATTEMPTS + 1), *[666] * 2 * runner.ATTEMPTS, *[4] * (runner.ATTEMPTS + 1)]
    [letter] = await own_log.dead_letters(10)
    assert (letter.cause, letter.record.event_id) == ("Conflict: a deadlock", 666)


async def test_events_that_wait_are_reacted_to_together_and_apart_if_one_is_faulty(cluster, own_log, monkeypatch):
    name = f"test-{secrets.token_hex(4)}"
    taken: list[list[int]] = []
    monkeypatch.setattr(runner, "MOST_TOGETHER", 3)

    @consumes_many(PostCreatedEvent, group=name)
    async def react(many: Sequence[Job], events: Sequence[PostCreatedEvent]) -> None:
        taken.append([job.event_id for job in many])
        if any(job.event_id == 666 for job in many):
            raise ValueError("it is broken")

    sampled = record(7)._replace(trace=traceparent.write(1, 2, is_sampled=True))
    await own_log.append(1, [*map(record, (1, 2, 3, 4, 666, 5, 6)), sampled, record(8)])
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run_group(tools_with(cluster, own_log), name, stop))

    async def last() -> list[int]:
        return taken[-1] if taken else []

    try:
        assert await soon(last, [8]) == [8]
    finally:
        stop.set()
        await running
        del jobs._groups[name]
    # The trace of 7 must be whole, so it is alone.
    assert taken == [[1, 2, 3], [4, 666, 5], [4], *[[666]] * runner.ATTEMPTS, [5], [6], [7], [8]]
    assert [letter.record.event_id for letter in await own_log.dead_letters(10)] == [666]


async def test_a_group_that_remembers_its_events_is_told_which_are_repeated(cluster, own_log, monkeypatch):
    """An event is repeated once it was handled, and if it is too old to know. A dead letter was not handled."""
    name = f"test-{secrets.token_hex(4)}"
    monkeypatch.setattr(runner, "REMEMBERING", {name})
    good, failing = cluster.stores.ids.mint(), cluster.stores.ids.mint()
    old, broken = 1, {failing}
    seen: list[tuple[int, bool]] = []

    @consumes(PostCreatedEvent, group=name)
    async def react(job: Job, event: PostCreatedEvent) -> None:
        if job.event_id in broken:
            raise ValueError("it is broken")
        seen.append((job.event_id, job.is_repeated))

    async def lag() -> int:
        return sum(each.records for each in await own_log.lags())

    async def buried() -> int:
        return len(await own_log.dead_letters(10))

    stop = asyncio.Event()
    running = asyncio.create_task(runner.run_group(tools_with(cluster, own_log), name, stop))
    try:
        await own_log.append(1, [record(good), record(failing)])
        assert await soon(buried, 1) == 1
        assert await soon(lag, 0) == 0
        broken.clear()
        assert await own_log.replay(None) == 1
        assert await soon(lag, 0) == 0
        await own_log.append(2, [record(good), record(failing), record(old)])
        assert await soon(lag, 0) == 0
    finally:
        stop.set()
        await running
        del jobs._groups[name]
    assert seen == [(good, False), (failing, False), (good, True), (failing, True), (old, True)]


async def test_unknown_topics_and_versions_become_dead_letters(cluster, own_log, group):
    name, attempts = group
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run_group(tools_with(cluster, own_log), name, stop))
    strange = record(9)._replace(payload=b'{"v": 99}')
    broken = record(10)._replace(payload=b"not json")
    await own_log.append(1, [strange, broken, record(11)])
    async with asyncio.timeout(WAIT_S):
        while 11 not in attempts:
            await asyncio.sleep(0.01)
    assert attempts == [11]
    assert [letter.record.event_id for letter in await own_log.dead_letters(10)] == [9, 10]
    stop.set()
    await running


async def test_a_repeated_event_is_invisible_to_clients(cluster: Cluster, person):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.settle(bob)
    post = await alice.call("post.create", text="once")
    await bob.expect("feed.added", post_id=post["id"])
    event = PostCreatedEvent(post_id=int(post["id"]), author_id=int(alice.id))
    for _ in range(3):
        await fan_out_posts([Job(1, cluster.workers.tools)], [event])
    await cluster.settle(bob)
    assert bob.heard("feed.added") == []
    assert len(await bob.own_feed()) == 1


async def received(cluster: Cluster, person) -> tuple[Person, Person, dict]:
    """Return an author, a follower with an inbox (otherwise it would be built from the database), and a post in it."""
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.settle(bob)
    await bob.call("feed.get")
    post = await alice.call("post.create", text="lost by the log")
    await bob.expect("feed.added", post_id=post["id"])
    return alice, bob, post


async def batch_of(cluster: Cluster, post: dict) -> int:
    """Return the batch in which the post's event was relayed."""
    owner = await cluster.owner()
    try:
        return await owner.fetchval(
            "SELECT sent_batch FROM outbox WHERE topic = $1 AND convert_from(payload, 'UTF8')::json->>'post_id' = $2",
            PostCreatedEvent.topic,
            post["id"],
        )
    finally:
        await owner.close()


async def test_events_that_the_log_lost_are_relayed_again(cluster: Cluster, person):
    _, bob, lost = await received(cluster, person)
    redis = cluster.redis
    # As after a crash of Redis: the inbox entry and the batch number are lost.
    await cluster.stores.feeds.remove([int(bob.id)], [int(lost["id"])])
    await redis.commands.set(redis.key("log-batch"), await batch_of(cluster, lost) - 1)
    async with asyncio.timeout(WAIT_S):
        while not await bob.own_feed():
            await asyncio.sleep(0.05)
    assert bob.heard("feed.added") == []


async def test_events_that_the_log_lost_between_two_batches_are_relayed_again(cluster: Cluster, person, monkeypatch):
    """As after a failover that ends before any check."""
    alice, bob, lost = await received(cluster, person)
    monkeypatch.setattr(_Relay, "_compare_with_log", lambda relay: asyncio.sleep(0, True))
    redis = cluster.redis
    await cluster.stores.feeds.remove([int(bob.id)], [int(lost["id"])])
    await redis.commands.set(redis.key("log-batch"), await batch_of(cluster, lost) - 1)
    later = await alice.call("post.create", text="the log's next")
    await bob.expect("feed.added", post_id=later["id"])
    async with asyncio.timeout(WAIT_S):
        while len(await bob.own_feed()) < 2:
            await asyncio.sleep(0.05)


async def test_old_rows_are_deleted_and_recent_ones_kept(cluster: Cluster, person):
    alice = await person("alice")
    await alice.call("post.create", text="x", idempotency_key="k")
    await cluster.settle(alice)
    owner = await cluster.owner()
    await owner.execute("UPDATE outbox SET sent_at = now() - interval '16 minutes' WHERE key = $1", alice.id)
    await owner.execute(
        "UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE user_id = $1", int(alice.id)
    )
    await alice.call("post.create", text="y", idempotency_key="k")  # the old key can be used again
    await cluster.settle(alice)
    relay = _Relay(cluster.workers.tools)

    async def kept() -> tuple[int, int]:
        relay._tidy_at = 0
        await relay._tidy_sometimes()  # unless the cluster's own relay does it now
        events = await owner.fetchval("SELECT count(*) FROM outbox WHERE key = $1", alice.id)
        return events, await owner.fetchval("SELECT count(*) FROM idempotency WHERE user_id = $1", int(alice.id))

    assert await soon(kept, (1, 1)) == (1, 1)
    await owner.close()
