"""Commits wake the relay; events take the trace of their transaction."""

import asyncio

import asyncpg
import pytest

from protocol.events import PostEditedEvent
from storage.outbox import Outbox
from tests.cluster import Cluster
from tests.patience import WAIT_S
from tracing import traces


class SlowDatabase:
    """Counts NOTIFYs, each of which waits to be let go."""

    def __init__(self) -> None:
        self.notified = 0
        self.may_end = asyncio.Event()

    async def notify(self, channel: str) -> None:
        self.notified += 1
        await self.may_end.wait()

    async def has_notified(self, times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.notified < times:
                await asyncio.sleep(0)


async def test_a_commit_during_a_wake_up_wakes_the_relay_again():
    database = SlowDatabase()
    outbox = Outbox(database, None)
    outbox.wake_relay()
    await database.has_notified(1)
    outbox.wake_relay()
    outbox.wake_relay()
    database.may_end.set()
    await database.has_notified(2)
    await outbox.close()
    assert database.notified == 2


async def test_an_event_has_the_trace_of_its_transaction_and_nobody_may_name_another(cluster: Cluster, person):
    alice = await person("alice")
    post = await alice.call("post.create", text="hello")
    services = cluster.node_a.parts.services
    owner = await cluster.owner()

    async def trace_of(event_id: int) -> str | None:
        return await owner.fetchval("SELECT trace FROM outbox WHERE id = $1", event_id)

    async def add() -> int:
        async with services.database.transaction(int(alice.id)) as tx:
            return await services.outbox.add(tx, PostEditedEvent(post_id=int(post["id"]), author_id=int(alice.id)))

    try:
        trace = traces.begin("post.create")
        assert await trace_of(await add()) == trace.context
        traces.leave()
        assert await trace_of(await add()) is None  # also on a connection that has had one
        app = await cluster.as_app(alice.id)
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute("INSERT INTO outbox (id, topic, key, payload, trace) VALUES (1, '', '', '', 'x')")
        finally:
            await app.close()
    finally:
        await owner.close()
