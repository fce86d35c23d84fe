"""Counts equal rows, whatever runs at once and whoever dies when."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from storage import counts
from storage.database import Database
from tests.cluster import Cluster
from tests.faults import soon
from workers.counters import DRIFT, Counters

KINDS = ("like", "love", "laugh", "sad", "angry")
USERS, CONNECTIONS, STEPS = 50, 8, 10_000


async def posts_of(cluster: Cluster, amount: int) -> tuple[list[int], list[int]]:
    """Return users, and posts of the first one."""
    await cluster.tokens(names := [cluster.unique("user") for _ in range(USERS)])
    owner = await cluster.owner()
    users = [row["id"] for row in await owner.fetch("SELECT id FROM users WHERE username = ANY ($1)", names)]
    posts = [cluster.stores.ids.mint() for _ in range(amount)]
    await owner.executemany(
        """INSERT INTO posts (id, author_id, text, visibility, reply_policy)
        VALUES ($1, $2, '', 'public', 'everyone')""",
        [(post, users[0]) for post in posts],
    )
    await owner.close()
    return users, posts


async def react(connection: Any, post: int, user: int, kind: str | None) -> None:
    if kind is None:
        await connection.execute(
            "DELETE FROM reactions WHERE target_type = 'post' AND target_id = $1 AND user_id = $2", post, user
        )
    else:
        await connection.execute(
            """INSERT INTO reactions (target_type, target_id, user_id, kind, id) VALUES ('post', $1, $2, $3, 0)
            ON CONFLICT (target_type, target_id, user_id) DO UPDATE SET kind = excluded.kind""",
            post, user, kind,
        )  # fmt: skip


async def differing(database: Database, posts: list[int]) -> list[counts.Drift]:
    async with database.transaction() as tx:
        return await counts.drift(tx, "post", posts)


async def unfolded(cluster: Cluster, posts: list[int]) -> int:
    owner = await cluster.owner()
    found: int = await owner.fetchval("SELECT count(*) FROM count_changes WHERE target_id = ANY ($1)", posts)
    await owner.close()
    return found


async def test_ten_thousand_reactions_on_many_connections_are_counted(cluster: Cluster):
    """Workers fold meanwhile, and some are killed between the fold and the commit."""
    users, posts = await posts_of(cluster, 20)
    database = cluster.worker_database
    at_work = asyncio.Event()

    async def act(number: int) -> None:
        dice = random.Random(number)
        connection = await cluster.owner()
        for _ in range(STEPS // CONNECTIONS):
            await react(connection, dice.choice(posts), dice.choice(users), dice.choice((*KINDS, None, None)))
        await connection.close()

    async def fold_and_die() -> None:
        while not at_work.is_set():
            killed = await asyncpg.connect(cluster.servers.postgres_url("daira_worker"))
            await killed.execute("BEGIN")
            if await counts.take_turn(killed):
                await counts.fold(killed, 100)
            killed.terminate()
            assert await differing(database, posts) == []
            await asyncio.sleep(0.02)

    dying = asyncio.create_task(fold_and_die())
    await asyncio.gather(*(act(number) for number in range(CONNECTIONS)))
    at_work.set()
    await dying
    assert await soon(lambda: unfolded(cluster, posts), 0) == 0
    assert await differing(database, posts) == []
    owner = await cluster.owner()
    [counted] = await owner.fetch(
        """SELECT (SELECT sum(value::int) FROM posts, jsonb_each_text(reactions) WHERE id = ANY ($1)) AS stored,
                  (SELECT count(*) FROM reactions WHERE target_id = ANY ($1)) AS rows""",
        posts,
    )
    await owner.close()
    assert counted["stored"] == counted["rows"] > 0


async def test_counts_of_a_worker_that_died_before_it_pushed_are_pushed_by_the_next(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="x"))["id"]
    await bob.call("post.watch", post_id=post)
    owner = await cluster.owner()
    async with owner.transaction():  # as one transaction of a worker, which then dies
        await react(owner, int(post), int(alice.id), "like")
        await owner.execute("SELECT pg_advisory_xact_lock(hashtext('daira_counts'))")
        await counts.fold(owner, 10**6)
    await owner.close()
    assert (await bob.expect("post.counted", post_id=post))["counts"]["reactions"] == {"like": 1}


async def test_one_transaction_has_the_turn(cluster: Cluster):
    database = cluster.worker_database
    async with database.transaction() as one:
        async with asyncio.timeout(30):
            while not await counts.take_turn(one):
                await asyncio.sleep(0.01)
        async with database.transaction() as other:
            assert not await counts.take_turn(other)
        assert not await Counters(cluster.workers.tools).fold()


async def planted(cluster: Cluster, post: int, views: int) -> None:
    owner = await cluster.owner()
    await owner.execute("UPDATE posts SET view_count = $2 WHERE id = $1", post, views)
    await owner.close()


async def test_the_check_of_the_workers_finds_drift_and_its_repair(cluster: Cluster):
    _, [post] = await posts_of(cluster, 1)
    checker = Counters(cluster.workers.tools)

    async def check() -> float:
        checker._kind, checker._checked_to = "post", post - 1
        await checker.check()
        return DRIFT._value.get()

    assert await check() == 0
    await planted(cluster, post, 7)
    assert await check() == 1
    checker._checked_to = post
    await checker.check()  # it remembers what differed
    assert DRIFT._value.get() == 1
    async with cluster.worker_database.transaction() as tx:
        assert await counts.repair(tx, "post", [post]) == [counts.Drift(post, "views", 7, 0)]
    assert await check() == 0


async def test_the_check_goes_round(cluster: Cluster, monkeypatch):
    monkeypatch.setattr("workers.counters.CHECKED", 10**6)
    checker = Counters(cluster.workers.tools)
    seen = []
    for _ in range(4):
        await checker.check()
        seen.append((checker._kind, checker._checked_to))
    assert seen == [("comment", 0), ("post", 0)] * 2


@pytest.mark.parametrize("at_once", [2, 5])
async def test_repairs_at_once_mend_once(cluster: Cluster, at_once: int):
    _, [post] = await posts_of(cluster, 1)
    await planted(cluster, post, 7)

    async def repair() -> int:
        async with cluster.worker_database.transaction() as tx:
            return len(await counts.repair(tx, "post", [post]))

    assert sorted(await asyncio.gather(*(repair() for _ in range(at_once)))) == [*[0] * (at_once - 1), 1]
    assert await soon(lambda: unfolded(cluster, [post]), 0) == 0
    assert await differing(cluster.worker_database, [post]) == []
