"""Members who reconnect get the messages that they missed, except of chats that they no longer see."""

import pytest

from tests.cluster import Cluster
from tests.contract.test_chat_messages import say
from tests.contract.test_chats import befriend, create_group, open_direct
from tests.contract.test_recovery import away, back, online

pytestmark = pytest.mark.javascript


async def test_missed_messages_are_replayed(cluster: Cluster, person):
    bob, alice = await person("bob"), await online(cluster)
    chat_id = await create_group(bob, alice)
    await cluster.settle(alice)
    await away(cluster, alice)
    await say(bob, chat_id, "1", "2", "3")
    await cluster.settle()
    assert (await back(cluster, alice, node="b"))["recovered"] is True
    assert [(await alice.expect("chat.message"))["message"]["text"] for _ in range(3)] == ["1", "2", "3"]


async def test_a_member_who_was_removed_meanwhile_gets_no_message(cluster: Cluster, person):
    bob, alice = await person("bob"), await online(cluster)
    chat_id = await create_group(bob, alice)
    await cluster.settle(alice)
    await away(cluster, alice)
    await say(bob, chat_id, "before")
    await bob.call("chat.remove", chat_id=chat_id, user_id=alice.id)
    await cluster.settle()
    assert (await back(cluster, alice, node="b"))["recovered"] is True
    assert (await alice.expect("chat.membership_changed", state="left"))["chat_id"] == chat_id
    await cluster.settle(alice)
    assert not alice.heard("chat.message")


async def test_a_block_meanwhile_keeps_messages_of_a_direct_chat_away(cluster: Cluster, person):
    bob, alice = await person("bob"), await online(cluster)
    phone = await cluster.again(alice)
    await befriend(alice, bob)
    chat_id = await open_direct(alice, bob)
    await cluster.settle(alice)
    await alice.do("hold")
    await alice.happened("disconnect")
    await say(bob, chat_id, "before")
    await phone.call("graph.block", user_id=bob.id)
    await cluster.settle()
    assert (await back(cluster, alice, node="b"))["recovered"] is True
    await cluster.settle(alice)
    assert not alice.heard("chat.message")
