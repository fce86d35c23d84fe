"""Notifications that a client missed are replayed as its user may see them then."""

import json

import pytest

from tests.cluster import Cluster
from tests.contract.test_recovery import back, online

pytestmark = pytest.mark.javascript


async def test_a_block_meanwhile_hides_an_actor_of_a_group(cluster: Cluster, person):
    """The push about the group was caused by another actor, whom the user does not hide."""
    phone, bob, carol = await online(cluster, "alice"), await person("bob"), await person("carol", node="b")
    laptop = await cluster.again(phone, node="b")
    post = await phone.call("post.create", text="hello")
    await phone.do("hold")
    await phone.happened("disconnect")
    for friend in (bob, carol):
        await friend.call("reaction.set", target_type="post", target_id=post["id"], kind="like")
        await cluster.settle()
    await laptop.call("graph.block", user_id=bob.id)
    await cluster.settle(laptop)
    assert (await back(cluster, phone))["recovered"]
    await cluster.settle(phone)
    replayed = phone.heard("notification.created")
    assert carol.id in json.dumps(replayed)
    assert bob.id not in json.dumps(replayed)
    assert bob.name not in json.dumps(replayed)
