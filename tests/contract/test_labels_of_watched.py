"""Labels for adults on what a minor has open: the minor is told that it is gone, and when it is back."""

import pytest
import pytest_asyncio

from protocol.events import PostCreatedEvent
from tests.cluster import Cluster
from tests.contract.test_auth import register
from tests.contract.test_coming_back import arrive, come_back, leave
from tests.contract.test_labels import label
from tests.contract.test_minors import years_ago
from tests.media_files import add_file
from tests.moderating import Moderating, moderating
from workers.fanout import fan_out_posts
from workers.job import Job


@pytest_asyncio.fixture(loop_scope="session")
async def moderator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def child(cluster: Cluster, person):
    found, _ = await register(cluster, birth_date=years_ago(14))
    return found


async def edit(author, post: str, text: str) -> None:
    version = (await author.call("post.get", post_id=post))["version"]
    await author.call("post.edit", post_id=post, version=version, text=text)


@pytest.mark.parametrize("name", ["sexual", "graphic"])
async def test_a_minor_who_watches_a_labelled_post_is_told_that_it_is_gone(
    cluster: Cluster, person, child, moderator: Moderating, name
):
    alice, bob = await person("alice"), await person("bob", node="b")
    await child.call("graph.follow", user_id=alice.id)
    post = (await alice.call("post.create", text="open"))["id"]
    await child.expect("feed.added", post_id=post)
    for each in (alice, bob, child):
        await each.call("post.watch", post_id=post)
    decision = await label(moderator, "post", post, name)
    assert (await bob.expect("post.edited"))["post"]["labels"] == [name]
    await child.expect("post.deleted", post_id=post)
    await child.expect("feed.removed", post_id=post)
    await edit(alice, post, "see this")
    await bob.call("comment.create", post_id=post, text="look")
    await bob.call("reaction.set", target_type="post", target_id=post, kind="like")
    await cluster.settle(alice, bob, child)
    assert len(alice.heard("post.edited")) == 2
    assert bob.heard("comment.created")
    assert [alice.heard("post.deleted"), bob.heard("post.deleted"), bob.heard("feed.removed")] == [[], [], []]
    assert not [event for event, push in child.received if post in str(push)]
    assert post not in [item["post"]["id"] for item in await child.own_feed(mode="latest")]

    await moderator.undo(decision)
    await child.expect("feed.added", post_id=post)
    await cluster.settle()  # who watched it before is told, too
    assert post in [item["post"]["id"] for item in await child.own_feed(mode="latest")]
    await child.call("post.watch", post_id=post)
    await edit(alice, post, "dressed")
    assert (await child.expect("post.edited"))["post"]["text"] == "dressed"
    await cluster.settle(bob)
    assert not bob.heard("feed.added")


async def test_minors_keep_what_they_have_written_themselves(cluster: Cluster, person, child, moderator: Moderating):
    bob = await person("bob")
    await bob.call("graph.follow", user_id=child.id)
    await child.call("graph.accept", user_id=bob.id)
    post = (await child.call("post.create", text="my own"))["id"]
    for each in (bob, child):
        await each.call("post.watch", post_id=post)
    await label(moderator, "post", post, "graphic")
    await bob.call("comment.create", post_id=post, text="look")
    await child.expect("comment.created")
    await child.expect("post.edited")
    assert not child.heard("post.deleted")


async def test_a_post_that_is_labelled_before_it_is_shown_is_no_news_to_a_minor(
    cluster: Cluster, person, child, moderator: Moderating
):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="open"))["id"]
    await label(moderator, "post", post, "graphic")
    for each in (bob, child):
        await each.call("graph.follow", user_id=alice.id)
    await cluster.settle(bob, child)
    event = PostCreatedEvent(post_id=int(post), author_id=int(alice.id))
    await fan_out_posts([Job(cluster.stores.ids.mint(), cluster.workers.tools)], [event])
    await bob.expect("feed.added", post_id=post)
    await cluster.settle(child)
    assert not child.heard("feed.added")


