"""Nothing of a blocked user reaches the blocker in a chat, nor the other way round: by no call and by no push."""

import pytest

from tests.cluster import Cluster
from tests.contract.test_chat_messages import say, seqs
from tests.contract.test_chats import befriend, create_group, entry, listed, open_direct, quiet_version


@pytest.mark.parametrize("blocker", [0, 1])
async def test_a_block_hides_the_direct_chat_from_both(cluster: Cluster, person, blocker):
    pair = await person("alice"), await person("bob", node="b")
    await befriend(*pair)
    chat_id = await open_direct(*pair)
    for each in pair:
        await say(each, chat_id, "hello")
    versions = [await quiet_version(each) for each in pair]
    await cluster.settle(*pair)
    one, other = pair[blocker], pair[1 - blocker]
    await one.call("graph.block", user_id=other.id)
    for each, version in zip(pair, versions, strict=True):
        for method, arguments in {
            "get": {}, "history": {}, "members": {}, "send": {"text": "x"}, "mark": {"read_seq": 1},
            "react": {"seq": 1, "emoji": "🔥"}, "edit": {"seq": 1, "text": "x"},
            "delete": {"seq": 1, "for": "everyone"},
        }.items():  # fmt: skip
            assert (await each.refused(f"chat.{method}", chat_id=chat_id, **arguments)).code == "NOT_FOUND", method
        assert (await each.refused("typing.start", chat_id=chat_id)).code == "NOT_FOUND"
        assert await listed(each) == []
        [gone] = (await each.call("chat.list", since_version=version))["items"]
        assert (gone["state"], gone["last_message"], gone["unread"], gone["chat"]["users"]) == ("left", None, 0, [])
    assert (await other.refused("chat.open", user_ids=[one.id])).code == "NOT_FOUND"
    assert (await one.refused("chat.open", user_ids=[other.id])).code == "FAILED_PRECONDITION"
    await one.call("graph.unblock", user_id=other.id)
    assert await seqs(other, chat_id) == [1, 2]
    assert await listed(one) == [chat_id]


@pytest.mark.parametrize("blocker", [0, 1])
async def test_a_block_hides_acts_in_a_group_both_ways(cluster: Cluster, person, blocker):
    pair = await person("alice"), await person("bob", node="b")
    carol = await person("carol")
    chat_id = await create_group(carol, *pair)
    one, other = pair[blocker], pair[1 - blocker]
    await say(other, chat_id, "before")
    await say(carol, chat_id, "carol's")
    await other.call("chat.react", chat_id=chat_id, seq=2, emoji="🔥")
    await one.call("graph.block", user_id=other.id)
    await cluster.settle(*pair)
    for each in pair:
        each.received.clear()
    await say(other, chat_id, "after")
    await other.call("chat.react", chat_id=chat_id, seq=2, emoji="❤️")
    await carol.call("chat.react", chat_id=chat_id, seq=3, emoji="❤️")
    await other.call("chat.mark", chat_id=chat_id, read_seq=3)
    await other.call("chat.edit", chat_id=chat_id, seq=1, text="edited")
    await other.call("typing.start", chat_id=chat_id)
    await other.call("chat.delete", chat_id=chat_id, seq=3, **{"for": "everyone"})
    await cluster.settle(*pair, carol)
    assert not one.received
    history = (await one.call("chat.history", chat_id=chat_id))["items"]
    assert [(item["seq"], item["reactions"]) for item in history] == [(2, {})]
    shown = await entry(one, chat_id)
    assert (shown["last_message"]["seq"], shown["unread"]) == (2, 1)
    marks = {
        each["user"]["id"]: each["read_seq"] for each in (await one.call("chat.members", chat_id=chat_id))["items"]
    }
    assert marks.get(other.id) is None
    for method, arguments in {"react": {"emoji": "🔥"}, "edits": {}, "delete": {"for": "me"}, "read_by": {}}.items():
        assert (await one.refused(f"chat.{method}", chat_id=chat_id, seq=1, **arguments)).code == "NOT_FOUND", method
    assert (await one.refused("chat.send", chat_id=chat_id, text="x", reply_to_seq=1)).code == "NOT_FOUND"
    await other.call("chat.mark", chat_id=chat_id, read_seq=3)
    readers = (await one.call("chat.read_by", chat_id=chat_id, seq=2))["items"]
    assert other.id not in [each["user_id"] for each in readers]
    # The others see everything.
    assert await seqs(carol, chat_id) == [1, 2, 3]
    assert {push["message"]["seq"] for push in carol.heard("chat.message")} == {1, 2, 3}


async def test_a_user_with_a_block_is_not_added(person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve")
    await bob.call("graph.block", user_id=alice.id)
    await alice.call("graph.block", user_id=eve.id)
    created = await alice.call("chat.create", title="x", user_ids=[bob.id, eve.id])
    assert created["chat"]["member_count"] == 1
    for each in (bob, eve):
        assert await listed(each) == await listed(each, requests=True) == []


async def test_muted_users_messages_are_not_pushed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    chat_id = await create_group(alice, bob)
    await alice.call("graph.mute", user_id=bob.id, kind="all")
    await cluster.settle(alice)
    alice.received.clear()
    await say(bob, chat_id, "hello")
    await cluster.settle(alice)
    assert not alice.received
    assert (await entry(alice, chat_id))["unread"] == 0
