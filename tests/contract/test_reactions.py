"""Reactions to posts and comments: one per user and target, lists, and pushes to the user's other devices."""

import asyncio
from collections import Counter

import pytest

from storage import fair_queue, reactions
from storage.database import Database
from tests.cluster import KINDS, Cluster
from tests.patience import WAIT_S


def to(target_type, target_id):
    return {"target_type": target_type, "target_id": target_id}


async def listed(who, target, **more):
    page = await who.call("reaction.list", **target, **more)
    return [(item["user"]["id"], item["kind"]) for item in page["items"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target_type", ["post", "comment"])
async def test_a_reaction_replaces_the_earlier_one(cluster: Cluster, person, kind, target_type):
    alice, bob = await person("alice", node="b"), await person("bob", kind=kind)
    post = (await alice.call("post.create", text="hello"))["id"]
    comment = (await alice.call("comment.create", post_id=post, text="hello"))["id"]
    target = to(target_type, post if target_type == "post" else comment)

    async def mine(who) -> list[str | None]:
        if target_type == "post":
            feed = await who.call("post.list", user_id=alice.id)
            shown = [await who.call("post.get", post_id=post), feed["items"][0]]
        else:
            page = await who.call("comment.list", post_id=post)
            shown = [await who.call("comment.get", comment_id=comment), page["items"][0]]
        return [each["viewer"]["reaction"] for each in shown]

    assert await mine(bob) == [None, None]
    for reaction in ("like", "like", "angry"):
        assert await bob.call("reaction.set", **target, kind=reaction) == {}
        assert await mine(bob) == [reaction, reaction]
        assert await listed(alice, target) == [(bob.id, reaction)]
    assert await mine(alice) == [None, None]
    for _ in range(2):
        assert await bob.call("reaction.unset", **target) == {}
        assert await mine(bob) == [None, None]
        assert await listed(alice, target) == []


async def test_the_feed_shows_the_viewers_reaction(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    posts = [(await alice.call("post.create", text="hello"))["id"] for _ in range(2)]
    for post in posts:
        await bob.expect("feed.added", post_id=post)
    await bob.call("reaction.set", **to("post", posts[0]), kind="love")
    await alice.call("reaction.set", **to("post", posts[1]), kind="sad")
    for mode in ("ranked", "latest"):
        items = await bob.own_feed(mode=mode)
        shown = {item["post"]["id"]: item["post"]["viewer"]["reaction"] for item in items}
        assert shown == {posts[0]: "love", posts[1]: None}


async def test_the_users_other_devices_and_nobody_else_are_told(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="a")
    phone = await cluster.again(bob, node="b")
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    await alice.call("post.watch", post_id=target["target_id"])
    for kind in ("like", "laugh", "laugh"):
        await bob.call("reaction.set", **target, kind=kind)
    await bob.call("reaction.unset", **target)
    await bob.call("reaction.unset", **target)
    await cluster.settle(phone, alice)
    told = phone.heard("reaction.changed")
    assert len(told) == 3  # repetitions change nothing
    assert {(push["target_type"], push["target_id"]) for push in told} == {("post", target["target_id"])}
    assert told[-1]["kind"] is None
    assert alice.heard("reaction.changed") == []


async def test_pages_of_reactions(cluster: Cluster, person):
    alice = await person("alice")
    people = [await person(f"user{n}", node="b") for n in range(5)]
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    for number, who in enumerate(people):
        await who.call("reaction.set", **target, kind=("like", "love")[number % 2])
    expected = [(who.id, ("like", "love")[number % 2]) for number, who in enumerate(people)][::-1]
    first = await alice.call("reaction.list", **target, limit=3)
    assert [item["user"]["id"] for item in first["items"]] == [user_id for user_id, _ in expected[:3]]
    assert await listed(alice, target, limit=3, cursor=first["next_cursor"]) == expected[3:]
    assert await listed(alice, target, kind="like") == expected[::2]
    assert await listed(alice, target, kind="sad") == []
    for who, more in ((people[0], {}), (alice, {"kind": "like"})):
        failed = await who.refused("reaction.list", **target, **more, cursor=first["next_cursor"])
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["cursor"])


async def test_reactions_of_hidden_users_are_left_out(cluster: Cluster, person):
    names = ("blocker", "blocked", "muted", "muted_posts", "friend")
    alice, viewer = await person("alice"), await person("viewer")
    people = {name: await person(name, node="b") for name in names}
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    for who in people.values():
        await who.call("reaction.set", **target, kind="like")
    await people["blocker"].call("graph.block", user_id=viewer.id)
    await viewer.call("graph.block", user_id=people["blocked"].id)
    await viewer.call("graph.mute", user_id=people["muted"].id, kind="all")
    await viewer.call("graph.mute", user_id=people["muted_posts"].id, kind="posts")
    assert await listed(viewer, target, limit=2) == [(people[name].id, "like") for name in ("friend", "muted_posts")]
    for name in ("blocker", "blocked"):
        assert viewer.id not in [user_id for user_id, _ in await listed(people[name], target)]
    assert len(await listed(alice, target)) == 5


async def test_a_user_withdraws_a_reaction_to_what_is_hidden_since(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    await bob.call("reaction.set", **target, kind="like")
    await alice.call("graph.block", user_id=bob.id)
    assert (await bob.refused("reaction.set", **target, kind="love")).code == "NOT_FOUND"
    for _ in range(2):
        assert await bob.call("reaction.unset", **target) == {}
    assert await listed(alice, target) == []


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("reaction.set", {"kind": "hate"}, "kind"),
        ("reaction.set", {"kind": None}, "kind"),
        ("reaction.set", {"kind": "like", "target_type": "video"}, "target_type"),
        ("reaction.set", {"kind": "like", "target_id": "-1"}, "target_id"),
        ("reaction.set", {"kind": "like", "count": 5}, "count"),
        ("reaction.unset", {"kind": "like"}, "kind"),
        ("reaction.list", {"limit": 0}, "limit"),
        ("reaction.list", {"kind": "hate"}, "kind"),
    ],
)
async def test_bad_reactions_name_their_field_and_write_nothing(cluster: Cluster, person, method, arguments, field):
    alice = await person("alice")
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    failed = await alice.refused(method, **{**target, **arguments})
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
    assert await listed(alice, target) == []


async def test_100_users_who_react_5_times_at_once_leave_100_reactions(cluster: Cluster, person):
    alice = await person("alice")
    people = await asyncio.gather(*(person(f"user{n}", node="ab"[n % 2]) for n in range(100)))
    target = to("post", (await alice.call("post.create", text="hello"))["id"])
    await asyncio.gather(
        *(who.call("reaction.set", **target, kind="like") for who in people for _ in range(5)),
    )
    first = await alice.call("reaction.list", **target, limit=100)
    assert Counter(item["user"]["id"] for item in first["items"]) == Counter(who.id for who in people)


@pytest.mark.parametrize("kinds", [("like",), reactions.KINDS])
async def test_one_user_on_many_devices_changes_a_reaction_once_for_each_kind(
    cluster: Cluster, person, kinds, monkeypatch: pytest.MonkeyPatch
):
    """500 transactions at once, of 100 users: without a deadlock, each user is left with the last kind that changed."""
    monkeypatch.setattr(fair_queue, "WAIT_S", WAIT_S)  # on a busy machine, the last one waits for long
    alice = await person("alice")
    names = [cluster.unique("user") for _ in range(100)]
    await cluster.tokens(names)
    target_id = int((await alice.call("post.create", text="hello"))["id"])
    database = Database(cluster.servers.postgres_url("daira_app"), largest=20)
    await database.connect()
    owner = await cluster.owner()
    user_ids = [row["id"] for row in await owner.fetch("SELECT id FROM users WHERE username = ANY ($1)", names)]

    async def react(user_id: int, kind: str) -> tuple[int, bool]:
        async with database.transaction(user_id) as tx:
            ids = cluster.stores.ids
            outcome = await reactions.set_kind(
                tx, id=ids.mint(), target_type="post", target_id=target_id, user_id=user_id, kind=kind
            )
        return user_id, outcome.is_new

    done = await asyncio.gather(*(react(each, kinds[n % len(kinds)]) for n in range(5) for each in user_ids))
    left = await owner.fetch("SELECT user_id FROM reactions WHERE target_type = 'post' AND target_id = $1", target_id)
    await owner.close()
    await database.close()
    assert sorted(row["user_id"] for row in left) == sorted(user_ids)
    changes = Counter(user_id for user_id, is_new in done if is_new)
    assert set(changes.values()) == {len(kinds)}
