"""Messages of chats: numbers, history, edits, deletions, reactions and replies."""

import asyncio

import pytest

from tests.cluster import Cluster
from tests.contract.test_chats import create_group, entry
from tests.people import Person


async def say(person: Person, chat_id: str, *texts: str) -> list[int]:
    return [(await person.call("chat.send", chat_id=chat_id, text=text))["seq"] for text in texts]


async def seqs(person: Person, chat_id: str, **place) -> list[int]:
    return [item["seq"] for item in (await person.call("chat.history", chat_id=chat_id, **place))["items"]]


@pytest.fixture
async def group(person):
    """Alice, Bob on another node, Carol, and the group of the three."""
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol", kind="python-json")
    return alice, bob, carol, await create_group(alice, bob, carol)


async def test_a_message_reaches_all_members_and_the_senders_other_devices(cluster: Cluster, group):
    alice, bob, carol, chat_id = group
    phone = await cluster.again(alice)
    sent = await alice.call("chat.send", chat_id=chat_id, text="صباح الخير")
    assert sent == {
        "chat_id": chat_id, "seq": 1, "sender_id": alice.id, "text": "صباح الخير", "media": [], "reply_to_seq": None,
        "created_at": sent["created_at"], "edited_at": None, "deleted": False, "labels": [],
    }  # fmt: skip
    for each in (bob, carol, phone):
        assert (await each.expect("chat.message"))["message"] == sent
    [shown] = (await carol.call("chat.history", chat_id=chat_id))["items"]
    assert shown == {**sent, "reactions": {}, "my_reaction": None, "standing": "visible"}
    assert (await entry(bob, chat_id))["last_message"] == shown


async def test_pushes_come_in_the_order_of_numbers(group):
    alice, bob, carol, chat_id = group
    await asyncio.gather(
        *(each.call("chat.send", chat_id=chat_id, text="x") for each in (alice, bob) for _ in range(20))
    )
    assert [(await carol.expect("chat.message"))["message"]["seq"] for _ in range(40)] == [*range(1, 41)]


async def test_history_has_random_access(group):
    alice, bob, _, chat_id = group
    await say(alice, chat_id, *map(str, range(1, 11)))
    assert await seqs(bob, chat_id) == [*range(1, 11)]
    assert await seqs(bob, chat_id, limit=3) == [8, 9, 10]
    assert await seqs(bob, chat_id, before_seq=8, limit=3) == [5, 6, 7]
    assert await seqs(bob, chat_id, before_seq=3, limit=3) == [1, 2]
    assert await seqs(bob, chat_id, before_seq=100, limit=3) == [8, 9, 10]
    assert await seqs(bob, chat_id, after_seq=0, limit=3) == [1, 2, 3]
    assert await seqs(bob, chat_id, after_seq=9, limit=3) == [10]
    assert await seqs(bob, chat_id, after_seq=10) == []
    assert await seqs(bob, chat_id, around_seq=5, limit=4) == [3, 4, 5, 6]
    assert await seqs(bob, chat_id, around_seq=1, limit=4) == [1, 2]
    page = await bob.call("chat.history", chat_id=chat_id, around_seq=5, limit=4)
    assert [page[name] for name in ("from_seq", "to_seq", "first_seq", "last_seq")] == [3, 6, 1, 10]


async def test_bad_input_is_refused_and_writes_nothing(group):
    alice, _, _, chat_id = group
    [seq] = await say(alice, chat_id, "hello")
    bad = [
        ("send", {"text": ""}, "text"),
        ("send", {"text": "x" * 2_001}, "text"),
        ("send", {"text": "x", "media_ids": ["1"]}, "media_ids[0]"),
        ("send", {"text": "x", "reply_to_seq": 0}, "reply_to_seq"),
        ("send", {"text": "x", "idempotency_key": ""}, "idempotency_key"),
        ("edit", {"seq": seq, "text": ""}, "text"),
        ("edit", {"seq": 2**31, "text": "x"}, "seq"),
        ("delete", {"seq": seq, "for": "him"}, "for"),
        ("react", {"seq": seq, "emoji": "x"}, "emoji"),
        ("mark", {}, "read_seq"),
        ("mark", {"read_seq": 0}, "read_seq"),
        ("history", {"limit": 101}, "limit"),
        ("history", {"before_seq": 1, "after_seq": 1}, "around_seq"),
        ("history", {"after_seq": -1}, "after_seq"),
        ("members", {"limit": 0}, "limit"),
        ("update", {"title": "x" * 101}, "title"),
        ("set_role", {"user_id": "1", "role": "king"}, "role"),
    ]
    for method, arguments, field in bad:
        failed = await alice.refused(f"chat.{method}", chat_id=chat_id, **arguments)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field]), method
    [item] = (await alice.call("chat.history", chat_id=chat_id))["items"]
    assert (item["text"], item["reactions"]) == ("hello", {})


