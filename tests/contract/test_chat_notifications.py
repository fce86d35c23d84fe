"""Chats: devices are told of messages that stay unread, and requests are notifications."""

import datetime

import pytest

from senders.sender import Accepted, Retry
from tests.cluster import Cluster
from tests.contract.test_notifications import listed, notified
from tests.courier import HOUR, MINUTE, SECOND, Courier, gone
from tests.media_files import add_file
from tests.people import Person


async def open_chat(cluster: Cluster, one: Person, other: Person) -> str:
    """Open a direct chat of two users who follow each other; return its id."""
    await one.call("graph.follow", user_id=other.id)
    await other.call("graph.follow", user_id=one.id)
    chat: str = (await one.call("chat.open", user_ids=[other.id]))["chat"]["id"]
    await cluster.settle()
    return chat


async def send(cluster: Cluster, sender: Person, chat_id: str, *texts: str) -> int:
    """Send messages; return the number of the last."""
    for text in texts:
        seq: int = (await sender.call("chat.send", chat_id=chat_id, text=text))["seq"]
    await cluster.settle()
    return seq


async def test_messages_that_stay_unread_are_pushed_once(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone, own = await courier.register(alice), await courier.register(bob)
    chat_id = await open_chat(cluster, alice, bob)
    await gone(cluster, alice)
    await courier.empty()
    await send(cluster, bob, chat_id, "صباح الخير", "صباح النور")
    await courier.later(30 * SECOND)
    assert courier.pushed(phone) == []
    await courier.later(20 * SECOND)
    [message] = courier.pushed(phone)
    assert bob.name in message.title
    assert message.body == "صباح النور"
    assert message.collapse_key == f"chat:{chat_id}"
    assert (message.data["target_type"], message.data["target_id"]) == ("chat", chat_id)
    await courier.later(HOUR)
    await send(cluster, bob, chat_id, "أين أنتِ؟")
    await courier.later(MINUTE)
    assert [each.body for each in courier.pushed(phone)] == ["صباح النور", "أين أنتِ؟"]
    assert courier.pushed(own) == []
    assert "chat_message" not in [each["kind"] for each in await listed(await cluster.again(alice))]


async def test_a_message_without_a_text_is_pushed_as_what_its_files_are(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    await gone(cluster, alice)
    await courier.empty()
    files = [await add_file(cluster, bob) for _ in range(2)]
    await bob.call("chat.send", chat_id=chat_id, text="", media_ids=files)
    await cluster.settle()
    await courier.later(MINUTE)
    assert [each.body for each in courier.pushed(phone)] == ["2 pictures"]


async def test_a_member_who_reads_meanwhile_gets_no_push(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    seq = await send(cluster, bob, chat_id, "hello")
    await alice.call("chat.mark", chat_id=chat_id, read_seq=seq)
    await courier.later(MINUTE)
    assert [each for each in courier.pushed(phone) if each.data["kind"] == "chat_message"] == []


async def test_reading_a_chat_dismisses_its_push_once(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    await alice.call("notification.mark_seen", up_to_id=(await notified(alice, kind="follow"))["id"])
    seq = await send(cluster, bob, chat_id, "hello")
    await courier.later(MINUTE)
    [message] = courier.pushed(phone)
    await alice.call("chat.mark", chat_id=chat_id, received_seq=seq)
    await cluster.settle()
    await courier.later(MINUTE)
    assert courier.dismissed(phone) == []
    for _ in range(2):
        await alice.call("chat.mark", chat_id=chat_id, read_seq=seq)
        await cluster.settle()
        await courier.later(MINUTE)
    assert courier.dismissed(phone) == [message.data["notification_ids"]]


@pytest.mark.parametrize(
    "why", ["mutes the chat", "mutes it later", "mutes the sender", "blocks the sender", "turned off", "deleted"]
)
async def test_why_a_message_is_not_pushed(cluster: Cluster, person, courier: Courier, why):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    phone = await courier.register(alice)
    for friend in (bob, carol):
        await open_chat(cluster, alice, friend)
    group = (await alice.call("chat.create", title="friends", user_ids=[bob.id, carol.id]))["chat"]["id"]
    await cluster.settle()
    await courier.empty()
    if why == "mutes the chat":
        until = datetime.datetime.now(datetime.UTC) + HOUR
        await alice.call("chat.mute", chat_id=group, muted=True, until=until.isoformat())
    seq = await send(cluster, bob, group, "hello")
    match why:
        case "mutes it later":
            await alice.call("chat.mute", chat_id=group, muted=True)
        case "mutes the sender":
            await alice.call("graph.mute", user_id=bob.id)
        case "blocks the sender":
            await alice.call("graph.block", user_id=bob.id)
        case "turned off":
            await alice.call("notification.set_preferences", channels={"chat_message": {"push": False}})
        case "deleted":
            await bob.call("chat.delete", chat_id=group, seq=seq, **{"for": "everyone"})
    await courier.later(MINUTE)
    assert courier.pushed(phone) == []


async def test_messages_of_a_muted_user_in_a_direct_chat_are_not_pushed(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    await courier.later(MINUTE)
    await alice.call("graph.mute", user_id=bob.id)
    await courier.empty()
    await send(cluster, bob, chat_id, "hello")
    await courier.later(MINUTE)
    assert courier.pushed(phone) == []
    assert (await alice.call("chat.get", chat_id=chat_id))["unread"] == 1


async def test_a_request_is_a_notification_and_no_message(cluster: Cluster, person, courier: Courier):
    alice, stranger = await person("alice"), await person("stranger")
    phone = await courier.register(alice)
    chat_id = (await stranger.call("chat.open", user_ids=[alice.id]))["chat"]["id"]
    await cluster.settle(alice)
    assert alice.heard("notification.created") == []
    await send(cluster, stranger, chat_id, "hello", "are you there?")
    told = await notified(alice, kind="chat_request")
    assert told["target"] == {"type": "chat", "id": chat_id}
    await cluster.settle(alice)
    assert alice.heard("notification.created") == []
    await courier.later(MINUTE)
    assert [each.data["kind"] for each in courier.pushed(phone)] == ["chat_request"]
    await alice.call("graph.block", user_id=stranger.id)
    assert await listed(alice) == []


async def test_a_replay_of_messages_pushes_nothing_again(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    await send(cluster, bob, chat_id, "one", "two")
    await courier.later(MINUTE)
    await send(cluster, bob, chat_id, "three")
    await courier.later(MINUTE)
    before = len(courier.phone.sent)
    owner = await cluster.owner()
    replayed = await owner.execute("UPDATE outbox SET sent_batch = NULL, sent_at = NULL WHERE key = $1", chat_id)
    await owner.close()
    assert replayed != "UPDATE 0"
    await cluster.settle()
    await courier.later(HOUR)
    assert len(courier.phone.sent) == before > 0
    assert phone in {token for token, _ in courier.phone.sent}


async def test_a_message_that_comes_while_a_push_is_sent_is_not_lost(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    chat_id = await open_chat(cluster, alice, bob)
    await courier.empty()
    await send(cluster, bob, chat_id, "one")
    courier.phone.meanwhile = lambda: send(cluster, bob, chat_id, "two")
    await courier.later(MINUTE)
    assert [each.body for each in courier.pushed(phone)] == ["one"]
    await courier.later(MINUTE)
    assert [each.body for each in courier.pushed(phone)] == ["one", "two"]


async def test_a_device_is_told_of_messages_that_came_while_another_was_tried_again(
    cluster: Cluster, person, courier: Courier
):
    alice, bob = await person("alice"), await person("bob")
    chat_id = await open_chat(cluster, alice, bob)
    second = await cluster.again(alice)
    phone, other = await courier.register(alice), f"second-{alice.id}"
    await second.call("push.register", kind="fcm", token=other)
    await courier.empty()
    courier.phone.outcomes = [Accepted(), Retry(30, "busy")]
    await send(cluster, bob, chat_id, "one")
    await courier.later(46 * SECOND)
    await send(cluster, bob, chat_id, "two")
    await courier.later(31 * SECOND)
    assert [[each.body for each in courier.pushed(token)] for token in (phone, other)] == [["one"], ["one", "two"]]
    await courier.later(46 * SECOND)
    assert [each.body for each in courier.pushed(phone)] == ["one", "two"]
    await courier.later(HOUR)
    assert [each.body for each in courier.pushed(phone)] == ["one", "two"]
