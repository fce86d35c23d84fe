"""Views: one for each user, post and day, exact at first, then by a sketch."""

import asyncio

import pytest

from protocol.events import PostEngagementEvent
from storage import seeding, views
from storage.outbox import decode
from storage.redis import RedisError
from tests.cluster import Cluster
from tests.faults import soon
from tests.patience import WAIT_S
from workers.counters import Counters

ENGAGEMENTS = "SELECT topic, payload FROM outbox WHERE key = $1 AND topic = 'post.engagement' ORDER BY id"


async def report(person, *posts: str, dwell_ms: int = 1_500) -> None:
    await person.call("view.report", views=[{"post_id": post, "dwell_ms": dwell_ms} for post in posts])


async def views_of(person, post: str) -> int:
    return (await person.call("post.get", post_id=post))["counts"]["views"]


async def test_a_user_counts_once_for_each_post_and_day(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol", node="b", kind="js-json")
    posts = [(await alice.call("post.create", text="x"))["id"] for _ in range(2)]
    await alice.call("post.watch", post_id=posts[0])
    for _ in range(2):
        await report(bob, posts[0], posts[0], posts[1])
    await report(carol, posts[0])
    await report(alice, *posts)  # her own
    assert await soon(lambda: views_of(bob, posts[0]), 2) == 2
    assert await soon(lambda: views_of(bob, posts[1]), 1) == 1
    while (await alice.expect("post.counted", post_id=posts[0]))["counts"]["views"] < 2:
        continue


async def test_views_of_what_the_user_may_not_see_are_skipped(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    public = (await alice.call("post.create", text="x"))["id"]
    hidden = (await alice.call("post.create", text="x", visibility="private"))["id"]
    deleted = (await alice.call("post.create", text="x"))["id"]
    await alice.call("post.delete", post_id=deleted)
    await report(bob, hidden, deleted, "1", public)
    owner = await cluster.owner()
    rows = await owner.fetch("SELECT post_id FROM views WHERE user_id = $1", int(bob.id))
    assert [row["post_id"] for row in rows] == [int(public)]
    events = [decode(row["topic"], row["payload"]) for row in await owner.fetch(ENGAGEMENTS, bob.id)]
    await owner.close()
    assert events == [PostEngagementEvent(post_id=int(public), user_id=int(bob.id), action="view", dwell_ms=1_500)]


async def test_the_times_of_one_post_add_up(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    posts = [(await alice.call("post.create", text="x"))["id"] for _ in range(2)]
    await bob.call(
        "view.report",
        views=[{"post_id": post, "dwell_ms": dwell} for post, dwell in
               ((posts[0], 1_000), (posts[1], 600_000), (posts[0], 200), (posts[1], 1))],
    )  # fmt: skip
    owner = await cluster.owner()
    rows = await owner.fetch(ENGAGEMENTS, bob.id)
    await owner.close()
    assert [decode(row["topic"], row["payload"]).dwell_ms for row in rows] == [1_200, 600_000]


@pytest.mark.parametrize("kind", ["python-msgpack", "python-json"])
async def test_bad_input_names_its_field(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    good = {"post_id": "7", "dwell_ms": 0}
    for reported, field in (
        ([], "views"),
        ([good] * 101, "views"),
        ([good, {**good, "dwell_ms": 600_001}], "views[1].dwell_ms"),
        ([{**good, "dwell_ms": -1}], "views[0].dwell_ms"),
        ([{**good, "post_id": "9" * 19}], "views[0].post_id"),
        ([{**good, "more": 1}], "views[0]"),
    ):
        failed = await alice.refused("view.report", views=reported)
        assert failed.code == "INVALID_ARGUMENT"
        assert failed.fields[0].startswith(field), reported


# ---------------------------------------------------------------------------------------------- sketches


async def crowd(cluster: Cluster, amount: int) -> list[int]:
    owner = await cluster.owner()
    users = await seeding.insert_users(owner, [(cluster.unique("viewer"), "v") for _ in range(amount)])
    await owner.close()
    return users


async def viewed_by(cluster: Cluster, post: str, users: list[int], day: str = "2026-01-01") -> None:
    owner = await cluster.owner()
    await owner.execute(
        """INSERT INTO views (post_id, user_id, day) SELECT $1, unnest($2::bigint[]), $3::text::date
        ON CONFLICT DO NOTHING""",
        int(post), users, day,
    )  # fmt: skip
    await owner.close()


async def sketched(cluster: Cluster, post: str) -> bytes | None:
    owner = await cluster.owner()
    found = await owner.fetchrow("SELECT sketch, is_due FROM view_sketches WHERE post_id = $1", int(post))
    left = await owner.fetchval("SELECT count(*) FROM views WHERE post_id = $1", int(post))
    await owner.close()
    return found["sketch"] if found and not found["is_due"] and not left else None


async def move(cluster: Cluster, post: str) -> bytes:
    """Move the rows of the post into its sketch, now; return the sketch."""
    counters = Counters(cluster.workers.tools)
    async with asyncio.timeout(WAIT_S):
        while (sketch := await sketched(cluster, post)) is None:
            await counters.fold()
            await counters.sketch()
            await asyncio.sleep(0.01)
    return sketch


async def test_from_a_thousand_views_on_a_sketch_counts_them(cluster: Cluster, person):
    alice = await person("alice")
    post = (await alice.call("post.create", text="x"))["id"]
    users = await crowd(cluster, 1_200)
    await viewed_by(cluster, post, users[:999])
    assert await soon(lambda: views_of(alice, post), 999) == 999
    await viewed_by(cluster, post, users)
    first = await move(cluster, post)
    assert first.startswith(b"HYLL")
    await cluster.settle()
    shown = await views_of(alice, post)
    assert 1_200 <= shown < 1_200 * 1.05
    await viewed_by(cluster, post, users)  # the same users and day
    assert await move(cluster, post) == first
    await cluster.settle()
    assert await views_of(alice, post) == shown
    # A lost Redis loses nothing: PostgreSQL keeps the sketch.
    await viewed_by(cluster, post, users, day="2026-01-02")
    await move(cluster, post)
    await cluster.settle()
    assert 2_400 * 0.95 < await views_of(alice, post) < 2_400 * 1.05


async def test_a_sketch_survives_a_failed_move(cluster: Cluster, person, monkeypatch):
    """Redis is lost after the rows were taken: they are still there."""
    alice = await person("alice")
    post = (await alice.call("post.create", text="x"))["id"]
    await viewed_by(cluster, post, await crowd(cluster, 1_100))

    async def lost(*_: object) -> None:
        raise RedisError("the link to Redis is down")

    async def sketch_until_it_fails() -> None:
        counters = Counters(cluster.workers.tools)
        async with asyncio.timeout(WAIT_S):
            while True:  # the workers of the cluster may do it first
                await counters.sketch()
                await asyncio.sleep(0.01)

    with monkeypatch.context() as broken:
        broken.setattr(views.Sketches, "add", lost)
        assert await soon(lambda: views_of(alice, post), 1_100) == 1_100
        with pytest.raises(RedisError):
            await sketch_until_it_fails()
    await move(cluster, post)
    assert await views_of(alice, post) >= 1_100