# ------------------------------------------------------------------------------------------------ idempotency


async def test_a_key_sends_one_message(group):
    alice, bob, _, chat_id = group
    arguments = {"chat_id": chat_id, "text": "once", "idempotency_key": "k"}
    answers = await asyncio.gather(*(alice.call("chat.send", **arguments) for _ in range(5)))
    assert answers == [answers[0]] * 5
    other = await alice.refused("chat.send", chat_id=chat_id, text="twice", idempotency_key="k")
    assert (other.code, other.fields) == ("ALREADY_EXISTS", ["idempotency_key"])
    await bob.call("chat.send", **arguments)  # keys are each user's own
    assert await seqs(alice, chat_id) == [1, 2]


async def test_the_first_answer_survives_an_edit(group):
    alice, _, _, chat_id = group
    arguments = {"chat_id": chat_id, "text": "helo", "idempotency_key": "k"}
    first = await alice.call("chat.send", **arguments)
    await alice.call("chat.edit", chat_id=chat_id, seq=1, text="hello")
    assert await alice.call("chat.send", **arguments) == first


async def test_a_repetition_costs_no_limit(cluster: Cluster, person, node):
    name = await node(limit_chat_message="2/hour")
    alice, bob = await person("alice", node=name), await person("bob")
    chat_id = await create_group(alice, bob)
    for _ in range(3):
        await alice.call("chat.send", chat_id=chat_id, text="1", idempotency_key="1")
    await alice.call("chat.send", chat_id=chat_id, text="2", idempotency_key="2")
    for more in ({}, {"idempotency_key": "3"}):
        failed = await alice.refused("chat.send", chat_id=chat_id, text="3", **more)
        assert failed.code == "RESOURCE_EXHAUSTED"
        assert failed.error["retry_after_ms"] > 0
    await alice.call("chat.send", chat_id=chat_id, text="2", idempotency_key="2")
    assert await seqs(bob, chat_id) == [1, 2]


# ------------------------------------------------------------------------------------------------ changes


async def test_an_edit_keeps_the_earlier_texts(group):
    alice, bob, carol, chat_id = group
    await say(alice, chat_id, "helo")
    for text in ("helllo", "hello", "hello"):
        edited = await alice.call("chat.edit", chat_id=chat_id, seq=1, text=text)
    assert edited["text"] == "hello"
    assert edited["edited_at"] is not None
    assert [(await bob.expect("chat.edited"))["message"]["seq"] for _ in range(2)] == [1, 1]
    texts = (await carol.call("chat.edits", chat_id=chat_id, seq=1))["items"]
    assert [each["text"] for each in texts] == ["helo", "helllo", "hello"]
    assert (await bob.refused("chat.edit", chat_id=chat_id, seq=1, text="x")).code == "PERMISSION_DENIED"
    assert (await alice.refused("chat.edit", chat_id=chat_id, seq=2, text="x")).code == "NOT_FOUND"


