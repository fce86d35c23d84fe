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
