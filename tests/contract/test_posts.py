"""Posts: publish, read, edit, delete, watch; visibility and circles; idempotency."""

import asyncio

import pytest

from domain.post_channels import POST
from tests.cluster import KINDS, Cluster
from tests.faults import break_once


@pytest.mark.parametrize("kind", KINDS)
async def test_a_created_post_is_returned_in_full(cluster: Cluster, person, kind):
    alice, bob = await person("alice", kind=kind), await person("bob")
    text = f"يا مساء الخير 👋🏽 #القاهرة #Cairo #cairo #123 @{bob.name.upper()}. @nobody.at.all"
    post = await alice.call("post.create", text=f"  {text}\n")
    assert post["text"] == text
    assert post["hashtags"] == ["القاهرة", "Cairo"]
    assert [user["id"] for user in post["mentions"]] == [bob.id]
    assert post["author"] == {
        "id": alice.id, "username": alice.name, "display_name": alice.name, "avatar_url": None, "is_verified": False
    }  # fmt: skip
    assert (post["visibility"], post["version"], post["edited_at"], post["media"]) == ("public", 1, None, [])
    assert post["counts"] == {"reactions": {}, "comments": 0, "shares": 0, "saves": 0, "views": 0}
    assert post["viewer"] == {"reaction": None, "saved": False}
    assert await bob.call("post.get", post_id=post["id"]) == post
    assert (await alice.call("user.me"))["post_count"] == 1


async def test_text_is_counted_in_characters_after_nfc(cluster: Cluster, person):
    alice = await person("alice")
    decomposed = "e\u0301" * 5_000
    post = await alice.call("post.create", text=decomposed)
    assert post["text"] == "é" * 5_000
    failed = await alice.refused("post.create", text="ل" * 5_001)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["text"])
    assert (await alice.refused("post.create", text=" \n ")).fields == ["text"]


