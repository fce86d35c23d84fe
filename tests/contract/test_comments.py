"""Comments: write, read in pages of a tree, edit, delete, and the pushes to users who have the post open."""

import asyncio

import pytest

from storage.comments import DEEPEST
from tests.cluster import KINDS, Cluster
from tests.contract.test_recovery import away, back, online


@pytest.mark.parametrize("kind", KINDS)
async def test_a_comment_is_returned_in_full_and_pushed_to_the_open_post(cluster: Cluster, person, kind):
    alice, bob = await person("alice", kind=kind), await person("bob", node="b")
    post = await alice.call("post.create", text="hello")
    await alice.call("post.watch", post_id=post["id"])
    comment = await bob.call("comment.create", post_id=post["id"], text=f"  صباح النور @{alice.name}\n")
    assert comment == {
        "id": comment["id"], "post_id": post["id"], "parent_id": None, "author": lite(bob),
        "text": f"صباح النور @{alice.name}", "media": [], "mentions": [lite(alice)], "depth": 0, "reply_count": 0,
        "reactions": {}, "counts_version": 0,
        "deleted": False, "created_at": comment["created_at"], "edited_at": None, "viewer": {"reaction": None},
        "labels": [], "standing": "visible",
    }  # fmt: skip
    assert await alice.call("comment.get", comment_id=comment["id"]) == comment
    page = await alice.call("comment.list", post_id=post["id"])
    assert page == {"items": [comment], "more": {}, "next_cursor": None}
    await alice.expect("comment.created", comment=shown(comment))


def shown(comment):
    """The comment as a push shows it to all."""
    return {name: value for name, value in comment.items() if name not in ("viewer", "standing")}


def lite(who):
    return {
        "id": who.id, "username": who.name, "display_name": who.name, "avatar_url": None, "is_verified": False,
    }  # fmt: skip


async def tree(who, post_id, shape, parent_id=None):
    """Write comments named by the keys of `shape`, with the values as replies; return their ids by name."""
    ids = {}
    for name, replies in shape.items():
        parent = {"parent_id": parent_id} if parent_id else {}
        comment = await who.call("comment.create", post_id=post_id, text=name, **parent)
        ids |= {name: comment["id"]} | await tree(who, post_id, replies, comment["id"])
    return ids


async def test_a_page_shows_the_first_replies_in_the_order_of_the_tree(cluster: Cluster, person):
    alice = await person("alice")
    post = (await alice.call("post.create", text="hello"))["id"]
    ids = await tree(alice, post, {"old": {"a": {"b": {"c": {}}}, "d": {}, "e": {}}, "new": {}})
    page = await alice.call("comment.list", post_id=post)
    assert [(item["text"], item["depth"], item["reply_count"]) for item in page["items"]] == [
        ("new", 0, 0), ("old", 0, 3), ("a", 1, 1), ("b", 2, 1),
    ]  # fmt: skip
    assert [item["parent_id"] for item in page["items"]] == [None, None, ids["old"], ids["a"]]
    assert page["more"] == {ids["old"]: 2, ids["b"]: 1}
    replies = await alice.call("comment.list", post_id=post, parent_id=ids["old"])
    assert [item["text"] for item in replies["items"]] == ["a", "b", "c", "d", "e"]
    assert (replies["more"], replies["next_cursor"]) == ({}, None)


