"""Embeddings: learnt in a process of its own from who engaged with what, and used by feeds for posts of strangers."""

import asyncio
from typing import Any

import pytest

from storage import candidates, embeddings
from storage.leases import Leases
from tests.cluster import Cluster
from workers import embeddings as job
from workers.candidates import CandidateKeeper

USERS, POSTS = 12, 10  # of each taste
TASTES = ("cooking", "football")


class Crowd:
    """Users of two tastes, who reacted to all but one of the posts of their taste by strangers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.users: dict[str, list[int]] = {}
        self.posts: dict[str, list[int]] = {}

    async def gather(self) -> None:
        mint = self._cluster.stores.ids.mint
        owner = await self._cluster.owner()
        try:
            for taste in TASTES:
                author, *users = await self._people(owner, taste, USERS + 1)
                posts = [mint() for _ in range(POSTS)]
                await owner.executemany(
                    """INSERT INTO posts (id, author_id, text, visibility, reply_policy)
                    VALUES ($1, $2, '', 'public', 'everyone')""",
                    [(post_id, author) for post_id in posts],
                )
                await owner.executemany(
                    """INSERT INTO reactions (target_type, target_id, user_id, kind, id)
                    VALUES ('post', $1, $2, 'like', $3)""",
                    [
                        (post_id, user, mint())
                        for place, user in enumerate(users)
                        for post_id in posts
                        if post_id != posts[place % POSTS]
                    ],
                )
                self.users[taste], self.posts[taste] = users, posts
        finally:
            await owner.close()

    async def _people(self, owner: Any, taste: str, amount: int) -> list[int]:
        names = [self._cluster.unique(taste) for _ in range(amount)]
        await self._cluster.tokens(names)
        rows = await owner.fetch(
            """UPDATE users SET created_at = now() - interval '5 days' WHERE username = ANY ($1) RETURNING id""", names
        )
        return [row["id"] for row in rows]

    async def similar(self, user_id: int) -> list[int]:
        """Similar posts for the user, the closest first."""
        async with self._cluster.node_a.parts.services.database.transaction(user_id) as tx:
            found = await candidates.beyond_inbox(tx, user_id, 50, is_patient=True)
        return [each.post_id for each in found if each.source == "similar"]


@pytest.fixture
async def crowd(cluster: Cluster) -> Crowd:
    crowd = Crowd(cluster)
    await crowd.gather()
    return crowd


async def test_users_get_posts_of_strangers_that_similar_users_engaged_with(cluster: Cluster, crowd: Crowd):
    steps: list[tuple[str, float]] = []
    learnt = await job.learn(cluster.worker_database, lambda name, done: steps.append((name, done)))
    assert learnt.users >= 2 * USERS
    assert learnt.posts >= 2 * POSTS
    assert ("learning", 1.0) in steps
    for taste in TASTES:
        for place, user in enumerate(crowd.users[taste]):
            assert (await crowd.similar(user))[0] == crowd.posts[taste][place % POSTS]


async def test_a_new_post_is_found_before_the_next_day(cluster: Cluster, crowd: Crowd):
    await job.learn(cluster.worker_database, lambda name, done: None)
    cook, another = crowd.users["cooking"][:2]
    owner = await cluster.owner()
    post_id = cluster.stores.ids.mint()
    await owner.execute(
        "INSERT INTO posts (id, author_id, text, visibility, reply_policy) VALUES ($1, $2, '', 'public', 'everyone')",
        post_id, cook,
    )  # fmt: skip
    await owner.close()
    assert post_id not in await crowd.similar(another)
    await CandidateKeeper(cluster.workers.tools).turn()
    assert post_id in await crowd.similar(another)


async def test_vectors_of_two_days_can_be_compared(cluster: Cluster, crowd: Crowd):
    await job.learn(cluster.worker_database, lambda name, done: None)
    user = crowd.users["football"][0]
    before = (await embeddings.learnt(cluster.worker_database, [user]))[user]
    await job.learn(cluster.worker_database, lambda name, done: None)
    after = (await embeddings.learnt(cluster.worker_database, [user]))[user]
    assert sum(one * other for one, other in zip(before, after, strict=True)) > 0.9


async def test_one_process_at_a_time_learns(cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    learning: list[str] = []
    release, stop = asyncio.Event(), asyncio.Event()

    async def learn(database: Any, step: Any) -> job.VectorsLearnt:
        learning.append("learns")
        await release.wait()
        return job.VectorsLearnt(0, 0, 0)

    async def never(database: Any) -> None:
        return None

    monkeypatch.setattr(job, "learn", learn)
    monkeypatch.setattr(job.embeddings, "age", never)
    monkeypatch.setattr(job, "LOOK_EVERY_S", 0.01)
    leases: Leases = cluster.workers.tools.leases
    loops = [asyncio.create_task(job.learn_daily(cluster.workers.tools, stop)) for _ in range(3)]
    while not learning:
        await asyncio.sleep(0.01)
    assert await leases.hold([job.LEASE], "another", lifetime_ms=10, most=1) == [False]
    release.set()
    stop.set()
    await asyncio.gather(*loops)
    assert learning == ["learns"]
