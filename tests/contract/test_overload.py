"""An overloaded node refuses calls of low value at once, and says when to try again."""

import asyncio

from gateway.shedding import RETRY_AFTER_S
from tests.cluster import Cluster
from tests.contract.test_fairness import waiting_for_locks
from tests.faults import soon


async def test_what_matters_least_is_refused_until_the_load_is_gone(cluster: Cluster, person, node, monkeypatch):
    """Two calls that wait for locks hold all connections to PostgreSQL."""
    monkeypatch.setattr("storage.fair_queue.WAIT_S", 1.0)
    name = await node(postgres_pool=2, shed_delay=0.05)
    holders = [await person("holder", node=name) for _ in range(2)]
    alice = await person("alice", node=name)
    posts = [await each.call("post.create", text="mine") for each in holders]
    shedding = cluster.node(name).parts.shedding
    owner = await cluster.owner()
    view = {"views": [{"post_id": posts[0]["id"], "dwell_ms": 5_000}]}

    async def is_refused() -> bool:
        error = (await alice.refused("view.report", **view)).error
        assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
        if "too much" not in error["message"]:  # it has waited for a connection, in vain
            return False
        assert RETRY_AFTER_S[0] * 1_000 <= error["retry_after_ms"] <= RETRY_AFTER_S[1] * 1_000
        return True

    async with owner.transaction():
        await owner.execute("SELECT FROM posts WHERE id = ANY($1) FOR UPDATE", [int(post["id"]) for post in posts])
        edits = [
            asyncio.create_task(each.answer("post.edit", {"post_id": post["id"], "version": 1, "text": "edited"}))
            for each, post in zip(holders, posts, strict=True)
        ]
        assert await soon(lambda: waiting_for_locks(cluster), 2) == 2
        assert await soon(is_refused, True)
        assert await alice.call("system.ping")  # it costs no more than a refusal
    await owner.close()
    assert all(answer["ok"] for answer in await asyncio.gather(*edits))

    async def share() -> float:
        return shedding.admitted

    assert await soon(share, 1.0) == 1.0
    assert (await alice.answer("view.report", view))["ok"]