@pytest.mark.parametrize("of_replies", [False, True])
async def test_pages_of_comments(cluster: Cluster, person, of_replies):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="hello"))["id"]
    where = {"post_id": post}
    if of_replies:
        where["parent_id"] = (await bob.call("comment.create", post_id=post, text="top"))["id"]
    written = [(await bob.call("comment.create", **where, text=f"{n}"))["id"] for n in range(7)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = await alice.call("comment.list", **where, limit=3, cursor=cursor)
        seen += [item["id"] for item in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if pages == 1:  # what comes meanwhile does not move the pages
            await bob.call("comment.create", **where, text="late")
    assert seen[:7] == (written if of_replies else written[::-1])
    cursor = (await alice.call("comment.list", **where, limit=3))["next_cursor"]
    other = {"post_id": (await alice.call("post.create", text="other"))["id"]}
    for who, arguments in ((bob, where), (alice, other), (alice, {**where, "parent_id": written[0]})):
        failed = await who.refused("comment.list", **arguments, cursor=cursor)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["cursor"])


async def test_an_edit_is_marked_and_pushed(cluster: Cluster, person):
    alice, bob, eve = await person("alice"), await person("bob", node="b"), await person("eve")
    post = (await alice.call("post.create", text="hello"))["id"]
    await eve.call("post.watch", post_id=post)
    comment = (await bob.call("comment.create", post_id=post, text="first"))["id"]
    edited = await bob.call("comment.edit", comment_id=comment, text=f"second @{eve.name}")
    assert (edited["text"], [user["id"] for user in edited["mentions"]]) == (f"second @{eve.name}", [eve.id])
    assert edited["edited_at"] is not None
    await eve.expect("comment.edited", comment=shown(edited))
    assert await bob.call("comment.edit", comment_id=comment, text=f"second @{eve.name}") == edited
    for who in (alice, eve):
        assert (await who.refused("comment.edit", comment_id=comment, text="mine")).code == "NOT_FOUND"
    await cluster.settle(eve)
    assert eve.heard("comment.edited") == []  # the repetition changed nothing
    await bob.call("comment.delete", comment_id=comment)
    assert (await bob.refused("comment.edit", comment_id=comment, text="third")).code == "NOT_FOUND"


async def test_comments_are_deleted_by_their_author_and_the_author_of_the_post(cluster: Cluster, person):
    alice, bob, eve = await person("alice"), await person("bob", node="b"), await person("eve")
    post = (await alice.call("post.create", text="hello"))["id"]
    await eve.call("post.watch", post_id=post)
    ids = await tree(bob, post, {"by bob": {}, "by alice": {"reply": {}}, "kept": {}})
    assert (await eve.refused("comment.delete", comment_id=ids["by bob"])).code == "NOT_FOUND"
    for who, name in ((bob, "by bob"), (alice, "by alice")):
        assert await who.call("comment.delete", comment_id=ids[name]) == {}
        push = await eve.expect("comment.deleted")
        assert (push["post_id"], push["comment_id"]) == (post, ids[name])
        assert (await who.refused("comment.get", comment_id=ids[name])).code == "NOT_FOUND"
        assert await bob.call("comment.delete", comment_id=ids[name]) == {}
    await cluster.settle(eve)
    assert eve.heard("comment.deleted") == []
    items = (await eve.call("comment.list", post_id=post))["items"]
    assert [item["id"] for item in items] == [ids["kept"], ids["by alice"], ids["reply"]]
    place = items[1]
    assert place == {
        **place, "author": None, "text": None, "mentions": [], "reactions": {}, "deleted": True, "edited_at": None,
    }  # fmt: skip
    for parent in ("by bob", "by alice"):
        failed = await bob.refused("comment.create", post_id=post, parent_id=ids[parent], text="x")
        assert failed.code == "NOT_FOUND"
    await bob.call("comment.delete", comment_id=ids["reply"])
    assert [item["id"] for item in (await eve.call("comment.list", post_id=post))["items"]] == [ids["kept"]]


@pytest.mark.parametrize("blocker", ["alice", "bob"])
async def test_a_block_hides_comments_in_both_directions(cluster: Cluster, person, blocker):
    """Alice and Bob comment on the post of Carol. Dina sees all."""
    alice, bob, carol, dina = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    people = {"alice": alice, "bob": bob}
    other = people["bob" if blocker == "alice" else "alice"]
    post = (await carol.call("post.create", text="hello"))["id"]
    for who in (alice, bob, dina):
        await who.call("post.watch", post_id=post)
    top = (await bob.call("comment.create", post_id=post, text="before"))["id"]
    reply = (await carol.call("comment.create", post_id=post, parent_id=top, text="reply"))["id"]
    await alice.expect("comment.created")
    await people[blocker].call("graph.block", user_id=other.id)
    await cluster.settle(alice, bob)
    alice.received.clear()
    items = (await alice.call("comment.list", post_id=post))["items"]
    assert [(item["id"], item["author"] and item["author"]["id"]) for item in items] == [(top, None), (reply, carol.id)]
    for method, more in (
        ("comment.get", {"comment_id": top}),
        ("comment.create", {"post_id": post, "parent_id": top, "text": "x"}),
        ("reaction.set", {"target_type": "comment", "target_id": top, "kind": "like"}),
        ("reaction.list", {"target_type": "comment", "target_id": top}),
    ):
        assert (await alice.refused(method, **more)).code == "NOT_FOUND", method
    late = await bob.call("comment.create", post_id=post, text=f"late @{alice.name}")
    assert late["mentions"] == []
    await dina.expect("comment.created", comment=shown(late))
    edited = await bob.call("comment.edit", comment_id=late["id"], text="later")
    await dina.expect("comment.edited", comment=shown(edited))
    await bob.call("comment.delete", comment_id=late["id"])
    await dina.expect("comment.deleted", comment_id=late["id"])
    await cluster.settle(alice)
    assert [name for name, _ in alice.received if name.startswith("comment.")] == []
    back = (await alice.call("comment.create", post_id=post, text="back"))["id"]
    assert back not in [item["id"] for item in (await bob.call("comment.list", post_id=post))["items"]]
    assert (await bob.refused("comment.get", comment_id=back)).code == "NOT_FOUND"


async def test_a_mute_hides_comments_from_lists_and_pushes(cluster: Cluster, person):
    alice, bob, dina = await person("alice"), await person("bob", node="b"), await person("dina")
    post = (await dina.call("post.create", text="hello"))["id"]
    await alice.call("post.watch", post_id=post)
    await alice.call("graph.mute", user_id=bob.id, kind="all")
    await cluster.settle(alice)
    await bob.call("comment.create", post_id=post, text="unheard")
    heard = await dina.call("comment.create", post_id=post, text=f"heard @{bob.name}")
    await alice.expect("comment.created", comment=shown({**heard, "mentions": []}))
    assert alice.heard("comment.created") == []
    assert [item["id"] for item in (await alice.call("comment.list", post_id=post))["items"]] == [heard["id"]]
    assert len((await bob.call("comment.list", post_id=post))["items"]) == 2
    await alice.call("graph.unmute", user_id=bob.id)
    assert len((await alice.call("comment.list", post_id=post))["items"]) == 2


@pytest.mark.parametrize("hidden_by", ["private account", "followers", "circle", "private", "deleted", "block"])
async def test_what_hides_a_post_hides_its_comments_and_reactions(cluster: Cluster, person, hidden_by):
    """Eve does not see the post of Alice, on which Bob comments and to which he reacts as long as he sees it."""
    alice, bob, eve = await person("alice"), await person("bob", node="b"), await person("eve")
    await bob.call("graph.follow", user_id=alice.id)
    visibility = {"visibility": hidden_by} if hidden_by in ("followers", "circle", "private") else {}
    if hidden_by == "circle":
        circle = await alice.call("circle.create", name="close", user_ids=[bob.id])
        visibility["circle_id"] = circle["id"]
    if hidden_by == "private account":
        await alice.call("user.update", is_private=True)
    post = (await alice.call("post.create", text="hello", **visibility))["id"]
    writer = alice if hidden_by == "private" else bob
    comment = (await writer.call("comment.create", post_id=post, text="hello"))["id"]
    reaction = {"target_type": "comment", "target_id": comment}
    await writer.call("reaction.set", **reaction, kind="like")
    if hidden_by == "deleted":
        await alice.call("post.delete", post_id=post)
    if hidden_by == "block":
        await alice.call("graph.block", user_id=eve.id)
    calls = [
        ("post.watch", {"post_id": post}),
        ("comment.create", {"post_id": post, "text": "x"}),
        ("comment.create", {"post_id": post, "parent_id": comment, "text": "x"}),
        ("comment.list", {"post_id": post}),
        ("comment.list", {"post_id": post, "parent_id": comment}),
        ("comment.get", {"comment_id": comment}),
        ("comment.edit", {"comment_id": comment, "text": "x"}),
        ("comment.delete", {"comment_id": comment}),
        ("reaction.set", {"target_type": "post", "target_id": post, "kind": "like"}),
        ("reaction.set", {**reaction, "kind": "like"}),
        ("reaction.list", {"target_type": "post", "target_id": post}),
        ("reaction.list", reaction),
    ]
    for method, arguments in calls:
        assert (await eve.refused(method, **arguments)).code == "NOT_FOUND", (method, arguments)
    if hidden_by == "deleted":
        for method, arguments in calls[:6]:
            assert (await bob.refused(method, **arguments)).code == "NOT_FOUND", (method, arguments)
        assert await bob.call("reaction.unset", **reaction) == {}
        assert await bob.call("comment.delete", comment_id=comment) == {}
    elif hidden_by != "private":
        assert [item["id"] for item in (await bob.call("comment.list", post_id=post))["items"]] == [comment]


async def test_comments_on_a_deleted_post_are_not_pushed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="hello"))["id"]
    comment = (await bob.call("comment.create", post_id=post, text="mine"))["id"]
    await bob.call("post.watch", post_id=post)
    await alice.call("post.delete", post_id=post)
    await bob.expect("post.deleted")
    await bob.call("comment.delete", comment_id=comment)
    await cluster.settle(bob)
    assert bob.heard("comment.deleted") == []


