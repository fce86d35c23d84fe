"""Lanes: a backlog of bulk work takes its own places only."""

import asyncio
import dataclasses
import secrets

import pytest

from protocol.events import MediaDeletedEvent, PostCreatedEvent, SessionsEndedEvent
from storage import outbox
from storage.event_log import Record
from storage.redis import Redis
from storage.redis_streams import RedisStreams
from tests.cluster import Cluster
from tests.patience import WAIT_S
from workers import job as jobs
from workers.job import Job, Tools, consumes
from workers.lanes import SLOTS, Lanes
from workers.runner import run_group

BACKLOG = 400


class Gate:
    """Reactions of a lane that wait here, and how many did at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.ended = 0
        self.opens = asyncio.Event()

    async def pass_through(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.opens.wait()
        self.inside -= 1
        self.ended += 1


@pytest.fixture
async def tools(cluster: Cluster, shards):
    """Tools of a worker process of its own, with a log of its own."""
    redis = Redis(cluster.servers.redis_url, f"own-{secrets.token_hex(4)}")
    yield dataclasses.replace(cluster.workers.tools, event_log=RedisStreams(redis, shards), lanes=Lanes())
    await redis.close()


def records(event: object, amount: int) -> list[Record]:
    return [Record(number, event.topic, str(number), outbox.encode(event)) for number in range(1, amount + 1)]


async def test_urgent_and_normal_work_go_on_beside_a_backlog_of_bulk_work(tools: Tools):
    group = f"test-{secrets.token_hex(4)}"
    bulk, urgent, normal = Gate(), asyncio.Event(), asyncio.Event()

    @consumes(MediaDeletedEvent, group=group)
    async def delete(job: Job, event: MediaDeletedEvent) -> None:
        await bulk.pass_through()

    @consumes(SessionsEndedEvent, group=group)
    async def close(job: Job, event: SessionsEndedEvent) -> None:
        urgent.set()

    @consumes(PostCreatedEvent, group=group)
    async def fan_out(job: Job, event: PostCreatedEvent) -> None:
        normal.set()

    stop = asyncio.Event()
    deleted = MediaDeletedEvent(media_id=1, prefixes=())
    await tools.event_log.append(1, records(deleted, BACKLOG))
    running = asyncio.create_task(run_group(tools, group, stop))
    try:
        async with asyncio.timeout(WAIT_S):
            while bulk.inside < SLOTS["bulk"]:
                await asyncio.sleep(0.01)
            others = [
                SessionsEndedEvent(user_id=1, session_ids=(1,), reason="logout"),
                PostCreatedEvent(post_id=1, author_id=1),
            ]
            await tools.event_log.append(2, [record for event in others for record in records(event, 1)])
            await urgent.wait()
            await normal.wait()
            assert bulk.ended == 0
            bulk.opens.set()
            while bulk.ended < BACKLOG:
                await asyncio.sleep(0.01)
        assert bulk.most == SLOTS["bulk"]
    finally:
        bulk.opens.set()
        stop.set()
        await running
        del jobs._groups[group]
