"""Chats: opening, requests, groups with their roles, and the list that a device synchronises."""

import asyncio
import itertools

import pytest

from tests.cluster import Cluster
from tests.patience import WAIT_S
from tests.people import Person


async def befriend(*people: Person) -> None:
    """Let everybody follow everybody, so that chats among them need no request."""
    for one, other in itertools.permutations(people, 2):
        await one.call("graph.follow", user_id=other.id)


async def open_direct(one: Person, other: Person) -> str:
    return (await one.call("chat.open", user_ids=[other.id]))["chat"]["id"]


async def create_group(owner: Person, *others: Person) -> str:
    """Create a group whose members all follow each other."""
    await befriend(owner, *others)
    created = await owner.call("chat.create", title="العيلة", user_ids=[other.id for other in others])
    return created["chat"]["id"]


async def entry(person: Person, chat_id: str) -> dict:
    return await person.call("chat.get", chat_id=chat_id)


async def listed(person: Person, **arguments) -> list[str]:
    return [item["chat"]["id"] for item in (await person.call("chat.list", **arguments))["items"]]


async def roles(person: Person, chat_id: str) -> dict[str, str]:
    return {each["user"]["id"]: each["role"] for each in (await person.call("chat.members", chat_id=chat_id))["items"]}


async def quiet_version(person: Person) -> str:
    """Return a version after which nothing has changed.

    While an older transaction runs, the list repeats what committed since that transaction began.
    """
    version = (await person.call("chat.list"))["version"]
    async with asyncio.timeout(WAIT_S):
        while True:
            page = await person.call("chat.list", since_version=version)
            version = page["version"]
            if not page["items"]:
                return version


def transaction_of(version: str) -> int:
    return int(version.partition(".")[0])


# ------------------------------------------------------------------------------------------------ direct chats


async def test_two_users_have_one_direct_chat(person):
    alice, bob = await person("alice"), await person("bob", node="b")
    await befriend(alice, bob)
    opened = await asyncio.gather(*(open_direct(*pair) for pair in [(alice, bob), (bob, alice)] * 3))
    assert len({*opened}) == 1
    found = await entry(alice, opened[0])
    assert found["chat"]["kind"] == "direct"
    assert {user["id"] for user in found["chat"]["users"]} == {alice.id, bob.id}
    assert (found["state"], found["chat"]["member_count"], found["unread"]) == ("active", 2, 0)


async def test_the_other_user_hears_of_a_new_chat(person):
    alice, bob = await person("alice"), await person("bob", node="b")
    await befriend(alice, bob)
    chat_id = await open_direct(alice, bob)
    assert (await bob.expect("chat.membership_changed", chat_id=chat_id))["state"] == "active"
    assert (await bob.expect("chat.updated"))["chat"]["id"] == chat_id
    assert await listed(bob) == [chat_id]


async def test_nobody_opens_a_chat_with_themselves_or_with_nobody(person):
    alice = await person("alice")
    assert (await alice.refused("chat.open", user_ids=[alice.id])).fields == ["user_ids"]
    assert (await alice.refused("chat.open", user_ids=[])).fields == ["user_ids"]
    assert (await alice.refused("chat.open", user_ids=["1"])).code == "NOT_FOUND"
    assert (await alice.refused("chat.create", title=" ", user_ids=["1"])).fields == ["title"]
    assert (await alice.refused("chat.get", chat_id="1")).code == "NOT_FOUND"
    assert await listed(alice) == []