@pytest.mark.parametrize(
    ("policy", "may"),
    [
        ("everyone", {"alice", "follower", "mentioned", "stranger"}),
        ("followers", {"alice", "follower"}),
        ("mentioned", {"alice", "mentioned"}),
        ("nobody", {"alice"}),
    ],
)
async def test_the_posts_policy_says_who_may_comment(cluster: Cluster, person, policy, may):
    people = {name: await person(name) for name in ("alice", "follower", "mentioned", "stranger")}
    await people["follower"].call("graph.follow", user_id=people["alice"].id)
    text = f"hello @{people['mentioned'].name}"
    post = (await people["alice"].call("post.create", text=text, reply_policy=policy))["id"]
    top = (await people["alice"].call("comment.create", post_id=post, text="top"))["id"]
    for name, who in people.items():
        for parent in ({}, {"parent_id": top}):
            answer = await who.answer("comment.create", {"post_id": post, "text": "x", **parent})
            assert answer["ok"] or answer["error"]["code"] == "PERMISSION_DENIED", (name, answer)
            assert answer["ok"] == (name in may), name


async def test_settings_say_who_may_comment_and_mention(cluster: Cluster, person):
    alice, friend, stranger = await person("alice"), await person("friend"), await person("stranger")
    await alice.call("graph.follow", user_id=friend.id)
    post = (await alice.call("post.create", text="hello"))["id"]
    other = (await stranger.call("post.create", text="hello"))["id"]
    await alice.call("settings.update", comments_from="followed", mentions_from="followed")
    await friend.call("comment.create", post_id=post, text="x")
    assert (await stranger.refused("comment.create", post_id=post, text="x")).code == "PERMISSION_DENIED"
    text = f"hello @{alice.name}"
    for who, expected in ((stranger, []), (friend, [alice.id])):
        comment = await who.call("comment.create", post_id=other, text=text)
        edited = await who.call("comment.edit", comment_id=comment["id"], text=f"{text} again")
        published = await who.call("post.create", text=text)
        again = await who.call("post.edit", post_id=published["id"], version=1, text=f"{text} again")
        for each in (comment, edited, published, again):
            assert [user["id"] for user in each["mentions"]] == expected
    await alice.call("settings.update", mentions_from="nobody")
    assert (await friend.call("comment.edit", comment_id=comment["id"], text=text))["mentions"] == []
    await friend.call("post.delete", post_id=published["id"])


