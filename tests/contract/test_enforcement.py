"""Effects of decisions: content is withheld from all but the author within two seconds, and back when undone."""

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.moderating import Moderating, moderating

ACTIONS = {"remove": "removed", "hold": "held", "shadow": "visible"}  # and what the author is told


@pytest_asyncio.fixture(loop_scope="session")
async def moderator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


@pytest.fixture
async def scene(cluster: Cluster, person):
    """Alice's public post, in the feed of Bob, who follows her, and watched by Carol, whom it mentions."""
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text=f"صباح #cairo @{carol.name}")
    await bob.expect("feed.added", post_id=post["id"])
    await carol.expect("notification.created")
    for each in (alice, carol):
        await each.call("post.watch", post_id=post["id"])
    return alice, bob, carol, post


async def found_posts(person, q: str) -> list[str]:
    return [item["post"]["id"] for item in (await person.call("search.query", q=q, kind="post"))["items"]]


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_withheld_post_is_its_authors_alone_until_that_is_undone(
    cluster: Cluster, scene, moderator: Moderating, action
):
    alice, bob, carol, post = scene
    share = await bob.call("share.create", post_id=post["id"])
    before = await alice.call("post.get", post_id=post["id"])
    decision = await moderator.decide("post", post["id"], action)
    for other in (bob, carol):
        assert (await other.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert (await bob.call("post.get", post_id=share["id"]))["shared"] is None
    own = await alice.call("post.get", post_id=post["id"])
    assert own["standing"] == ACTIONS[action]
    assert {**own, "standing": "visible", "counts": 0, "counts_version": 0} == {
        **before, "counts": 0, "counts_version": 0,
    }  # fmt: skip
    await bob.expect("feed.removed", post_id=post["id"])
    await carol.expect("post.deleted", post_id=post["id"])
    await carol.expect("notification.removed")
    assert (await carol.call("notification.list"))["items"] == []
    await alice.call("comment.create", post_id=post["id"], text="is it me?")
    await cluster.settle(alice, bob, carol)
    assert alice.heard("comment.created")
    assert not carol.heard("comment.created")
    assert not alice.heard("post.deleted")
    assert post["id"] not in [item["post"]["id"] for item in await bob.own_feed()]

    await moderator.undo(decision)
    await bob.expect("feed.added", post_id=post["id"])
    await carol.expect("notification.changed")
    assert (await bob.call("post.get", post_id=post["id"]))["text"] == post["text"]
    assert (await bob.call("post.get", post_id=share["id"]))["shared"]["id"] == post["id"]
    assert post["id"] in [item["post"]["id"] for item in await bob.own_feed(mode="latest")]
    assert (await alice.call("post.get", post_id=post["id"]))["visibility"] == "public"


async def test_a_limited_post_is_seen_by_followers_and_by_its_id_and_not_found(
    cluster: Cluster, scene, moderator: Moderating
):
    alice, bob, carol, _ = scene
    word = cluster.unique("searched")
    limited = await alice.call("post.create", text=f"{word} #{word}")
    await bob.expect("feed.added", post_id=limited["id"])
    await cluster.settle()
    assert limited["id"] in await found_posts(carol, word)
    assert [item["id"] for item in (await carol.call("hashtag.posts", tag=word))["items"]] == [limited["id"]]
    await moderator.decide("post", limited["id"], "limit")
    assert (await carol.call("post.get", post_id=limited["id"]))["standing"] == "visible"
    assert (await alice.call("post.get", post_id=limited["id"]))["standing"] == "limited"
    assert (await carol.call("hashtag.posts", tag=word))["items"] == []
    assert limited["id"] not in await found_posts(carol, word)
    assert (await carol.refused("share.create", post_id=limited["id"])).code == "FAILED_PRECONDITION"
    await cluster.settle()
    assert limited["id"] in [item["post"]["id"] for item in await bob.own_feed(mode="latest")]
    assert limited["id"] not in await found_posts(carol, word)


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_withheld_comment_is_its_authors_alone_and_does_not_count(
    cluster: Cluster, scene, moderator: Moderating, action
):
    alice, bob, carol, post = scene
    comment = await bob.call("comment.create", post_id=post["id"], text="spam")
    await carol.expect("comment.created")
    await alice.expect("notification.created")
    await bob.call("post.watch", post_id=post["id"])
    await cluster.settle()
    decision = await moderator.decide("comment", comment["id"], action)
    assert (await carol.call("comment.list", post_id=post["id"]))["items"] == []
    [own] = (await bob.call("comment.list", post_id=post["id"]))["items"]
    assert (own["id"], own["standing"]) == (comment["id"], ACTIONS[action])
    await carol.expect("comment.deleted", comment_id=comment["id"])
    await alice.expect("notification.removed")
    await cluster.settle(alice, bob, carol)
    assert not bob.heard("comment.deleted")
    counts = [(await each.call("post.get", post_id=post["id"]))["counts"]["comments"] for each in (bob, carol)]
    assert counts == [1, 0]
    await moderator.undo(decision)
    await carol.expect("comment.created")
    await cluster.settle()
    counts = [(await each.call("post.get", post_id=post["id"]))["counts"]["comments"] for each in (bob, carol)]
    assert counts == [1, 1]
    assert len((await carol.call("comment.list", post_id=post["id"]))["items"]) == 1


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_authors_devices_hear_of_a_withheld_comment_as_of_any_other(
    cluster: Cluster, scene, moderator: Moderating, action
):
    alice, bob, carol, post = scene
    tablet = await cluster.again(bob)
    for each in (bob, tablet):
        await each.call("post.watch", post_id=post["id"])
    comment = (await bob.call("comment.create", post_id=post["id"], text="spam"))["id"]
    await carol.expect("comment.created")
    await moderator.decide("comment", comment, action)
    await carol.expect("comment.deleted")
    await cluster.settle(alice, carol)
    alice.received.clear()
    await bob.call("comment.edit", comment_id=comment, text="more spam")
    await bob.call("reaction.set", target_type="comment", target_id=comment, kind="like")
    for each in (bob, tablet):
        assert (await each.expect("comment.edited"))["comment"]["text"] == "more spam"
        assert (await each.expect("comment.counted", comment_id=comment))["reactions"] == {"like": 1}
    await bob.call("comment.delete", comment_id=comment)
    await tablet.expect("comment.deleted", comment_id=comment)
    await cluster.settle(alice, carol)
    for other in (alice, carol):
        assert not [event for event, _ in other.received if event.startswith("comment.")]


@pytest.mark.parametrize("action", ACTIONS)
async def test_pushed_counts_do_not_tell_an_author_that_a_comment_is_withheld(
    cluster: Cluster, scene, moderator: Moderating, action
):
    alice, bob, carol, post = scene
    await bob.call("post.watch", post_id=post["id"])
    comment = (await bob.call("comment.create", post_id=post["id"], text="spam"))["id"]
    await cluster.settle(bob, carol)
    bob.received.clear()
    await moderator.decide("comment", comment, action)
    await alice.call("reaction.set", target_type="post", target_id=post["id"], kind="like")
    await cluster.settle(bob, carol)
    version = (await carol.call("post.get", post_id=post["id"]))["counts_version"]
    shown = await carol.expect("post.counted", version=version)
    assert (shown["counts"]["comments"], shown["counts"]["reactions"]) == (0, {"like": 1})
    shown = await bob.expect("post.counted", version=version)
    assert (shown["counts"]["comments"], shown["counts"]["reactions"]) == (1, {"like": 1})
    assert {push["counts"]["comments"] for push in bob.heard("post.counted")} <= {1}


async def test_what_was_held_at_once_is_told_when_it_is_approved(cluster: Cluster, person, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="private so far", visibility="private")
    decision = await moderator.decide("post", post["id"], "hold")
    await cluster.settle()
    assert (await alice.call("post.get", post_id=post["id"]))["visibility"] == "private"
    await moderator.decide("post", post["id"], "approve")
    await cluster.settle(bob)
    assert not bob.heard("feed.added")  # its author chose so
    await moderator.undo(decision)


async def test_a_removed_message_is_a_deleted_one_to_its_readers(cluster: Cluster, person, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    await alice.call("graph.follow", user_id=bob.id)
    chat = (await alice.call("chat.open", user_ids=[bob.id]))["chat"]["id"]
    await alice.call("chat.send", chat_id=chat, text="buy this")
    await bob.expect("chat.message")
    decision = await moderator.decide("message", chat, "remove", seq=1)
    push = await bob.expect("chat.deleted", chat_id=chat)
    assert push["seq"] == 1
    [shown] = (await bob.call("chat.history", chat_id=chat))["items"]
    assert (shown["text"], shown["deleted"]) == ("", True)
    [own] = (await alice.call("chat.history", chat_id=chat))["items"]
    assert (own["text"], own["deleted"], own["standing"]) == ("buy this", False, "removed")
    await moderator.undo(decision)
    push = await bob.expect("chat.edited")
    assert push["message"]["text"] == "buy this"
    [shown] = (await bob.call("chat.history", chat_id=chat))["items"]
    assert shown["text"] == "buy this"


async def test_a_removed_room_ends_and_nobody_finds_it(cluster: Cluster, person, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    room = await alice.call("room.create", topic=cluster.unique("topic"))
    await alice.call("room.start", room_id=room["id"])
    await bob.call("room.join", room_id=room["id"])
    decision = await moderator.decide("room", room["id"], "remove")
    push = await bob.expect("room.closed")
    assert push["room"]["topic"] == ""
    assert (await bob.refused("room.get", room_id=room["id"])).code == "NOT_FOUND"
    own = await alice.call("room.get", room_id=room["id"])
    assert (own["state"], own["visibility"]) == ("ended", "public")
    await moderator.undo(decision)
    assert (await bob.call("room.get", room_id=room["id"]))["state"] == "ended"


async def test_a_room_whose_host_is_banned_is_its_owners_alone(cluster: Cluster, person, moderator: Moderating):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    room = (await alice.call("room.create", topic=cluster.unique("topic")))["id"]
    await alice.call("room.start", room_id=room)
    for each in (alice, bob, carol):
        await each.call("room.join", room_id=room)
    await alice.call("room.transfer_host", room_id=room, user_id=bob.id)
    decision = await moderator.decide("user", bob.id, "ban")
    await carol.expect("room.closed")
    assert (await carol.refused("room.get", room_id=room)).code == "NOT_FOUND"
    await moderator.undo(decision)
    assert (await carol.call("room.get", room_id=room))["host"]["id"] == bob.id


async def test_a_notification_about_something_on_a_banned_users_post_is_hidden(
    cluster: Cluster, scene, moderator: Moderating
):
    alice, bob, carol, post = scene
    comment = (await bob.call("comment.create", post_id=post["id"], text="first"))["id"]
    await cluster.settle()
    await carol.call("comment.create", post_id=post["id"], parent_id=comment, text="second")
    await bob.expect("notification.created")
    decision = await moderator.decide("user", alice.id, "ban")
    assert (await bob.call("notification.list"))["items"] == []
    await moderator.undo(decision)
    assert len((await bob.call("notification.list"))["items"]) == 1


@pytest.mark.parametrize(("action", "status"), [("suspend", "suspended"), ("ban", "banned")])
async def test_a_suspended_users_sockets_close_and_nobody_sees_the_user(
    cluster: Cluster, scene, moderator: Moderating, action, status
):
    alice, bob, carol, post = scene
    decision = await moderator.decide("user", alice.id, action)
    push = await alice.expect("session.revoked")
    assert push["reason"] == status
    for other in (bob, carol):
        assert (await other.refused("user.get", user_id=alice.id)).code == "NOT_FOUND"
        assert (await other.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert post["id"] not in [item["post"]["id"] for item in await bob.own_feed()]
    await cluster.settle()
    await moderator.undo(decision)
    assert (await bob.call("user.get", user_id=alice.id))["id"] == alice.id
    assert post["id"] in [item["post"]["id"] for item in await bob.own_feed(mode="latest")]
