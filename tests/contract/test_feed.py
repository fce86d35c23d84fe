"""The core of the product: a user posts, and followers get the post live."""

import pytest

from tests.cluster import KINDS, Cluster


@pytest.mark.parametrize("kind", KINDS)
async def test_a_post_appears_live_in_a_followers_feed_on_another_node(cluster: Cluster, person, kind):
    alice = await person("alice", node="a", kind="js-msgpack")
    bob = await person("bob", node="b", kind=kind)
    assert await bob.call("graph.follow", user_id=alice.id) == {"status": "active"}
    assert (await alice.expect("graph.followed"))["user"]["username"] == bob.name

    post = await alice.call("post.create", text="صباح الخير #مصر")
    added = await bob.expect("feed.added", post_id=post["id"])
    assert added["author_id"] == alice.id
    assert added["created_at"] == post["created_at"]

    for mode in ("ranked", "latest"):
        feed = await bob.own_feed(mode=mode)
        assert [(item["post"]["id"], item["reason"]) for item in feed] == [(post["id"], "follow")]


async def test_a_mention_by_a_stranger_is_in_the_ranked_feed_alone(cluster: Cluster, person):
    alice, bob, stranger = await person("alice"), await person("bob", node="b"), await person("stranger")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="صباح الخير")
    share = await alice.call("share.create", post_id=post["id"])
    of_stranger = [
        (await stranger.call("share.create", post_id=post["id"], text=f"@{bob.name}"))["id"],
        (await stranger.call("post.create", text=f"عروض @{bob.name}"))["id"],
    ]
    named = (await alice.call("post.create", text=f"مساء الخير @{bob.name}"))["id"]
    await bob.expect("feed.added", post_id=named)
    assert [item["post"]["id"] for item in await bob.own_feed(mode="latest")] == [named, share["id"]]
    assert await latest_pages(bob) == [[named], [share["id"]]]
    ranked = {item["post"]["id"]: item["reason"] for item in await bob.own_feed(mode="ranked")}
    assert ranked[of_stranger[1]] == "mention"
    await bob.call("graph.follow", user_id=stranger.id)
    await cluster.settle(bob)
    assert of_stranger[1] in {item["post"]["id"] for item in await bob.own_feed(mode="latest")}


async def latest_pages(reader) -> list[list[str]]:
    """The post ids of each page of one, without empty pages."""
    pages, cursor = [], None
    while True:
        page = await reader.call("feed.get", mode="latest", limit=1, cursor=cursor)
        if page["items"]:
            pages.append([item["post"]["id"] for item in page["items"]])
        if (cursor := page["next_cursor"]) is None:
            return pages