async def test_a_reply_deeper_than_the_deepest_is_refused(cluster: Cluster, person):
    alice = await person("alice")
    post = (await alice.call("post.create", text="hello"))["id"]
    top = int((await alice.call("comment.create", post_id=post, text="top"))["id"])
    owner = await cluster.owner()
    chain = [(top + n, int(post), top + n - 1, int(alice.id)) for n in range(1, DEEPEST)]
    statement = "INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES ($1, $2, $3, $4, 'x')"
    await owner.executemany(statement, chain)
    await owner.close()
    last = await alice.call("comment.create", post_id=post, parent_id=str(chain[-1][0]), text="deepest")
    assert last["depth"] == DEEPEST
    failed = await alice.refused("comment.create", post_id=post, parent_id=last["id"], text="deeper")
    assert failed.code == "FAILED_PRECONDITION"


async def test_one_key_makes_one_comment(cluster: Cluster, person):
    alice = await person("alice", node="a")
    other = await cluster.again(alice, node="b")
    post = (await alice.call("post.create", text="hello"))["id"]
    once = {"post_id": post, "text": "once", "idempotency_key": "k"}
    answers = await asyncio.gather(*(who.call("comment.create", **once) for who in (alice, other) * 5))
    assert all(answer == answers[0] for answer in answers)
    assert len((await alice.call("comment.list", post_id=post))["items"]) == 1


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("comment.create", {"text": ""}, "text"),
        ("comment.create", {"text": " \n"}, "text"),
        ("comment.create", {"text": "ل" * 2_001}, "text"),
        ("comment.create", {"text": "a\x00b"}, "text"),
        ("comment.create", {"text": None}, "text"),
        ("comment.create", {"text": "x", "parent_id": "x"}, "parent_id"),
        ("comment.create", {"text": "x", "depth": 1}, "depth"),
        ("comment.create", {"text": "x", "post_id": "9223372036854775808"}, "post_id"),
        ("comment.list", {"limit": 101}, "limit"),
        ("comment.list", {"cursor": "x"}, "cursor"),
        ("comment.list", {"parent_id": 5}, "parent_id"),
    ],
)
async def test_bad_comments_name_their_field_and_write_nothing(cluster: Cluster, person, method, arguments, field):
    alice = await person("alice")
    post = (await alice.call("post.create", text="hello"))["id"]
    failed = await alice.refused(method, **{"post_id": post, **arguments})
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
    assert (await alice.call("comment.list", post_id=post))["items"] == []


async def test_a_parent_belongs_to_the_post(cluster: Cluster, person):
    alice = await person("alice")
    posts = [(await alice.call("post.create", text="hello"))["id"] for _ in range(2)]
    comment = (await alice.call("comment.create", post_id=posts[0], text="x"))["id"]
    for parent in (comment, posts[1], "5"):
        failed = await alice.refused("comment.create", post_id=posts[1], parent_id=parent, text="x")
        assert failed.code == "NOT_FOUND"
        assert (await alice.refused("comment.list", post_id=posts[1], parent_id=parent)).code == "NOT_FOUND"


async def test_missed_comments_are_replayed(cluster: Cluster, person):
    bob, reader = await person("bob", node="b"), await online(cluster)
    post = (await bob.call("post.create", text="hello"))["id"]
    await reader.call("post.watch", post_id=post)
    await away(cluster, reader)
    comment = await bob.call("comment.create", post_id=post, text="missed")
    await cluster.settle()
    await back(cluster, reader)
    await reader.expect("comment.created", comment=shown(comment))