async def test_windows_end(cluster: Cluster, person, node):
    name = await node(chat_edit_window=0, chat_delete_window=0)
    alice, bob = await person("alice", node=name), await person("bob")
    chat_id = await create_group(alice, bob)
    await say(alice, chat_id, "hello")
    assert (await alice.refused("chat.edit", chat_id=chat_id, seq=1, text="x")).code == "FAILED_PRECONDITION"
    late = await alice.refused("chat.delete", chat_id=chat_id, seq=1, **{"for": "everyone"})
    assert late.code == "FAILED_PRECONDITION"
    await alice.call("chat.edit", chat_id=chat_id, seq=1, text="hello")  # it has that text
    await alice.call("chat.delete", chat_id=chat_id, seq=1, **{"for": "me"})


async def test_a_deletion_for_everyone_leaves_an_empty_message(group):
    alice, bob, carol, chat_id = group
    await say(bob, chat_id, "secret", "other")
    await bob.call("chat.edit", chat_id=chat_id, seq=1, text="more secret")
    await carol.call("chat.react", chat_id=chat_id, seq=1, emoji="🔥")
    assert (
        await carol.refused("chat.delete", chat_id=chat_id, seq=1, **{"for": "everyone"})
    ).code == "PERMISSION_DENIED"
    await bob.call("chat.delete", chat_id=chat_id, seq=1, **{"for": "everyone"})
    assert (await carol.expect("chat.deleted"))["seq"] == 1
    first, _ = (await carol.call("chat.history", chat_id=chat_id))["items"]
    assert (first["text"], first["deleted"], first["reactions"]) == ("", True, {})
    assert (await entry(carol, chat_id))["unread"] == 1
    for method, arguments in {"edit": {"text": "x"}, "edits": {}, "react": {"emoji": "🔥"}}.items():
        assert (await bob.refused(f"chat.{method}", chat_id=chat_id, seq=1, **arguments)).code == "NOT_FOUND", method
    # The owner of the group deletes others' messages, too.
    await alice.call("chat.delete", chat_id=chat_id, seq=2, **{"for": "everyone"})
    assert (await entry(carol, chat_id))["unread"] == 0


async def test_a_deletion_for_me_is_on_all_my_devices(cluster: Cluster, group):
    alice, bob, _, chat_id = group
    phone = await cluster.again(alice)
    await say(bob, chat_id, "one", "two")
    await alice.call("chat.delete", chat_id=chat_id, seq=2, **{"for": "me"})
    assert (await phone.expect("chat.hidden"))["seq"] == 2
    assert await seqs(phone, chat_id) == [1]
    shown = await entry(phone, chat_id)
    assert (shown["last_message"]["seq"], shown["unread"]) == (1, 1)
    assert await seqs(bob, chat_id) == [1, 2]
    await cluster.settle(bob)
    assert not bob.heard("chat.hidden")


async def test_reactions_are_one_for_each_user(group):
    alice, bob, carol, chat_id = group
    await say(alice, chat_id, "hello")
    for each, emoji in ((bob, "🔥"), (carol, "🔥"), (alice, "❤️"), (bob, "❤️")):
        await each.call("chat.react", chat_id=chat_id, seq=1, emoji=emoji)
    [shown] = (await bob.call("chat.history", chat_id=chat_id))["items"]
    assert (shown["reactions"], shown["my_reaction"]) == ({"❤️": 2, "🔥": 1}, "❤️")
    assert (await carol.expect("chat.reacted", user_id=alice.id))["emoji"] == "❤️"
    await bob.call("chat.react", chat_id=chat_id, seq=1, emoji=None)
    await carol.expect("chat.reacted", user_id=bob.id, emoji=None)
    [shown] = (await bob.call("chat.history", chat_id=chat_id))["items"]
    assert (shown["reactions"], shown["my_reaction"]) == ({"❤️": 1, "🔥": 1}, None)


async def test_a_reply_names_a_message_that_the_sender_sees(group):
    alice, bob, _, chat_id = group
    await say(alice, chat_id, "question?", "oops")
    await alice.call("chat.delete", chat_id=chat_id, seq=2, **{"for": "everyone"})
    reply = await bob.call("chat.send", chat_id=chat_id, text="answer", reply_to_seq=1)
    assert reply["reply_to_seq"] == 1
    for seq in (2, 99):
        assert (await bob.refused("chat.send", chat_id=chat_id, text="x", reply_to_seq=seq)).code == "NOT_FOUND"
