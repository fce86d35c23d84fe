"""A recorded log holds what users did with public posts, and nothing that names them."""

import time
from pathlib import Path

import asyncpg
import numpy as np

from evaluation.feed_log import Action, FeedLog, Shown, read_log
from evaluation.feed_recording import record
from gateway.stores import open_database
from storage import feed_recording
from tests.cluster import Cluster
from tests.conftest import PersonFactory

HOUR_MS = 3_600_000


async def log_exploration(cluster: Cluster, user_id: int, post_id: int) -> None:
    async with open_database(cluster.servers.postgres_url("daira_app"), 1, serves=False) as database:
        await database.fetch(
            "SELECT log_exposures($1, $2, $3, $4, $5, $6, $7)",
            [post_id + 1], [user_id], [post_id], [4], ["exploration"], [0.25], [False],
        )  # fmt: skip


async def recorded(cluster: Cluster, *events: str) -> tuple[feed_recording.Recorded, FeedLog]:
    connection = await asyncpg.connect(cluster.servers.postgres_url("daira_owner"))
    try:
        found = await feed_recording.read(connection, time.time_ns() // 1_000_000 - HOUR_MS)
    finally:
        await connection.close()
    return found, record(found, events)


async def test_acts_on_public_posts_are_recorded(cluster: Cluster, person: PersonFactory, tmp_path: Path) -> None:
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="كشري #أكل", visibility="public")
    hidden = await alice.call("post.create", text="for followers", visibility="followers")
    for post_id in (post["id"], hidden["id"]):
        await bob.call("reaction.set", target_type="post", target_id=post_id, kind="love")
    await bob.call("comment.create", post_id=post["id"], text="فين؟")
    await bob.call("save.add", post_id=post["id"])
    await bob.call("share.create", post_id=post["id"])
    await bob.call("view.report", views=[{"post_id": post["id"], "dwell_ms": 4_000}])
    await log_exploration(cluster, int(bob.id), int(post["id"]))
    event = f'{{"v": 1, "post_id": {post["id"]}, "user_id": {bob.id}, "action": "view", "dwell_ms": 4000}}'

    found, log = await recorded(cluster, f"3:12-0 {post['id']} {bob.id} {event}")
    people = {user_id: number for number, (user_id, _) in enumerate(found.users)}
    alice_number, bob_number = people[int(alice.id)], people[int(bob.id)]
    [number] = np.flatnonzero(log.posts.author == alice_number)  # the public one alone
    mine = (log.acts.person == bob_number) & (log.acts.post == number)
    assert sorted(log.acts.action[mine]) == [Action.VIEW, Action.REACTION, Action.COMMENT, Action.SAVE, Action.SHARE]
    assert log.acts.dwell_ms[mine & (log.acts.action == Action.VIEW)] == [4_000]
    assert ((log.follows.follower == bob_number) & (log.follows.followee == alice_number)).any()
    [shown] = np.flatnonzero((log.exposures.person == bob_number) & (log.exposures.post == number))
    assert (log.exposures.source[shown], log.exposures.propensity[shown]) == (Shown.EXPLORATION, 0.25)

    log.write(tmp_path / "log.npz")
    assert all(np.array_equal(*pair) for pair in zip(log.acts, read_log(tmp_path / "log.npz").acts, strict=True))
    largest = max(int(column.max(initial=0)) for part in log for column in part if column.dtype == np.int64)
    assert largest < 2**42  # times at most: no ids
