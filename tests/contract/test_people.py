"""Profiles, following, requests, blocks, mutes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster import Cluster
from tests.contract.test_hiding import FakeTime


async def test_profiles_by_id_by_name_and_in_lists(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    by_id = await alice.call("user.get", user_id=bob.id)
    assert by_id == await alice.call("user.get", username=bob.name.upper())
    assert by_id["username"] == bob.name
    listed = await alice.call("user.list", user_ids=[bob.id, alice.id, "1", bob.id])
    assert [user["id"] for user in listed["items"]] == [bob.id, alice.id]
    assert (await alice.refused("user.get", user_id="1")).code == "NOT_FOUND"
    assert (await alice.refused("user.get", username="nobody.here")).code == "NOT_FOUND"
    assert (await alice.refused("user.get")).fields == ["user_id"]
    assert (await alice.refused("user.get", user_id=bob.id, username=bob.name)).fields == ["user_id"]


async def test_null_clears_a_field_and_absent_leaves_it(cluster: Cluster, person):
    alice = await person("alice")
    changed = await alice.call("user.update", display_name="  منى\u0301 ", bio="one\ntwo")
    assert (changed["display_name"], changed["bio"]) == ("منى\u0301", "one\ntwo")
    changed = await alice.call("user.update", bio=None)
    assert (changed["display_name"], changed["bio"]) == ("منى\u0301", "")
    changed = await alice.call("user.update", display_name=None, is_private=True, avatar_media_id=None)
    assert (changed["display_name"], changed["is_private"], changed["avatar_url"]) == (alice.name, True, None)
    for field in ("is_private", "presence_audience"):
        assert (await alice.refused("user.update", **{field: None})).fields == [field]
    assert (await alice.call("user.me"))["is_private"] is True
    assert (await alice.refused("user.update", avatar_media_id="5")).fields == ["avatar_media_id"]
    assert (await alice.refused("user.update", display_name="a\nb")).fields == ["display_name"]


async def test_following_counts_and_lists_newest_first(cluster: Cluster, person):
    star = await person("star")
    fans = [await person(f"fan{number}") for number in range(5)]
    for fan in fans:
        assert await fan.call("graph.follow", user_id=star.id) == {"status": "active"}
        assert await fan.call("graph.follow", user_id=star.id) == {"status": "active"}
    seen, cursor = [], None
    while True:
        page = await star.call("graph.followers", user_id=star.id, limit=2, cursor=cursor)
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [fan.id for fan in reversed(fans)]
    assert (await star.call("user.me"))["follower_count"] == 5
    following = await star.call("graph.following", user_id=fans[0].id)
    assert [user["id"] for user in following["items"]] == [star.id]
    await fans[0].call("graph.unfollow", user_id=star.id)
    await fans[0].call("graph.unfollow", user_id=star.id)
    assert (await star.call("user.me"))["follower_count"] == 4
    profile = await fans[1].call("user.get", user_id=star.id)
    assert profile["viewer"]["follows"] is True
    assert profile["viewer"]["followed_by"] is False
    assert (await star.refused("graph.follow", user_id=star.id)).code == "INVALID_ARGUMENT"
    assert (await star.refused("graph.follow", user_id="1")).code == "NOT_FOUND"


async def test_two_users_follow_each_other_at_once(cluster: Cluster, person):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    for _ in range(10):
        await asyncio.gather(alice.call("graph.follow", user_id=bob.id), bob.call("graph.follow", user_id=alice.id))
        assert (await alice.call("user.me"))["follower_count"] == 1
        await asyncio.gather(alice.call("graph.unfollow", user_id=bob.id), bob.call("graph.unfollow", user_id=alice.id))
    me = await alice.call("user.me")
    assert (me["follower_count"], me["following_count"]) == (0, 0)


async def test_following_a_private_account_needs_its_consent(cluster: Cluster, person):
    shy, fan, other = await person("shy", node="a"), await person("fan", node="b"), await person("other")
    await shy.call("user.update", is_private=True)
    post = await shy.call("post.create", text="for my followers")
    assert await fan.call("graph.follow", user_id=shy.id) == {"status": "pending"}
    assert (await shy.expect("graph.requested"))["user"]["id"] == fan.id
    assert (await fan.call("user.get", user_id=shy.id))["viewer"]["requested"] is True
    assert (await fan.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert (await fan.call("post.list", user_id=shy.id))["items"] == []
    assert (await fan.refused("graph.followers", user_id=shy.id)).code == "NOT_FOUND"
    assert [user["id"] for user in (await shy.call("graph.requests"))["items"]] == [fan.id]
    assert (await shy.call("user.me"))["follower_count"] == 0

    assert await shy.call("graph.accept", user_id=fan.id) == {}
    assert (await fan.expect("graph.accepted"))["user"]["id"] == shy.id
    assert (await fan.call("post.get", post_id=post["id"]))["id"] == post["id"]
    await cluster.settle(fan)
    assert [item["post"]["id"] for item in await fan.own_feed()] == [post["id"]]
    assert (await shy.refused("graph.accept", user_id=other.id)).code == "NOT_FOUND"

    await other.call("graph.follow", user_id=shy.id)
    assert await shy.call("graph.reject", user_id=other.id) == {}
    assert (await shy.refused("graph.reject", user_id=fan.id)).code == "NOT_FOUND"
    assert (await other.call("user.get", user_id=shy.id))["viewer"]["requested"] is False


async def test_opening_an_account_accepts_pending_requests(cluster: Cluster, person):
    shy, fan = await person("shy"), await person("fan")
    await shy.call("user.update", is_private=True)
    await fan.call("graph.follow", user_id=shy.id)
    await shy.call("user.update", is_private=False)
    await fan.expect("graph.accepted")
    assert (await shy.call("user.me"))["follower_count"] == 1


async def test_a_blocked_user_sees_and_receives_nothing_of_the_blocker(cluster: Cluster, person):
    alice, eve = await person("alice", node="a"), await person("eve", node="b", kind="js-json")
    await eve.call("graph.follow", user_id=alice.id)
    await alice.call("graph.follow", user_id=eve.id)
    before = await alice.call("post.create", text="before the block")
    await eve.expect("feed.added", post_id=before["id"])
    await eve.call("post.watch", post_id=before["id"])
    eves = await eve.call("post.create", text="of eve")
    await alice.expect("feed.added", post_id=eves["id"])

    assert await alice.call("graph.block", user_id=eve.id, reason="spam") == {}
    assert await alice.call("graph.block", user_id=eve.id) == {}
    after = await alice.call("post.create", text=f"after the block @{eve.name}")
    await alice.call("post.edit", post_id=before["id"], version=1, text="edited")
    await cluster.settle(eve, alice)
    assert eve.heard("feed.added") == []
    assert eve.heard("post.edited") == []

    for post in (before, after):
        assert (await eve.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
        assert (await eve.refused("post.watch", post_id=post["id"])).code == "NOT_FOUND"
    assert (await eve.refused("user.get", user_id=alice.id)).code == "NOT_FOUND"
    assert (await eve.refused("user.get", username=alice.name)).code == "NOT_FOUND"
    assert (await eve.call("user.list", user_ids=[alice.id]))["items"] == []
    assert (await eve.refused("graph.follow", user_id=alice.id)).code == "NOT_FOUND"
    for method in ("graph.followers", "graph.following", "post.list"):
        assert (await eve.refused(method, user_id=alice.id)).code == "NOT_FOUND"
    assert await eve.own_feed() == []
    assert (await eve.call("feed.get", mode="latest"))["items"] == []
    assert (await eve.call("user.me"))["following_count"] == 0

    # The blocker does not see the blocked user's posts either, but finds the profile, to lift the block.
    assert (await alice.refused("post.get", post_id=eves["id"])).code == "NOT_FOUND"
    assert await alice.own_feed() == []
    assert (await alice.call("user.get", user_id=eve.id))["viewer"]["blocks"] is True
    assert (await alice.refused("graph.follow", user_id=eve.id)).code == "FAILED_PRECONDITION"
    assert await alice.call("graph.unblock", user_id=eve.id) == {}
    assert (await eve.call("user.get", user_id=alice.id))["viewer"]["follows"] is False


async def test_a_mute_removes_posts_and_lifting_it_restores_them(cluster: Cluster, person):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    first = await alice.call("post.create", text="first")
    await bob.expect("feed.added", post_id=first["id"])
    assert await bob.call("graph.mute", user_id=alice.id, kind="posts") == {}
    assert await bob.own_feed() == []
    second = await alice.call("post.create", text=f"second @{bob.name}")
    await cluster.settle(bob)
    assert bob.heard("feed.added") == []
    assert (await bob.call("user.get", user_id=alice.id))["viewer"] == {
        "follows": True, "followed_by": False, "requested": False, "blocks": False, "mutes": True
    }  # fmt: skip
    assert await bob.call("graph.unmute", user_id=alice.id) == {}
    await cluster.settle(bob)
    feed = await bob.call("feed.get", mode="latest")
    assert [item["post"]["id"] for item in feed["items"]] == [second["id"], first["id"]]


async def test_muting_stories_keeps_posts(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await bob.call("graph.mute", user_id=alice.id, kind="stories")
    post = await alice.call("post.create", text="a post")
    await bob.expect("feed.added", post_id=post["id"])


async def test_a_mute_is_pushed_to_the_users_other_devices(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    other = await cluster.again(bob, node="b")
    until = "2031-01-01T00:00:00.000Z"
    await bob.call("graph.mute", user_id=alice.id, kind="posts", until=until)
    await other.expect("graph.muted", user_id=alice.id, kind="posts", until=until)
    await bob.call("graph.unmute", user_id=alice.id)
    await other.expect("graph.unmuted", user_id=alice.id, kind=None)
    await cluster.settle(alice)
    assert alice.heard("graph.muted") == alice.heard("graph.unmuted") == []


async def test_a_mute_expires(cluster: Cluster, person, monkeypatch):
    alice, bob = await person("alice"), await person("bob")
    failed = await bob.refused("graph.mute", user_id=alice.id, until="2020-01-01T00:00:00Z")
    assert failed.fields == ["until"]
    await bob.call("graph.follow", user_id=alice.id)
    until = datetime.now(UTC) + timedelta(days=1)
    await bob.call("graph.mute", user_id=alice.id, until=until.isoformat())
    post = await alice.call("post.create", text="a post")
    await cluster.settle(bob)
    assert await bob.own_feed() == []
    owner = await cluster.owner()
    await owner.execute("UPDATE mutes SET until = now() WHERE user_id = $1", int(bob.id))
    await owner.close()
    monkeypatch.setattr("channels.members.time", FakeTime(until.timestamp() + 1))
    later = await alice.call("post.create", text="another")
    await bob.expect("feed.added", post_id=later["id"])
    assert post["id"] != later["id"]


@pytest.mark.parametrize("method", ["graph.block", "graph.mute", "graph.follow"])
async def test_a_user_cannot_follow_block_or_mute_themselves(cluster: Cluster, person, method):
    alice = await person("alice")
    failed = await alice.refused(method, user_id=alice.id)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["user_id"])


async def test_unfollowing_removes_the_posts_from_the_feed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="a post")
    await bob.expect("feed.added", post_id=post["id"])
    await bob.call("graph.unfollow", user_id=alice.id)
    assert await bob.own_feed() == []
