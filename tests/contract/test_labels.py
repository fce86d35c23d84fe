"""Labels: lists leave out what viewers hide, and users below 18 see nothing of others that is sexual or graphic."""

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.contract.test_auth import register
from tests.contract.test_minors import years_ago
from tests.media_files import add_file
from tests.moderating import Moderating, moderating


@pytest_asyncio.fixture(loop_scope="session")
async def moderator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


async def label(moderator: Moderating, kind: str, target_id: str, name: str, **more) -> int:
    return await moderator.decide(kind, target_id, "label", labels=[name], reason="other", **more)


async def listed(person, post: str) -> list[str]:
    return [comment["id"] for comment in (await person.call("comment.list", post_id=post))["items"]]


async def test_a_comment_is_left_out_of_lists_as_each_viewer_wants_its_label(person, moderator: Moderating):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol", node="b")
    post = (await alice.call("post.create", text="open"))["id"]
    comment = (await bob.call("comment.create", post_id=post, text="see this"))["id"]
    decision = await label(moderator, "comment", comment, "sexual")
    assert await listed(carol, post) == []
    assert (await carol.call("comment.get", comment_id=comment))["labels"] == ["sexual"]
    assert await listed(bob, post) == [comment]  # authors see their own
    await carol.call("settings.update", labels={"sexual": "blur"})
    assert await listed(carol, post) == [comment]
    await moderator.undo(decision)
    assert await listed(alice, post) == [comment]


async def test_a_labelled_comment_with_replies_keeps_its_place(person, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    post = (await alice.call("post.create", text="open"))["id"]
    comment = (await bob.call("comment.create", post_id=post, text="see this"))["id"]
    reply = (await alice.call("comment.create", post_id=post, parent_id=comment, text="no"))["id"]
    await label(moderator, "comment", comment, "sexual")
    above, below = (await alice.call("comment.list", post_id=post))["items"]
    assert (above["deleted"], above["text"], below["id"]) == (True, None, reply)


@pytest.mark.parametrize("name", ["sexual", "graphic"])
async def test_minors_do_not_see_it_by_its_id_either(cluster: Cluster, person, moderator: Moderating, name: str):
    alice = await person("alice")
    child, _ = await register(cluster, birth_date=years_ago(14))
    post = (await alice.call("post.create", text="open"))["id"]
    file = await add_file(cluster, alice, "image")
    pictured = (await alice.call("post.create", text="a picture", media_ids=[file]))["id"]
    comment = (await alice.call("comment.create", post_id=pictured, text="see this"))["id"]
    about = {"post": {"post_id": post}, "comment": {"comment_id": comment}, "media": {"media_id": file}}
    targets = {"post": post, "comment": comment, "media": file}
    decisions = [await label(moderator, kind, target, name) for kind, target in targets.items()]
    for kind, arguments in about.items():
        assert (await child.refused(f"{kind}.get", **arguments)).code == "NOT_FOUND"
        assert (await alice.call(f"{kind}.get", **arguments))["labels"] == [name]
    assert (await child.refused("post.watch", post_id=post)).code == "NOT_FOUND"
    assert (await child.refused("comment.list", post_id=post)).code == "NOT_FOUND"
    assert (await child.refused("reaction.list", target_type="comment", target_id=comment)).code == "NOT_FOUND"
    assert await listed(child, pictured) == []
    assert (await child.call("post.get", post_id=pictured))["media"] == []
    for decision in decisions:
        await moderator.undo(decision)
    for kind, arguments in about.items():
        assert (await child.call(f"{kind}.get", **arguments))["labels"] == []


async def test_a_labelled_message_is_a_deleted_one_to_a_minor(cluster: Cluster, person, moderator: Moderating):
    alice = await person("alice")
    child, _ = await register(cluster, birth_date=years_ago(14))
    await child.call("graph.follow", user_id=alice.id)
    chat = (await alice.call("chat.open", user_ids=[child.id]))["chat"]["id"]
    await alice.call("chat.send", chat_id=chat, text="see this")
    await label(moderator, "message", chat, "graphic", seq=1)
    [shown] = (await child.call("chat.history", chat_id=chat))["items"]
    assert (shown["text"], shown["deleted"]) == ("", True)
    [own] = (await alice.call("chat.history", chat_id=chat))["items"]
    assert (own["text"], own["labels"]) == ("see this", ["graphic"])


async def test_a_labelled_room_is_left_by_minors_and_listed_as_each_viewer_wants(
    cluster: Cluster, person, moderator: Moderating
):
    async def listed(viewer) -> bool:
        return room in [each["id"] for each in (await viewer.call("room.list"))["items"]]

    async def found(viewer) -> bool:
        results = (await viewer.call("search.query", q=topic, kind="room"))["items"]
        return room in [each["room"]["id"] for each in results]

    alice, bob = await person("alice"), await person("bob", node="b")
    child, _ = await register(cluster, birth_date=years_ago(14))
    topic = cluster.unique("talk")
    room = (await alice.call("room.create", topic=topic))["id"]
    await alice.call("room.start", room_id=room)
    for each in (bob, child):
        await each.call("room.join", room_id=room)
    await cluster.settle(alice, bob, child)
    assert [await listed(child), await found(child), await found(bob)] == [True, True, True]
    bob.received.clear()
    decision = await label(moderator, "room", room, "sexual")
    assert (await bob.expect("room.updated"))["room"]["labels"] == ["sexual"]
    assert (await child.expect("room.removed"))["reason"] == "access"
    await cluster.settle(alice, bob, child)
    assert (await child.refused("room.join", room_id=room)).code == "NOT_FOUND"
    assert [await listed(child), await found(child)] == [False, False]
    assert [await listed(bob), await found(bob)] == [False, False]  # hidden unless asked for
    await bob.call("settings.update", labels={"sexual": "blur"})
    assert [await listed(bob), await found(bob), await listed(alice), await found(alice)] == [True, True, True, True]
    await moderator.undo(decision)
    await cluster.settle()
    assert (await child.call("room.join", room_id=room))["room"]["labels"] == []


async def test_row_policies_alone_keep_it_from_minors(cluster: Cluster, person, moderator: Moderating):
    alice = await person("alice")
    child, _ = await register(cluster, birth_date=years_ago(14))
    await child.call("post.create", text="my own")
    own = (await child.call("post.list", user_id=child.id))["items"][0]["id"]
    file = await add_file(cluster, alice, "image")
    post = (await alice.call("post.create", text="open"))["id"]
    pictured = (await alice.call("post.create", text="a picture", media_ids=[file]))["id"]
    comment = (await alice.call("comment.create", post_id=pictured, text="see this"))["id"]
    for kind, target in (("media", file), ("comment", comment), ("post", post), ("post", own)):
        await label(moderator, kind, target, "sexual")
    for viewer, sees in ((child, False), (await person("bob"), True)):
        connection = await cluster.as_app(viewer.id)
        for table, row in (("posts", post), ("comments", comment), ("media", file)):
            query = f"SELECT EXISTS (SELECT FROM {table} WHERE id = $1)"
            assert await connection.fetchval(query, int(row)) == sees, (table, sees)
        await connection.close()
    assert (await child.call("post.get", post_id=own))["labels"] == ["sexual"]
