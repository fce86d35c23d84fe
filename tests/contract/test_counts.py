"""Counts: right in the end at every watcher, never going back, and as each viewer may see them."""

import asyncio
import random

from domain import own_counts
from storage.database import DatabaseUnavailable
from tests.cluster import Cluster
from tests.people import CallFailed, Person
from workers.counters import Counters

KINDS = ("like", "love", "laugh", "sad", "angry")


async def rows_of(cluster: Cluster, post: str) -> dict[str, int]:
    owner = await cluster.owner()
    rows = await owner.fetch(
        "SELECT kind, count(*) AS amount FROM reactions WHERE target_type = 'post' AND target_id = $1 GROUP BY kind",
        int(post),
    )
    await owner.close()
    return {row["kind"]: row["amount"] for row in rows}


async def react(person: Person, post: str, kind: str | None = "like") -> None:
    target = {"target_type": "post", "target_id": post}
    await (person.call("reaction.set", **target, kind=kind) if kind else person.call("reaction.unset", **target))


async def react_at_last(person: Person, post: str) -> None:
    """React, and repeat that while the database is too busy, as apps do."""
    while True:
        try:
            return await react(person, post)
        except CallFailed as failed:
            if failed.code != "UNAVAILABLE":
                raise
            await asyncio.sleep(0.1)


async def last_push(watcher: Person, post: str) -> dict:
    """Return the newest push of counts, and check that the versions only rise. Call it once all have arrived."""
    pushes = [push for push in watcher.heard("post.counted") if push["post_id"] == post]
    versions = [push["version"] for push in pushes]
    assert versions == sorted(versions)
    return pushes[-1]


async def test_a_hundred_users_who_repeat_a_reaction_count_once_each(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b", kind="js-json")
    post = (await alice.call("post.create", text="x"))["id"]
    for watcher in (alice, bob):
        await watcher.call("post.watch", post_id=post)
    users = [await person("user", node="ab"[number % 2]) for number in range(100)]
    await asyncio.gather(*(react_at_last(user, post) for user in users for _ in range(5)))
    await cluster.settle(alice, bob)
    assert await rows_of(cluster, post) == {"like": 100}
    shown = await alice.call("post.get", post_id=post)
    for watcher in (alice, bob):
        push = await last_push(watcher, post)
        assert push["counts"] == shown["counts"]
        assert push["counts"]["reactions"] == {"like": 100}
        assert push["version"] == shown["counts_version"]


async def test_versions_rise_while_two_workers_fold(cluster: Cluster, person):
    dice = random.Random(12)
    users = [await person("user", node="ab"[number % 2]) for number in range(6)]
    watchers = [await person("watcher", node=node) for node in "ab"]
    post = (await users[0].call("post.create", text="x"))["id"]
    for watcher in watchers:
        await watcher.call("post.watch", post_id=post)
    second = Counters(cluster.workers.tools)
    for _ in range(30):
        choices = [(user, dice.choice((*KINDS, None))) for user in users if dice.random() < 0.7]
        await asyncio.gather(second.turn(), *(react(user, post, kind) for user, kind in choices))
    await cluster.settle(*watchers)
    expected = await rows_of(cluster, post)
    for watcher in watchers:
        assert (await last_push(watcher, post))["counts"]["reactions"] == expected


async def test_what_a_post_gathers_is_counted_and_pushed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = await alice.call("post.create", text="x")
    assert post["counts_version"] == 0
    await alice.call("post.watch", post_id=post["id"])
    await react(bob, post["id"])
    await bob.call("comment.create", post_id=post["id"], text="x")
    share = await bob.call("share.create", post_id=post["id"])
    await bob.call("save.add", post_id=post["id"])
    await bob.call("view.report", views=[{"post_id": post["id"], "dwell_ms": 1}])
    await cluster.settle(alice)
    expected = {"reactions": {"like": 1}, "comments": 1, "shares": 1, "saves": 1, "views": 1}
    assert (await last_push(alice, post["id"]))["counts"] == expected
    assert (await bob.call("post.get", post_id=post["id"]))["counts"] == expected
    await react(bob, post["id"], None)
    await bob.call("post.delete", post_id=share["id"])
    await bob.call("save.remove", post_id=post["id"])
    await cluster.settle(alice)
    left = {"reactions": {}, "comments": 1, "shares": 0, "saves": 0, "views": 1}
    assert (await last_push(alice, post["id"]))["counts"] == left


async def test_what_a_comment_gathers_is_counted_and_pushed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="x"))["id"]
    first = await alice.call("comment.create", post_id=post, text="first")
    assert first["counts_version"] == 0
    await bob.call("post.watch", post_id=post)
    reply = await alice.call("comment.create", post_id=post, parent_id=first["id"], text="reply")
    await bob.call("reaction.set", target_type="comment", target_id=first["id"], kind="sad")
    await cluster.settle(bob)
    shown = await bob.call("comment.get", comment_id=first["id"])
    pushes = [push for push in bob.heard("comment.counted") if push["comment_id"] == first["id"]]
    assert [push["version"] for push in pushes] == sorted({push["version"] for push in pushes})
    last = pushes[-1]
    assert (last["post_id"], last["reply_count"], last["reactions"]) == (post, 1, {"sad": 1})
    assert (last["version"], {"sad": 1}) == (shown["counts_version"], shown["reactions"])
    await alice.call("comment.delete", comment_id=reply["id"])
    await cluster.settle(bob)
    assert bob.heard("comment.counted")[-1]["reply_count"] == 0
    assert (await bob.call("post.get", post_id=post))["counts"]["comments"] == 1