async def test_a_chat_is_hidden_from_others(person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve")
    await befriend(alice, bob)
    chat_id = await open_direct(alice, bob)
    await alice.call("chat.send", chat_id=chat_id, text="hello")
    calls = {
        "get": {}, "history": {}, "members": {}, "update": {"title": "x"}, "leave": {}, "accept": {}, "reject": {},
        "mute": {"muted": True}, "add": {"user_ids": [eve.id]}, "remove": {"user_id": bob.id},
        "set_role": {"user_id": bob.id, "role": "admin"}, "mark": {"read_seq": 1}, "send": {"text": "x"},
        "edit": {"seq": 1, "text": "x"}, "edits": {"seq": 1}, "delete": {"seq": 1, "for": "me"},
        "react": {"seq": 1, "emoji": "🔥"}, "read_by": {"seq": 1},
    }  # fmt: skip
    for method, arguments in calls.items():
        assert (await eve.refused(f"chat.{method}", chat_id=chat_id, **arguments)).code == "NOT_FOUND", method
    assert (await eve.refused("typing.start", chat_id=chat_id)).code == "NOT_FOUND"
    assert await listed(eve) == await listed(eve, since_version="0.0") == []


# ------------------------------------------------------------------------------------------------ requests


async def test_a_stranger_waits_for_acceptance(cluster: Cluster, person):
    alice, eve = await person("alice"), await person("eve", node="b")
    chat_id = await open_direct(eve, alice)
    assert (await alice.expect("chat.membership_changed", chat_id=chat_id))["state"] == "requested"
    for text in ("1", "2", "3"):
        await eve.call("chat.send", chat_id=chat_id, text=text)
    assert (await eve.refused("chat.send", chat_id=chat_id, text="4")).code == "FAILED_PRECONDITION"
    assert await listed(alice) == []
    assert await listed(alice, requests=True) == [chat_id]
    assert (await alice.refused("chat.send", chat_id=chat_id, text="hi")).code == "FAILED_PRECONDITION"
    texts = [item["text"] for item in (await alice.call("chat.history", chat_id=chat_id))["items"]]
    assert texts == ["1", "2", "3"]
    # No receipts, no typing, and no messages pushed.
    await alice.call("chat.mark", chat_id=chat_id, read_seq=3)
    assert (await alice.refused("typing.start", chat_id=chat_id)).code == "NOT_FOUND"
    await eve.call("typing.start", chat_id=chat_id)
    marks = {
        each["user"]["id"]: each["read_seq"] for each in (await eve.call("chat.members", chat_id=chat_id))["items"]
    }
    assert marks == {alice.id: None, eve.id: 0}
    await cluster.settle(alice, eve)
    assert not alice.heard("chat.message")
    assert not alice.heard("typing.changed")
    assert [push["user_id"] for push in eve.heard("chat.marked")] == []

    await alice.call("chat.accept", chat_id=chat_id)
    assert await listed(alice) == [chat_id]
    await eve.call("chat.send", chat_id=chat_id, text="4")
    assert (await alice.expect("chat.message"))["message"]["text"] == "4"
    await alice.call("chat.send", chat_id=chat_id, text="welcome")


async def test_a_rejected_request_is_gone_and_its_sender_is_not_told(cluster: Cluster, person):
    alice, eve = await person("alice"), await person("eve")
    chat_id = await open_direct(eve, alice)
    await eve.call("chat.send", chat_id=chat_id, text="hello?")
    await cluster.settle(eve)
    eve.received.clear()
    version, members = await quiet_version(eve), await eve.call("chat.members", chat_id=chat_id)
    await alice.call("chat.reject", chat_id=chat_id)
    assert (await alice.expect("chat.membership_changed", state="left"))["chat_id"] == chat_id
    assert (await alice.refused("chat.get", chat_id=chat_id)).code == "NOT_FOUND"
    assert await listed(alice, requests=True) == []
    assert await eve.call("chat.members", chat_id=chat_id) == members
    assert await listed(eve, since_version=version) == []
    await eve.call("chat.send", chat_id=chat_id, text="are you there?")
    await cluster.settle(alice, eve)
    assert {name for name, _ in eve.received} == {"chat.message"}
    assert not alice.heard("chat.message")
    # Alice writes first: the chat is open, without what she refused.
    assert await open_direct(alice, eve) == chat_id
    sent = await alice.call("chat.send", chat_id=chat_id, text="sorry")
    history = await alice.call("chat.history", chat_id=chat_id)
    assert [item["seq"] for item in history["items"]] == [sent["seq"]] == [3]


async def test_opening_a_chat_that_waits_accepts_it(person):
    alice, eve = await person("alice"), await person("eve")
    chat_id = await open_direct(eve, alice)
    opened = await alice.call("chat.open", user_ids=[eve.id])
    assert (opened["chat"]["id"], opened["state"]) == (chat_id, "active")


async def test_settings_refuse_strangers(person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve")
    await alice.call("settings.update", messages_from="followed")
    await alice.call("graph.follow", user_id=bob.id)
    assert (await eve.refused("chat.open", user_ids=[alice.id])).code == "PERMISSION_DENIED"
    assert (await eve.call("chat.create", title="x", user_ids=[alice.id]))["chat"]["member_count"] == 1
    assert await listed(alice, requests=True) == []
    assert (await bob.call("chat.open", user_ids=[alice.id]))["chat"]["member_count"] == 2
    await alice.call("settings.update", messages_from="nobody")
    assert (await eve.refused("chat.open", user_ids=[alice.id])).code == "PERMISSION_DENIED"
    await open_direct(bob, alice)  # it is open already


async def test_requests_are_limited(cluster: Cluster, person, node):
    name = await node(limit_chat_stranger="1/24 hour")
    eve, alice, bob = await person("eve", node=name), await person("alice"), await person("bob")
    await open_direct(eve, alice)
    assert (await eve.refused("chat.open", user_ids=[bob.id])).code == "RESOURCE_EXHAUSTED"
    assert await listed(bob, requests=True) == []
    await open_direct(eve, alice)  # it exists
    await bob.call("graph.follow", user_id=eve.id)
    await open_direct(eve, bob)  # no stranger any more


# ------------------------------------------------------------------------------------------------ groups


async def test_a_group_has_an_owner_and_members(person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    chat_id = await create_group(alice, bob, carol)
    found = await entry(bob, chat_id)
    assert found["chat"]["title"] == "العيلة"
    assert (found["role"], found["chat"]["member_count"], found["chat"]["users"]) == ("member", 3, [])
    assert await roles(carol, chat_id) == {alice.id: "owner", bob.id: "member", carol.id: "member"}
    await alice.call("chat.update", chat_id=chat_id, title="الشلة")
    assert (await bob.expect("chat.updated"))["chat"]["title"] in ("العيلة", "الشلة")
    assert (await entry(carol, chat_id))["chat"]["title"] == "الشلة"
    for method, arguments in {
        "update": {"title": "x"}, "add": {"user_ids": ["1"]}, "remove": {"user_id": carol.id},
        "set_role": {"user_id": carol.id, "role": "admin"},
    }.items():  # fmt: skip
        assert (await bob.refused(f"chat.{method}", chat_id=chat_id, **arguments)).code == "PERMISSION_DENIED", method


async def test_members_are_paged(person):
    people = [await person(f"user{number}") for number in range(5)]
    chat_id = await create_group(*people)
    found, cursor = [], None
    while True:
        page = await people[0].call("chat.members", chat_id=chat_id, limit=2, cursor=cursor)
        found += [item["user"]["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sorted((each.id for each in people), key=int)


async def test_strangers_are_added_as_requests(cluster: Cluster, person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve", node="b")
    chat_id = await create_group(alice, bob)
    added = await alice.call("chat.add", chat_id=chat_id, user_ids=[eve.id, bob.id, "1"])
    assert added == {"member_ids": [bob.id], "requested_ids": [eve.id]}
    await alice.call("chat.send", chat_id=chat_id, text="hello")
    await cluster.settle(eve)
    assert await listed(eve, requests=True) == [chat_id]
    assert not eve.heard("chat.message")
    assert (await eve.refused("chat.send", chat_id=chat_id, text="x")).code == "FAILED_PRECONDITION"
    await eve.call("chat.accept", chat_id=chat_id)
    await eve.call("chat.send", chat_id=chat_id, text="hello all")
    assert (await bob.expect("chat.message"))["message"]["text"] == "hello"
    assert (await bob.expect("chat.message"))["message"]["text"] == "hello all"
    assert (await entry(alice, chat_id))["chat"]["member_count"] == 3


async def test_a_removed_member_sees_nothing_more(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    chat_id = await create_group(alice, bob, carol)
    await alice.call("chat.send", chat_id=chat_id, text="before")
    version = await quiet_version(bob)
    await alice.call("chat.remove", chat_id=chat_id, user_id=bob.id)
    assert (await bob.expect("chat.membership_changed", state="left"))["chat_id"] == chat_id
    await cluster.settle(bob)
    bob.received.clear()
    await alice.call("chat.send", chat_id=chat_id, text="about bob")
    await cluster.settle(bob)
    assert not bob.received
    assert (await bob.refused("chat.history", chat_id=chat_id)).code == "NOT_FOUND"
    assert (await bob.refused("chat.send", chat_id=chat_id, text="x")).code == "NOT_FOUND"
    [gone] = (await bob.call("chat.list", since_version=version))["items"]
    assert (gone["chat"]["id"], gone["state"], gone["last_message"], gone["chat"]["title"]) == (
        chat_id,
        "left",
        None,
        "",
    )
    # Added again, he sees what follows.
    assert (await alice.call("chat.add", chat_id=chat_id, user_ids=[bob.id]))["member_ids"] == [bob.id]
    await alice.call("chat.send", chat_id=chat_id, text="welcome back")
    history = await bob.call("chat.history", chat_id=chat_id)
    assert ([item["text"] for item in history["items"]], history["first_seq"]) == (["welcome back"], 3)
    assert (await entry(bob, chat_id))["unread"] == 1


async def test_an_admin_removes_members_only(person):
    alice, bob, carol, dina = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    chat_id = await create_group(alice, bob, carol, dina)
    for admin in (bob, carol):
        await alice.call("chat.set_role", chat_id=chat_id, user_id=admin.id, role="admin")
    assert (await bob.refused("chat.remove", chat_id=chat_id, user_id=carol.id)).code == "PERMISSION_DENIED"
    assert (await bob.refused("chat.remove", chat_id=chat_id, user_id=alice.id)).code == "PERMISSION_DENIED"
    assert (
        await bob.refused("chat.set_role", chat_id=chat_id, user_id=dina.id, role="admin")
    ).code == "PERMISSION_DENIED"
    await bob.call("chat.remove", chat_id=chat_id, user_id=dina.id)
    await alice.call("chat.set_role", chat_id=chat_id, user_id=carol.id, role="owner")
    assert await roles(bob, chat_id) == {alice.id: "admin", bob.id: "admin", carol.id: "owner"}


async def test_the_group_of_an_owner_who_leaves_gets_the_oldest_admin(person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    chat_id = await create_group(alice, bob, carol)
    await alice.call("chat.set_role", chat_id=chat_id, user_id=carol.id, role="admin")
    await alice.call("chat.leave", chat_id=chat_id)
    assert await roles(bob, chat_id) == {bob.id: "member", carol.id: "owner"}
    assert (await carol.expect("chat.membership_changed", role="owner"))["chat_id"] == chat_id
    await carol.call("chat.leave", chat_id=chat_id)
    assert await roles(bob, chat_id) == {bob.id: "owner"}
    await bob.call("chat.leave", chat_id=chat_id)
    assert await listed(bob) == []


async def test_a_direct_chat_is_no_group(person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    await befriend(alice, bob)
    chat_id = await open_direct(alice, bob)
    for method, arguments in {
        "update": {"title": "x"}, "add": {"user_ids": [carol.id]}, "remove": {"user_id": bob.id}, "leave": {},
        "set_role": {"user_id": bob.id, "role": "admin"},
    }.items():  # fmt: skip
        assert (await alice.refused(f"chat.{method}", chat_id=chat_id, **arguments)).code == "FAILED_PRECONDITION", (
            method
        )


# ------------------------------------------------------------------------------------------------ the list


async def test_the_list_has_the_newest_message_first(person):
    alice, bob = await person("alice"), await person("bob")
    chats = [await create_group(alice, bob) for _ in range(5)]
    await bob.call("chat.send", chat_id=chats[1], text="hello")
    order = [chats[1], chats[4], chats[3], chats[2], chats[0]]
    assert await listed(alice) == order
    first = await alice.call("chat.list", limit=3)
    second = await alice.call("chat.list", limit=3, cursor=first["next_cursor"])
    assert [item["chat"]["id"] for page in (first, second) for item in page["items"]] == order
    assert second["next_cursor"] is None
    newest = first["items"][0]
    assert (newest["last_message"]["text"], newest["unread"]) == ("hello", 1)
    assert (await alice.refused("chat.list", cursor=first["next_cursor"], requests=True)).fields == ["cursor"]


async def test_the_list_since_a_version_has_what_changed(person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    quiet, sent, muted, read, edited, titled, left = [await create_group(alice, bob, carol) for _ in range(7)]
    for chat_id in (read, edited):
        await bob.call("chat.send", chat_id=chat_id, text="hello")
    version = await quiet_version(alice)
    await bob.call("chat.send", chat_id=sent, text="hello")
    await alice.call("chat.mute", chat_id=muted, muted=True)
    await alice.call("chat.mark", chat_id=read, read_seq=1)
    await bob.call("chat.edit", chat_id=edited, seq=1, text="hello again")
    await alice.call("chat.update", chat_id=titled, title="new")
    await alice.call("chat.leave", chat_id=left)
    changed = await alice.call("chat.list", since_version=version)
    assert {item["chat"]["id"] for item in changed["items"]} == {sent, muted, read, edited, titled, left}
    assert quiet not in {item["chat"]["id"] for item in changed["items"]}
    assert transaction_of(await quiet_version(alice)) >= transaction_of(changed["version"])


async def test_the_list_tells_nobody_when_others_write_in_a_chat_that_they_left(person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    left = await create_group(alice, bob, carol)
    await alice.call("chat.leave", chat_id=left)
    before = await alice.call("chat.list", since_version="0.0", limit=1)
    await bob.call("chat.send", chat_id=left, text="she has left")
    after = await alice.call("chat.list", since_version="0.0", limit=1)
    assert before["items"] == after["items"] != []
    assert before["next_cursor"] == after["next_cursor"]


async def test_a_version_of_the_future_is_as_none(person):
    alice, bob = await person("alice"), await person("bob")
    chat_id = await create_group(alice, bob)
    assert await listed(alice, since_version=f"{2**62}.0") == [chat_id]
    assert (await alice.refused("chat.list", since_version="-1")).fields == ["since_version"]
    assert (await alice.refused("chat.list", since_version="9" * 20 + ".0")).fields == ["since_version"]


async def test_a_mute_reaches_the_other_devices(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    phone = await cluster.again(alice)
    chat_id = await create_group(alice, bob)
    await alice.call("chat.mute", chat_id=chat_id, muted=True)
    while (await phone.expect("chat.membership_changed"))["muted_until"] is None:
        pass
    assert (await entry(alice, chat_id))["muted_until"] is not None
    await alice.call("chat.mute", chat_id=chat_id, muted=False)
    await phone.expect("chat.membership_changed", muted_until=None)
    assert (await entry(alice, chat_id))["muted_until"] is None
    past = await alice.refused("chat.mute", chat_id=chat_id, muted=True, until="2020-01-01T00:00:00Z")
    assert past.fields == ["until"]


@pytest.mark.parametrize("method", ["chat.open", "chat.create"])
async def test_a_key_creates_one_group(person, method):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    arguments = {"user_ids": [bob.id, carol.id], "idempotency_key": "k"}
    if method == "chat.create":
        arguments["title"] = "x"
    first, second = await alice.call(method, **arguments), await alice.call(method, **arguments)
    assert first == second
    assert len(await listed(alice)) == 1
