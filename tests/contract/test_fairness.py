"""One user, within all limits, cannot starve other users."""

import asyncio

from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S

SOCKETS = 8


async def waiting_for_locks(cluster: Cluster) -> int:
    owner = await cluster.owner()
    try:
        return await owner.fetchval("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
    finally:
        await owner.close()


async def test_calls_that_wait_for_a_lock_leave_connections_for_others(cluster: Cluster, person, node):
    """One user has more calls under way than there are connections to PostgreSQL."""
    small = await node(postgres_pool=5)
    abuser, victim = await person("abuser", node=small), await person("victim", node=small)
    devices = [abuser, *[await cluster.again(abuser, node=small) for _ in range(SOCKETS - 1)]]
    post = await abuser.call("post.create", text="mine")
    owner = await cluster.owner()
    async with owner.transaction():
        await owner.execute("SELECT FROM posts WHERE id = $1 FOR UPDATE", int(post["id"]))
        edit = {"post_id": post["id"], "version": 1, "text": "edited"}
        edits = [asyncio.create_task(device.answer("post.edit", edit)) for device in devices]
        assert await soon(lambda: waiting_for_locks(cluster), 2) == 2
        for _ in range(20):
            assert (await victim.call("post.get", post_id=post["id"]))["text"] == "mine"
        assert await waiting_for_locks(cluster) == 2
        done, _ = await asyncio.wait(edits, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        for refused in done:
            error = refused.result()["error"]
            assert (error["code"], error["retry_after_ms"]) == ("RESOURCE_EXHAUSTED", 1_000)
    await owner.close()
    answers = await asyncio.gather(*edits)
    assert {answer["data"]["version"] for answer in answers if answer["ok"]} == {2}


async def test_all_sockets_of_a_user_share_one_budget(cluster: Cluster, person, node):
    strict = await node(limit_work="6000/minute")
    alice, bob = await person("alice", node=strict), await person("bob", node=strict)
    other = await cluster.again(alice, node=strict)
    budgets = cluster.node(strict).parts.services.budgets
    await alice.call("user.me")
    assert budgets.of(int(alice.id)).spent > 0
    budgets.of(int(alice.id)).spend(60)
    for who, method in ((alice, "user.me"), (alice, "system.ping"), (other, "post.list"), (other, "system.methods")):
        error = (await who.refused(method)).error
        assert (error["code"], error["retryable"]) == ("RESOURCE_EXHAUSTED", True)
        assert error["message"] == "work: no more than 100 ms a second for all calls of a user"
        assert error["retry_after_ms"] > 1_000
    assert (await bob.call("user.me"))["id"] == bob.id


async def test_unanswered_calls_of_a_user_are_bounded_over_all_sockets(cluster: Cluster, person, node):
    """Each socket by itself stays within its rate of calls."""
    limited = await node(limit_calls="50/second")
    abuser, victim = await person("abuser", node=limited), await person("victim", node=limited)
    devices = [abuser, *[await cluster.again(abuser, node=limited) for _ in range(SOCKETS - 1)]]
    calls = [device.answer("user.list", {"user_ids": [victim.id] * 100}) for device in devices for _ in range(90)]
    flood = asyncio.gather(*calls)
    assert (await victim.call("user.me"))["id"] == victim.id
    refused = [answer["error"] for answer in await flood if not answer["ok"]]
    assert "too many calls on all connections of this user" in {error["message"] for error in refused}
    assert len(refused) < len(calls)


async def test_a_user_whose_budget_is_spent_can_still_end_the_session(cluster: Cluster, person, node):
    strict = await node(limit_work="6000/minute")
    alice = await person("alice", node=strict)
    thief = await cluster.again(alice, node=strict)
    cluster.node(strict).parts.services.budgets.of(int(alice.id)).spend(60)
    for who in (alice, thief):
        assert (await who.refused("user.me")).code == "RESOURCE_EXHAUSTED"
    [session] = [each for each in (await alice.call("session.list"))["items"] if not each["current"]]
    assert await alice.call("session.revoke", session_id=session["id"]) == {}
    await thief.expect("session.revoked")