async def test_the_same_events_again_change_no_count(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = (await alice.call("post.create", text="x"))["id"]
    await react(bob, post)
    await bob.call("comment.create", post_id=post, text="x")
    await bob.call("view.report", views=[{"post_id": post, "dwell_ms": 1}])
    await cluster.settle()
    before = await alice.call("post.get", post_id=post)
    owner = await cluster.owner()
    await owner.execute("UPDATE outbox SET sent_batch = NULL WHERE key = ANY ($1)", [alice.id, bob.id, post])
    await owner.close()
    await cluster.settle()
    assert await alice.call("post.get", post_id=post) == before


async def test_counts_agree_with_the_lists_of_each_viewer(cluster: Cluster, person):
    """They are without what hidden users do, wherever a post or comment is read."""
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol", node="b")
    await alice.call("graph.follow", user_id=carol.id)
    post = (await carol.call("post.create", text="x"))["id"]
    await alice.expect("feed.added", post_id=post)
    first = (await carol.call("comment.create", post_id=post, text="first"))["id"]
    for who, kind in ((bob, "like"), (carol, "like"), (alice, "love")):
        await react(who, post, kind)
        await who.call("reaction.set", target_type="comment", target_id=first, kind=kind)
        await who.call("comment.create", post_id=post, text="x")
    for blocker, blocked in ((alice, bob), (bob, alice)):
        await blocker.call("graph.block", user_id=blocked.id)
        await cluster.settle()
        reads = [
            await alice.call("post.get", post_id=post),
            await alice.call("post.watch", post_id=post),
            (await alice.call("post.list", user_id=carol.id))["items"][0],
            *[(await alice.call("feed.get", mode=mode))["items"][0]["post"] for mode in ("latest", "ranked")],
        ]
        for shown in reads:
            assert shown["counts"]["reactions"] == {"like": 1, "love": 1}
            assert shown["counts"]["comments"] == 3
        listed = (await alice.call("comment.list", post_id=post))["items"]
        assert len(listed) == 3
        reacted = (await alice.call("reaction.list", target_type="post", target_id=post))["items"]
        assert len(reacted) == 2
        for comment in (await alice.call("comment.get", comment_id=first), listed[-1]):
            assert (comment["id"], comment["reactions"]) == (first, {"like": 1, "love": 1})
        whole = await carol.call("post.get", post_id=post)
        assert (whole["counts"]["reactions"], whole["counts"]["comments"]) == ({"like": 2, "love": 1}, 4)
        await blocker.call("graph.unblock", user_id=blocked.id)
    await alice.call("graph.mute", user_id=bob.id)
    assert (await alice.call("post.get", post_id=post))["counts"]["comments"] == 3


async def test_pushed_counts_agree_with_what_the_watcher_can_load(cluster: Cluster, person):
    """A watcher who hides a user hears the counts without what that user does; all others hear the whole."""
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol", node="b", kind="js-json")
    post = (await carol.call("post.create", text="x"))["id"]
    first = (await carol.call("comment.create", post_id=post, text="first"))["id"]
    for watcher in (alice, carol):
        await watcher.call("post.watch", post_id=post)
    await alice.call("graph.mute", user_id=bob.id)
    await cluster.settle()
    for who, kind in ((bob, "like"), (carol, "love")):
        await react(who, post, kind)
        await who.call("reaction.set", target_type="comment", target_id=first, kind=kind)
        await who.call("comment.create", post_id=post, parent_id=first, text="reply")
        await cluster.settle()
    expected = {alice: ({"love": 1}, 2, 1), carol: ({"like": 1, "love": 1}, 3, 2)}
    for watcher, (reactions, comments, replies) in expected.items():
        loaded = await watcher.call("post.get", post_id=post)
        of_post = await watcher.expect("post.counted", post_id=post, version=loaded["counts_version"])
        assert of_post["counts"] == loaded["counts"]
        assert (of_post["counts"]["reactions"], of_post["counts"]["comments"]) == (reactions, comments)
        comment = await watcher.call("comment.get", comment_id=first)
        of_comment = await watcher.expect("comment.counted", comment_id=first, version=comment["counts_version"])
        assert of_comment["reactions"] == comment["reactions"] == reactions
        assert of_comment["reply_count"] == comment["reply_count"] == replies
    await last_push(alice, post)


async def test_a_watcher_who_hides_users_hears_the_newest_counts_after_an_outage(cluster: Cluster, person, monkeypatch):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    post = (await carol.call("post.create", text="x"))["id"]
    await alice.call("graph.block", user_id=bob.id)
    await cluster.settle()
    await alice.call("post.watch", post_id=post)

    async def out_of_reach(*_: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(own_counts.OwnCounts, "_load", out_of_reach)
        outage.setattr(own_counts, "REST_AFTER_OUTAGE_S", 0)
        await react(carol, post)
        await cluster.settle()
    await react(carol, post, "love")
    await cluster.settle()
    loaded = await alice.call("post.get", post_id=post)
    assert (await alice.expect("post.counted", version=loaded["counts_version"]))["counts"] == loaded["counts"]