async def test_a_labelled_comment_is_deleted_to_a_minor(cluster: Cluster, person, child, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="open"))["id"]
    for each in (bob, child):
        await each.call("post.watch", post_id=post)
    comment = (await alice.call("comment.create", post_id=post, text="see this"))["id"]
    await child.expect("comment.created")
    decision = await label(moderator, "comment", comment, "sexual")
    await child.expect("comment.deleted", comment_id=comment)
    await alice.call("comment.edit", comment_id=comment, text="see that")
    await alice.call("reaction.set", target_type="comment", target_id=comment, kind="like")
    await cluster.settle(bob, child)
    assert [push["comment"]["text"] for push in bob.heard("comment.edited")] == ["see this", "see that"]
    assert bob.heard("comment.counted")
    assert (child.heard("comment.edited"), child.heard("comment.counted")) == ([], [])
    await moderator.undo(decision)
    assert (await child.expect("comment.created"))["comment"]["text"] == "see that"
    await cluster.settle(bob)
    assert (bob.heard("comment.deleted"), len(bob.heard("comment.created"))) == ([], 1)


async def test_a_minor_gets_a_post_without_its_labelled_file(cluster: Cluster, person, child, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    files = [await add_file(cluster, alice, "image") for _ in range(2)]
    post = (await alice.call("post.create", text="two pictures", media_ids=files))["id"]
    for each in (bob, child):
        await each.call("post.watch", post_id=post)
    await label(moderator, "media", files[0], "graphic")
    for each, sees in ((bob, files), (child, files[1:])):
        shown = (await each.expect("post.edited"))["post"]
        assert [file["id"] for file in shown["media"]] == sees
    await alice.call("media.update", media_id=files[0], alt="what it shows")
    await bob.expect("media.updated")
    await cluster.settle(child)
    assert not child.heard("media.updated")


async def test_a_labelled_message_is_deleted_to_a_minor(cluster: Cluster, person, child, moderator: Moderating):
    alice = await person("alice")
    await child.call("graph.follow", user_id=alice.id)
    chat = (await alice.call("chat.open", user_ids=[child.id]))["chat"]["id"]
    await alice.call("chat.send", chat_id=chat, text="see this")
    await child.expect("chat.message")
    decision = await label(moderator, "message", chat, "graphic", seq=1)
    await child.expect("chat.deleted", seq=1)
    await alice.call("chat.edit", chat_id=chat, seq=1, text="see that")
    await cluster.settle(child)
    assert not child.heard("chat.edited")
    await moderator.undo(decision)
    assert (await child.expect("chat.edited"))["message"]["text"] == "see that"


async def test_a_replay_leaves_out_what_minors_must_not_see(cluster: Cluster, person, moderator: Moderating):
    alice = await person("alice")
    reader = await arrive(cluster)
    await reader.call("account.correct_birth_date", birth_date=years_ago(14))
    file = await add_file(cluster, alice, "image")
    labelled, kept = [(await alice.call("post.create", text="open"))["id"] for _ in range(2)]
    pictured = (await alice.call("post.create", text="a picture", media_ids=[file]))["id"]
    for post in (labelled, kept, pictured):
        await reader.call("post.watch", post_id=post)
    await leave(cluster, reader)
    await edit(alice, labelled, "see this")
    comment = (await alice.call("comment.create", post_id=kept, text="see this"))["id"]
    await cluster.settle()
    await label(moderator, "post", labelled, "sexual")
    await label(moderator, "comment", comment, "sexual")
    await label(moderator, "media", file, "sexual")
    await cluster.settle()
    back = await come_back(cluster, reader)
    assert back.ready["recovered"]
    assert [each.rpartition(":")[2] for each in await back.told("post.edited")] == ["minors"]
    assert not await back.told("comment.created")


async def test_a_user_who_turns_out_to_be_a_minor_leaves_what_minors_must_not_see(
    cluster: Cluster, person, moderator: Moderating
):
    alice = await person("alice")
    bob, _ = await register(cluster, birth_date="1990-05-05")
    labelled, kept = [(await alice.call("post.create", text="open"))["id"] for _ in range(2)]
    await label(moderator, "post", labelled, "sexual")
    await cluster.settle()
    await bob.call("post.watch", post_id=labelled)
    await bob.call("account.correct_birth_date", birth_date=years_ago(14))
    await bob.call("post.watch", post_id=kept)
    comment = (await alice.call("comment.create", post_id=kept, text="see this"))["id"]
    await label(moderator, "comment", comment, "sexual")
    await edit(alice, labelled, "see this")
    await bob.expect("comment.deleted", comment_id=comment)
    await cluster.settle(bob)
    assert (bob.heard("post.edited"), bob.heard("comment.edited")) == ([], [])
