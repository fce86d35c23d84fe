"""Pushes of files whose processing has ended: to their owner, and to those who see what uses them."""

import pytest

from protocol.media import MediaFailed, MediaUpdated
from tests.cluster import Cluster
from tests.contract.test_chats import create_group
from tests.media_files import add_file, finish


async def test_a_file_becomes_ready_at_its_owner_and_at_an_open_post(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    file = await add_file(cluster, alice, "video", status="processing")
    post = await alice.call("post.create", text="", media_ids=[file])
    watched = await bob.call("post.watch", post_id=post["id"])
    assert [each["status"] for each in watched["media"]] == ["processing"]
    await finish(cluster, file)
    own, seen = (await alice.expect("media.ready"))["media"], (await bob.expect("media.ready"))["media"]
    assert (own["id"], own["status"]) == (file, "ready")
    assert own["hls_url"].startswith("/media/")
    assert seen == {**own, "hls_url": None}
    shown = await bob.call("media.get", media_id=file)
    assert shown == {**own, "hls_url": shown["hls_url"]}
    await finish(cluster, file, MediaUpdated)
    assert (await bob.expect("media.updated"))["media"]["id"] == file
    await cluster.settle(carol)
    assert not carol.heard("media.ready")


async def test_a_failed_file_tells_the_reason_to_its_owner_alone(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await add_file(cluster, alice, status="processing")
    post = await alice.call("post.create", text="x", media_ids=[file])
    await bob.call("post.watch", post_id=post["id"])
    await finish(cluster, file, MediaFailed)
    own, seen = (await alice.expect("media.failed"))["media"], (await bob.expect("media.failed"))["media"]
    assert own["error"] == {"code": "damaged", "message": "The file is damaged."}
    assert seen == {**own, "error": None}


async def test_a_file_of_a_comment_is_pushed_at_its_post(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    post = await alice.call("post.create", text="x")
    for reader in (alice, carol):
        await reader.call("post.watch", post_id=post["id"])
    await carol.call("graph.block", user_id=bob.id)
    file = await add_file(cluster, bob, status="processing")
    await bob.call("comment.create", post_id=post["id"], text="", media_ids=[file])
    await finish(cluster, file)
    assert (await alice.expect("media.ready"))["media"]["id"] == file
    await bob.expect("media.ready")
    await cluster.settle(carol)
    assert not carol.heard("media.ready")


async def test_a_file_of_a_message_is_pushed_to_the_members_who_see_it(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    dave = await person("dave")
    chat_id = await create_group(alice, bob, carol)
    await carol.call("graph.block", user_id=alice.id)
    file = await add_file(cluster, alice, status="processing")
    await alice.call("chat.send", chat_id=chat_id, text="", media_ids=[file])
    await dave.call("graph.follow", user_id=alice.id)
    await alice.call("graph.follow", user_id=dave.id)
    await alice.call("chat.add", chat_id=chat_id, user_ids=[dave.id])
    await finish(cluster, file)
    assert (await bob.expect("media.ready"))["media"]["id"] == file
    await cluster.settle(carol, dave)
    assert not carol.heard("media.ready")
    assert not dave.heard("media.ready")  # who joined after the message


async def test_an_unused_file_is_pushed_to_its_owners_devices_alone(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    phone = await cluster.again(alice)
    post = await alice.call("post.create", text="x")
    await bob.call("post.watch", post_id=post["id"])
    await finish(cluster, await add_file(cluster, alice, status="processing"))
    for device in (alice, phone):
        await device.expect("media.ready")
    await cluster.settle(bob)
    assert not bob.heard("media.ready")


async def test_who_watches_a_share_and_its_original_gets_the_files_of_the_original(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await add_file(cluster, alice, status="processing")
    post = await alice.call("post.create", text="x", media_ids=[file])
    share = await bob.call("share.create", post_id=post["id"])
    await bob.call("post.watch", post_id=share["id"])
    await bob.call("post.watch", post_id=share["shared"]["id"])
    await finish(cluster, file)
    assert (await bob.expect("media.ready"))["media"]["id"] == file
    media = await bob.call("media.get", media_id=file)
    assert (await bob.call("post.get", post_id=share["id"]))["shared"]["media"] == [media]


async def test_a_new_description_reaches_all_who_see_the_file(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    phone = await cluster.again(alice)
    file = await add_file(cluster, alice)
    post = await alice.call("post.create", text="x", media_ids=[file])
    await bob.call("post.watch", post_id=post["id"])
    await alice.call("media.update", media_id=file, alt="a cat", is_sensitive=True)
    for reader in (alice, phone, bob):
        media = (await reader.expect("media.updated"))["media"]
        assert (media["id"], media["alt"], media["is_sensitive"]) == (file, "a cat", True)
    await cluster.settle(carol)
    assert not carol.heard("media.updated")


@pytest.mark.parametrize("what", ["comment", "message"])
async def test_a_new_description_of_other_uses_reaches_their_readers(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await add_file(cluster, alice)
    if what == "comment":
        post = await bob.call("post.create", text="x")
        await bob.call("post.watch", post_id=post["id"])
        await alice.call("comment.create", post_id=post["id"], text="", media_ids=[file])
    else:
        chat_id = await create_group(alice, bob)
        await alice.call("chat.send", chat_id=chat_id, text="", media_ids=[file])
    await alice.call("media.update", media_id=file, alt="a cat")
    assert (await bob.expect("media.updated"))["media"]["alt"] == "a cat"


async def test_the_same_description_again_pushes_nothing(cluster: Cluster, person):
    alice = await person("alice")
    file = await add_file(cluster, alice)
    for alt in ("a cat", "a cat", "a dog"):
        await alice.call("media.update", media_id=file, alt=alt)
    await cluster.settle(alice)
    assert len(alice.heard("media.updated")) == 2
