"""Counts leave out what suspended users did, as lists do, and have it again when they are back."""

import pytest
import pytest_asyncio

from storage import counts
from tests.cluster import Cluster
from tests.contract.test_counts import react
from tests.moderating import Moderating, moderating
from workers import recounts


@pytest_asyncio.fixture(loop_scope="session")
async def moderator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


async def counts_of(cluster: Cluster, viewer, post: str, comment: str) -> tuple[dict, int, dict, int]:
    """Reactions and comments as counted; they are as many as the lists show."""
    await cluster.settle()
    shown = (await viewer.call("post.get", post_id=post))["counts"]
    loaded = await viewer.call("comment.get", comment_id=comment)
    listed = (await viewer.call("comment.list", post_id=post, limit=100))["items"]
    assert shown["comments"] == len([each for each in listed if not each["deleted"]])
    for kind, target, reactions in (("post", post, shown["reactions"]), ("comment", comment, loaded["reactions"])):
        page = await viewer.call("reaction.list", target_type=kind, target_id=target, limit=100)
        assert sum(reactions.values()) == len(page["items"])
    return shown["reactions"], shown["comments"], loaded["reactions"], loaded["reply_count"]


@pytest.mark.parametrize("action", ["suspend", "ban"])
async def test_counts_are_without_suspended_users_until_they_are_back(
    cluster: Cluster, person, moderator: Moderating, monkeypatch: pytest.MonkeyPatch, action
):
    monkeypatch.setattr(recounts, "PAGE", 1)
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    posts = [(await alice.call("post.create", text="open"))["id"] for _ in range(2)]
    comments = [(await alice.call("comment.create", post_id=post, text="first"))["id"] for post in posts]
    await carol.call("post.watch", post_id=posts[0])
    for post, comment in zip(posts, comments, strict=True):
        for who in (bob, carol):
            await react(who, post, "love")
            await who.call("reaction.set", target_type="comment", target_id=comment, kind="like")
        for parent in (None, comment, comment):
            await bob.call("comment.create", post_id=post, parent_id=parent, text="yes")
    before = [await counts_of(cluster, carol, *each) for each in zip(posts, comments, strict=True)]
    assert before == [({"love": 2}, 4, {"like": 2}, 2)] * 2

    decision = await moderator.decide("user", bob.id, action)
    for each in zip(posts, comments, strict=True):
        assert await counts_of(cluster, carol, *each) == ({"love": 1}, 1, {"like": 1}, 0)
    await cluster.settle(carol)
    assert carol.heard("post.counted")[-1]["counts"]["comments"] == 1

    await moderator.undo(decision)
    assert [await counts_of(cluster, carol, *each) for each in zip(posts, comments, strict=True)] == before


async def test_a_suspended_user_whom_the_viewer_blocks_is_left_out_once(
    cluster: Cluster, person, moderator: Moderating
):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    post = (await alice.call("post.create", text="open"))["id"]
    comment = (await alice.call("comment.create", post_id=post, text="first"))["id"]
    await carol.call("graph.block", user_id=bob.id)
    for who in (bob, carol):
        await react(who, post)
        await who.call("comment.create", post_id=post, text="yes")
    for action in ("suspend", "ban"):
        assert (await counts_of(cluster, carol, post, comment))[:2] == ({"like": 1}, 2)
        await moderator.decide("user", bob.id, action)
    assert (await counts_of(cluster, alice, post, comment))[:2] == ({"like": 1}, 2)


async def test_counts_stay_exact_if_rows_change_while_they_do_not_count(
    cluster: Cluster, person, moderator: Moderating
):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    post = (await alice.call("post.create", text="open"))["id"]
    comment = (await alice.call("comment.create", post_id=post, text="first"))["id"]
    await react(bob, post)
    kept, lost = [(await bob.call("comment.create", post_id=post, text="yes"))["id"] for _ in range(2)]
    await moderator.decide("comment", kept, "remove")
    decision = await moderator.decide("user", bob.id, "suspend")
    assert (await counts_of(cluster, carol, post, comment))[:2] == ({}, 1)
    await alice.call("comment.delete", comment_id=lost)
    owner = await cluster.owner()
    change = "UPDATE reactions SET kind = 'sad' WHERE target_id = $1 AND user_id = $2"
    await owner.execute(change, int(post), int(bob.id))
    await owner.close()
    assert (await counts_of(cluster, carol, post, comment))[:2] == ({}, 1)
    await moderator.undo(decision)
    assert (await counts_of(cluster, carol, post, comment))[:2] == ({"sad": 1}, 1)
    async with cluster.worker_database.transaction() as tx:
        assert await counts.drift(tx, "post", [int(post)]) == []


async def test_a_deleted_account_leaves_counts_at_once(cluster: Cluster, person):
    alice, carol = await person("alice"), await person("carol")
    bob = await person("bob", node="b")
    post = (await alice.call("post.create", text="open"))["id"]
    comment = (await alice.call("comment.create", post_id=post, text="first"))["id"]
    await react(bob, post)
    await bob.call("comment.create", post_id=post, text="yes")
    assert (await counts_of(cluster, carol, post, comment))[:2] == ({"like": 1}, 2)
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET status = 'deleted' WHERE id = $1", int(bob.id))
    await owner.close()
    assert (await counts_of(cluster, carol, post, comment))[:2] == ({}, 1)