async def test_pages_of_a_users_posts(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    posts = [(await alice.call("post.create", text=f"post {number}"))["id"] for number in range(7)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = await bob.call("post.list", user_id=alice.id, limit=3, cursor=cursor)
        seen += [post["id"] for post in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert seen == posts[::-1]
    assert pages == 3
    first = await bob.call("post.list", user_id=alice.id, limit=3)
    for stranger, arguments in ((alice, {"user_id": alice.id}), (bob, {"user_id": bob.id})):
        failed = await stranger.refused("post.list", **arguments, cursor=first["next_cursor"])
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["cursor"])


async def test_editing_needs_the_current_version(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b", kind="js-msgpack")
    post = await alice.call("post.create", text="first #one")
    assert (await bob.call("post.watch", post_id=post["id"]))["id"] == post["id"]
    edited = await alice.call("post.edit", post_id=post["id"], version=1, text="second #two")
    assert (edited["text"], edited["version"], edited["hashtags"]) == ("second #two", 2, ["two"])
    assert edited["edited_at"] is not None
    push = await bob.expect("post.edited")
    assert push["post"] == {name: value for name, value in edited.items() if name not in ("viewer", "standing")}
    assert (await alice.refused("post.edit", post_id=post["id"], version=1, text="third")).code == "ABORTED"
    assert (await bob.refused("post.edit", post_id=post["id"], version=2, text="mine")).code == "NOT_FOUND"
    assert (await alice.refused("post.edit", post_id=post["id"], version=2, text="")).fields == ["text"]
    assert (await alice.refused("post.edit", post_id=post["id"], version=2, text=None)).fields == ["text"]
    await bob.call("post.unwatch", post_id=post["id"])
    await alice.call("post.edit", post_id=post["id"], version=2, text="third")
    await cluster.settle(bob)
    assert bob.heard("post.edited") == []


async def test_two_editors_of_one_version(cluster: Cluster, person):
    alice = await person("alice", node="a")
    other = await cluster.again(alice, node="b")
    post = await alice.call("post.create", text="first")
    outcomes = await asyncio.gather(
        *(who.call("post.edit", post_id=post["id"], version=1, text=f"by {n}") for n, who in enumerate((alice, other))),
        return_exceptions=True,
    )
    assert sorted(getattr(outcome, "code", "OK") for outcome in outcomes) == ["ABORTED", "OK"]


async def test_a_deleted_post_is_gone_everywhere(cluster: Cluster, person):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="soon gone")
    await bob.expect("feed.added", post_id=post["id"])
    await bob.call("post.watch", post_id=post["id"])
    assert (await bob.refused("post.delete", post_id=post["id"])).code == "NOT_FOUND"
    assert await alice.call("post.delete", post_id=post["id"]) == {}
    assert (await bob.expect("feed.removed"))["post_id"] == post["id"]
    assert (await bob.expect("post.deleted"))["post_id"] == post["id"]
    assert (await bob.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert await bob.own_feed() == []
    assert await alice.call("post.delete", post_id=post["id"]) == {}
    assert (await bob.refused("post.delete", post_id=post["id"])).code == "NOT_FOUND"
    assert (await alice.call("user.me"))["post_count"] == 0


async def test_visibility_of_posts_by_relation(cluster: Cluster, person):
    alice = await person("alice")
    people = {name: await person(name, node="b") for name in ("follower", "friend", "stranger")}
    for name in ("follower", "friend"):
        await people[name].call("graph.follow", user_id=alice.id)
    circle = await alice.call("circle.create", name="close", user_ids=[people["friend"].id])
    visible_to = {
        "public": {"follower", "friend", "stranger"},
        "followers": {"follower", "friend"},
        "circle": {"friend"},
        "private": set(),
    }
    posts = {}
    for visibility in visible_to:
        extra = {"circle_id": circle["id"]} if visibility == "circle" else {}
        text = f"{visibility} @{people['stranger'].name}"
        posts[visibility] = (await alice.call("post.create", text=text, visibility=visibility, **extra))["id"]
    await cluster.settle(*people.values())
    for name, who in people.items():
        expected = {visibility for visibility, names in visible_to.items() if name in names}
        read = {visibility for visibility, post in posts.items() if await can_read(who, post)}
        assert read == expected, name
        listed = {post["visibility"] for post in (await who.call("post.list", user_id=alice.id))["items"]}
        assert listed == expected, name
        in_feed = {item["post"]["visibility"] for item in await who.own_feed()}
        pushed = {
            visibility for visibility, post in posts.items() if post in [p["post_id"] for p in who.heard("feed.added")]
        }
        assert in_feed == pushed == expected, name
    assert {post["id"] for post in (await alice.call("post.list", user_id=alice.id))["items"]} == set(posts.values())
    assert [item["reason"] for item in await people["stranger"].own_feed()] == ["mention"]


async def can_read(who, post_id):
    answer = await who.answer("post.get", {"post_id": post_id})
    assert answer["ok"] or answer["error"]["code"] == "NOT_FOUND"
    return answer["ok"]


async def test_the_members_of_a_circle_are_known_only_to_its_owner(cluster: Cluster, person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve")
    await bob.call("graph.follow", user_id=alice.id)
    circle = await alice.call("circle.create", name="أصحاب", user_ids=[bob.id])
    assert [member["id"] for member in circle["members"]] == [bob.id]
    assert (await alice.call("circle.list"))["items"] == [circle]
    assert (await bob.call("circle.list"))["items"] == []
    for who in (bob, eve):
        for method, more in (
            ("circle.add", {"user_ids": [who.id]}), ("circle.remove", {"user_ids": [bob.id]}),
            ("circle.update", {"name": "mine"}), ("circle.delete", {}),
        ):  # fmt: skip
            assert (await who.refused(method, circle_id=circle["id"], **more)).code == "NOT_FOUND"
        failed = await who.refused("post.create", text="x", visibility="circle", circle_id=circle["id"])
        assert failed.code == "NOT_FOUND"
    assert (await alice.call("circle.update", circle_id=circle["id"], name="ناس"))["name"] == "ناس"
    bigger = await alice.call("circle.add", circle_id=circle["id"], user_ids=[eve.id, bob.id])
    assert {member["id"] for member in bigger["members"]} == {bob.id, eve.id}
    post = await alice.call("post.create", text="secret", visibility="circle", circle_id=circle["id"])
    assert await can_read(bob, post["id"])
    await bob.call("post.watch", post_id=post["id"])
    smaller = await alice.call("circle.remove", circle_id=circle["id"], user_ids=[bob.id])
    assert [member["id"] for member in smaller["members"]] == [eve.id]
    assert not await can_read(bob, post["id"])
    await alice.call("post.edit", post_id=post["id"], version=1, text="more secret")
    await cluster.settle(bob)
    assert bob.heard("post.edited") == []
    assert await alice.call("circle.delete", circle_id=circle["id"]) == {}
    assert not await can_read(eve, post["id"])
    assert await can_read(alice, post["id"])
    assert (await alice.refused("circle.create", name="x", user_ids=["1"])).fields == ["user_ids"]
    assert (await alice.refused("circle.create", name="x", user_ids=[alice.id])).fields == ["user_ids"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"visibility": "circle"}, "circle_id"),
        ({"visibility": "public", "circle_id": "5"}, "circle_id"),
        ({"visibility": "everybody"}, "visibility"),
        ({"media_ids": ["5"]}, "media_ids[0]"),
        ({"reply_policy": "x"}, "reply_policy"),
    ],
)
async def test_contradictory_posts_are_refused(cluster: Cluster, person, arguments, field):
    alice = await person("alice")
    failed = await alice.refused("post.create", text="x", **arguments)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
    assert (await alice.call("user.me"))["post_count"] == 0


async def test_one_key_makes_one_post(cluster: Cluster, person):
    alice = await person("alice", node="a")
    other = await cluster.again(alice, node="b")
    answers = await asyncio.gather(
        *(who.call("post.create", text="once", idempotency_key="k 1") for who in (alice, other) * 5)
    )
    assert len({answer["id"] for answer in answers}) == 1
    assert all(answer == answers[0] for answer in answers)
    assert (await alice.call("user.me"))["post_count"] == 1
    failed = await alice.refused("post.create", text="twice", idempotency_key="k 1")
    assert (failed.code, failed.fields) == ("ALREADY_EXISTS", ["idempotency_key"])
    bob = await person("bob")
    assert (await bob.call("post.create", text="once", idempotency_key="k 1"))["id"] != answers[0]["id"]
    for key in ("", "x" * 65, "ل", "line\n"):
        assert (await alice.refused("post.create", text="x", idempotency_key=key)).fields == ["idempotency_key"]


async def test_a_failed_call_does_not_use_its_idempotency_key(cluster: Cluster, person):
    alice = await person("alice")
    key = {"idempotency_key": "again"}
    arguments = {"text": "x", "visibility": "circle", "circle_id": "5"}
    assert (await alice.refused("post.create", **arguments, **key)).code == "NOT_FOUND"
    assert (await alice.call("post.create", text="x", **key))["text"] == "x"


async def test_a_failed_repeated_watch_keeps_the_earlier_watch(cluster: Cluster, person, monkeypatch):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = await alice.call("post.create", text="open")
    await bob.call("post.watch", post_id=post["id"])
    break_once(monkeypatch, cluster.node_b.parts.recovery, "remember_channel")
    assert (await bob.refused("post.watch", post_id=post["id"])).code == "UNAVAILABLE"
    await alice.call("post.edit", post_id=post["id"], version=1, text="still heard")
    await bob.expect("post.edited")


async def test_a_watch_that_timed_out_has_no_effect(cluster: Cluster, person, monkeypatch):
    """The call's deadline expires before Redis has confirmed the node's subscription."""
    alice, bob = await person("alice"), await person("bob", node="b")
    post = await alice.call("post.create", text="open")
    shards = cluster.node_b._stores.shards
    with monkeypatch.context() as silent:
        silent.setattr(shards, "subscribe", lambda shard, channel: asyncio.get_running_loop().create_future())
        silent.setattr(cluster.node_b.parts.dispatcher, "_deadline_s", 0.3)
        assert (await bob.refused("post.watch", post_id=post["id"])).code == "DEADLINE_EXCEEDED"
    [member] = cluster.node_b.parts.members.of_user(int(bob.id))
    assert not [room for room in member.channels if POST.includes(room)]


async def test_turning_private_removes_watchers(cluster: Cluster, person):
    alice, eve = await person("alice", node="a"), await person("eve", node="b")
    post = await alice.call("post.create", text="open")
    await eve.call("post.watch", post_id=post["id"])
    await alice.call("user.update", is_private=True)
    await alice.call("post.edit", post_id=post["id"], version=1, text="closed")
    await cluster.settle(eve)
    assert eve.heard("post.edited") == []
    assert (await eve.refused("post.watch", post_id=post["id"])).code == "NOT_FOUND"
