"""What members have received and read: marks, receipts, unread messages, typing."""

import asyncio

import pytest

from tests.cluster import Cluster
from tests.contract.test_chat_messages import say
from tests.contract.test_chats import create_group, entry


@pytest.fixture
async def pair(person):
    alice, bob = await person("alice"), await person("bob", node="b")
    return alice, bob, await create_group(alice, bob)


async def test_a_mark_never_goes_back_nor_ahead(pair):
    alice, bob, chat_id = pair
    await say(alice, chat_id, *"12345")
    steps = [
        ({"received_seq": 2}, (2, 0, 5)),
        ({"read_seq": 3}, (3, 3, 2)),
        ({"received_seq": 1, "read_seq": 2}, (3, 3, 2)),
        ({"received_seq": 99}, (5, 3, 2)),
        ({"read_seq": 99}, (5, 5, 0)),
    ]
    for arguments, expected in steps:
        marks = await bob.call("chat.mark", chat_id=chat_id, **arguments)
        assert (marks["received_seq"], marks["read_seq"], marks["unread"]) == expected
    shown = await entry(bob, chat_id)
    assert (shown["received_seq"], shown["read_seq"], shown["unread"]) == (5, 5, 0)


async def test_marks_reach_the_members_and_the_own_devices(cluster: Cluster, pair):
    alice, bob, chat_id = pair
    phone = await cluster.again(bob)
    await say(alice, chat_id, "hello")
    await bob.call("chat.mark", chat_id=chat_id, read_seq=1)
    for each in (alice, phone):
        push = await each.expect("chat.marked", user_id=bob.id, read_seq=1)
        assert (push["chat_id"], push["received_seq"]) == (chat_id, 1)
    members = (await alice.call("chat.members", chat_id=chat_id))["items"]
    assert {each["user"]["id"]: each["read_seq"] for each in members} == {alice.id: 0, bob.id: 1}


async def test_devices_that_mark_at_once_agree(cluster: Cluster, pair):
    alice, bob, chat_id = pair
    phone = await cluster.again(bob)
    await say(alice, chat_id, *map(str, range(20)))
    await asyncio.gather(
        *(each.call("chat.mark", chat_id=chat_id, read_seq=seq) for each in (bob, phone) for seq in range(1, 21))
    )
    assert (await entry(bob, chat_id))["read_seq"] == 20
    pushed = [push["read_seq"] for push in alice.heard("chat.marked")]
    assert pushed == sorted(pushed)


async def test_when_a_message_was_read(pair):
    alice, bob, chat_id = pair
    await say(alice, chat_id, "1", "2", "3")
    assert (await alice.call("chat.read_by", chat_id=chat_id, seq=1))["items"] == []
    await bob.call("chat.mark", chat_id=chat_id, read_seq=1)
    await bob.call("chat.mark", chat_id=chat_id, read_seq=3)
    first, second, third = [(await alice.call("chat.read_by", chat_id=chat_id, seq=seq))["items"] for seq in (1, 2, 3)]
    assert [item["user_id"] for item in first] == [bob.id]
    assert first[0]["read_at"] <= second[0]["read_at"] == third[0]["read_at"]
    assert (await alice.refused("chat.read_by", chat_id=chat_id, seq=4)).code == "NOT_FOUND"


async def test_unread_messages_are_those_of_others(pair):
    alice, bob, chat_id = pair
    await say(alice, chat_id, "1", "2")
    await say(bob, chat_id, "3")
    await say(alice, chat_id, "4")
    assert (await entry(bob, chat_id))["unread"] == 3
    assert (await entry(alice, chat_id))["unread"] == 1


async def test_typing_reaches_the_other_members(cluster: Cluster, person, pair):
    alice, bob, chat_id = pair
    await alice.call("typing.start", chat_id=chat_id)
    push = await bob.expect("typing.changed")
    assert (push["chat_id"], push["user_id"], push["typing"]) == (chat_id, alice.id, True)
    await alice.call("typing.stop", chat_id=chat_id)
    await bob.expect("typing.changed", typing=False)
    await cluster.settle(alice)
    assert not alice.heard("typing.changed")
    assert (await alice.refused("typing.start", chat_id=chat_id, post_id="1")).code == "INVALID_ARGUMENT"


async def join_crowd(cluster: Cluster, chat_id: str, amount: int) -> None:
    """Add so many users to the chat, who never connect."""
    owner, first = await cluster.owner(), cluster.stores.ids.mint()
    await owner.execute(
        """INSERT INTO users (id, username, username_key)
        SELECT $1::bigint + n, $1 + n, $1 + n FROM generate_series(1, $2) n""",
        first, amount,
    )  # fmt: skip
    await owner.execute(
        """INSERT INTO chat_members (chat_id, user_id, state)
        SELECT $1, $2::bigint + n, 'active' FROM generate_series(1, $3) n""",
        int(chat_id), first, amount,
    )  # fmt: skip
    await owner.close()


async def test_nobody_is_told_of_typing_in_a_large_chat(cluster: Cluster, pair):
    alice, bob, chat_id = pair
    await join_crowd(cluster, chat_id, 198)
    await alice.call("typing.start", chat_id=chat_id)
    await bob.expect("typing.changed", typing=True)
    await join_crowd(cluster, chat_id, 1)
    await bob.call("typing.start", chat_id=chat_id)
    await cluster.settle(alice)
    assert not alice.heard("typing.changed")


async def test_nobody_is_told_of_marks_in_a_large_chat(cluster: Cluster, pair):
    alice, bob, chat_id = pair
    phone = await cluster.again(bob)
    await join_crowd(cluster, chat_id, 299)
    await say(alice, chat_id, "hello")
    await bob.call("chat.mark", chat_id=chat_id, read_seq=1)
    await phone.expect("chat.marked", read_seq=1)
    await cluster.settle(alice)
    assert not alice.heard("chat.marked")
    assert (await alice.refused("chat.read_by", chat_id=chat_id, seq=1)).code == "FAILED_PRECONDITION"
    members = (await alice.call("chat.members", chat_id=chat_id, limit=100))["items"]
    assert {each["read_seq"] for each in members if each["user"]["id"] != alice.id} == {None}
    assert (await entry(bob, chat_id))["unread"] == 0
