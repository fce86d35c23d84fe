"""Deliveries of notifications to devices: what is sent, when, and why not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from senders.sender import Accepted, DeadToken, Rejected, Retry
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_notifications import listed, notified
from tests.courier import HOUR, MINUTE, SECOND, Courier, gone
from tests.faults import soon
from tests.media_files import add_file
from tests.people import Person
from workers import deliveries
from workers.deliveries import MOST_ATTEMPTS, deliver_due


class Died(BaseException):
    """The end of a worker."""


async def mention(cluster: Cluster, actor: Person, person: Person, text: str = "") -> None:
    await actor.call("post.create", text=f"@{person.name} {text}")
    await cluster.settle()


async def why(person: Person, channel: str) -> list[str]:
    """The decisions about the newest notification on that channel."""
    newest = (await listed(person))[0]
    decisions = (await person.call("notification.why", id=newest["id"]))["decisions"]
    return [f"{each['decision']}: {each['reason']}" for each in decisions if each["channel"] == channel]


async def test_an_online_user_who_looks_gets_a_socket_push_and_nothing_else(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone, address = await courier.register(alice), await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"mention": {"email": True}})
    await mention(cluster, bob, alice)
    told = await notified(alice, kind="mention")
    assert await why(alice, "push") == ["scheduled: in 45 s if it is unseen then"]
    await alice.call("notification.mark_seen", up_to_id=told["id"])
    await courier.later(2 * HOUR)
    assert courier.pushed(phone) == courier.mailed(address) == []
    assert await why(alice, "socket") == ["sent: online"]
    assert (await why(alice, "push"))[-1] == "dropped: seen"
    assert (await why(alice, "email"))[-1] == "dropped: seen"


async def test_an_offline_user_gets_one_push_for_all_that_is_due(cluster: Cluster, person, courier: Courier):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    phone = await courier.register(alice)
    await gone(cluster, alice)
    await mention(cluster, bob, alice)
    await mention(cluster, carol, alice)
    await courier.later(30 * SECOND)
    assert courier.pushed(phone) == []
    await courier.later(16 * SECOND)
    [message] = courier.pushed(phone)
    assert message.title == "2 new notifications"
    assert bob.name in message.body
    assert carol.name in message.body
    await courier.later(2 * HOUR)
    assert len(courier.pushed(phone)) == 1
    alice = await cluster.again(alice)
    assert await why(alice, "push") == ["scheduled: in 45 s if it is unseen then", "sent: to 1 of 1 devices"]
    assert set(message.data["notification_ids"].split(",")) == {each["id"] for each in await listed(alice)}


async def test_a_group_gets_one_push_with_all_its_actors(cluster: Cluster, person, courier: Courier):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    phone = await courier.register(alice)
    for actor in (bob, carol):
        await actor.call("graph.follow", user_id=alice.id)
    await cluster.settle()
    await courier.later(46 * SECOND)
    [message] = courier.pushed(phone)
    assert bob.name in message.title
    assert carol.name in message.title
    assert (message.data["kind"], message.data["target_id"]) == ("follow", alice.id)


async def test_an_unseen_notification_goes_by_email_if_the_user_wants_it(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    address = await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"mention": {"email": True}})
    await gone(cluster, alice)
    await mention(cluster, bob, alice, "صباح الخير")
    await courier.later(58 * MINUTE)
    assert courier.mailed(address) == []
    await courier.later(3 * MINUTE)
    [message] = courier.mailed(address)
    assert bob.name in message.title
    assert "صباح الخير" in message.body


async def test_a_comment_without_a_text_goes_as_what_its_file_is(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone, address = await courier.register(alice), await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"comment": {"email": True}})
    post = await alice.call("post.create", text="x")
    await gone(cluster, alice)
    file = await add_file(cluster, bob)
    await bob.call("comment.create", post_id=post["id"], text="", media_ids=[file])
    await cluster.settle()
    await courier.later(2 * HOUR)
    for message in (*courier.pushed(phone), *courier.mailed(address)):
        assert (bob.name in message.title, message.body) == (True, "Picture")
    assert len(courier.pushed(phone)) == len(courier.mailed(address)) == 1


async def test_an_online_user_gets_no_email(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    address = await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"mention": {"email": True}})
    await mention(cluster, bob, alice)
    await courier.later(2 * HOUR)
    assert courier.mailed(address) == []
    assert (await why(alice, "email"))[-1] == "dropped: online"


async def test_a_thief_cannot_keep_a_sign_in_from_the_user(cluster: Cluster, person, courier: Courier):
    """It is sent at once by push and e-mail, although the thief is online, and has seen it."""
    alice, _ = await register(cluster, device={"fingerprint": "phone"})
    phone, address = await courier.register(alice), await courier.register(alice, "email")
    thief = await cluster.guest()
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    await thief.call("auth.login", **login, device={"fingerprint": "laptop", "name": "Laptop"})
    told = await notified(thief, kind="security")
    await thief.call("notification.mark_seen", up_to_id=told["id"])
    await courier.later(SECOND)
    await courier.send_account_mails()
    for message in (*courier.pushed(phone), courier.mailed(address)[-1]):
        assert message.title == "New sign-in to your account"
        assert "Laptop" in message.body
    assert len(courier.pushed(phone)) == 1
    assert courier.mailed(address)[-1].is_about_account


async def test_an_email_is_not_sent_to_a_user_who_is_back(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    address = await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"mention": {"email": True}})
    await gone(cluster, alice)
    await mention(cluster, bob, alice)
    alice = await cluster.again(alice)
    await courier.later(2 * HOUR)
    assert courier.mailed(address) == []
    assert (await why(alice, "email"))[-1] == "dropped: online"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("mutes", "muted"),
        ("blocks", "blocked"),
        ("is blocked", "no longer visible"),
        ("turns it off", "turned off in the preferences"),
        ("has no device", "no device is registered"),
        ("the post is deleted", "no longer visible"),
    ],
)
async def test_everything_is_checked_again_when_it_is_sent(cluster: Cluster, person, courier: Courier, what, reason):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    created = await bob.call("post.create", text=f"@{alice.name}")
    told = await notified(alice, kind="mention")
    match what:
        case "mutes":
            await alice.call("graph.mute", user_id=bob.id)
        case "blocks":
            await alice.call("graph.block", user_id=bob.id)
        case "is blocked":
            await bob.call("graph.block", user_id=alice.id)
        case "turns it off":
            await alice.call("notification.set_preferences", channels={"mention": {"push": False}})
        case "has no device":
            await alice.call("push.unregister", kind="fcm", token=phone)
        case "the post is deleted":
            await bob.call("post.delete", post_id=created["id"])
    await courier.later(46 * SECOND)
    assert courier.pushed(phone) == []
    decisions = (await alice.call("notification.why", id=told["id"]))["decisions"]
    assert [each["reason"] for each in decisions if each["channel"] == "push"][-1] == reason


async def test_quiet_hours_hold_a_push_and_not_security(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    start, end = courier.now() - HOUR, courier.now() + 2 * HOUR
    await alice.call("settings.update", timezone="UTC")
    quiet = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    await alice.call("notification.set_preferences", quiet_hours=quiet)
    await gone(cluster, alice)
    await mention(cluster, bob, alice)
    await courier.later(HOUR)
    assert courier.pushed(phone) == []
    await courier.later(HOUR)
    assert len(courier.pushed(phone)) == 1
    alice = await cluster.again(alice)
    assert await why(alice, "push") == [f"held: quiet hours until {quiet['end']} UTC", "sent: to 1 of 1 devices"]


async def test_quiet_hours_that_began_since_hold_it_at_the_time_of_sending(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)
    await alice.call("settings.update", timezone="UTC")
    start, end = courier.now() - HOUR, courier.now() + 2 * HOUR
    await alice.call("notification.set_preferences", quiet_hours={"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"})
    await courier.later(46 * SECOND)
    assert courier.pushed(phone) == []
    assert (await why(alice, "push"))[-1] == f"held: quiet hours until {end:%H:%M} UTC"
    await courier.later(2 * HOUR)
    assert len(courier.pushed(phone)) == 1


async def test_a_dead_token_removes_the_device(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    first = await courier.register(alice)
    courier.phone.outcomes = [DeadToken("UNREGISTERED")]
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    assert (await why(alice, "push"))[-1] == "failed: UNREGISTERED"
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    assert len(courier.pushed(first)) == 1
    assert await why(alice, "push") == ["dropped: no device is registered"]


async def test_a_provider_that_is_overloaded_is_tried_again_a_few_times(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    courier.phone.outcomes = [Retry(600, "busy")] * MOST_ATTEMPTS
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    await courier.later(500 * SECOND)
    assert len(courier.pushed(phone)) == 1
    for _ in range(2 * MOST_ATTEMPTS):
        await courier.later(601 * SECOND)
    assert len(courier.pushed(phone)) == MOST_ATTEMPTS
    assert (await why(alice, "push"))[-1] == "failed: busy"
    assert len({message.delivery_id for message in courier.pushed(phone)}) == 1


async def test_a_retry_that_succeeds(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    courier.phone.outcomes = [Retry(30, "busy")]
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    assert (await why(alice, "push"))[-1] == "scheduled: again, since: busy"
    await courier.later(31 * SECOND)
    assert (await why(alice, "push"))[-1] == "sent: to 1 of 1 devices"
    assert len(courier.pushed(phone)) == 2


async def two_phones(cluster: Cluster, courier: Courier, person: Person) -> tuple[str, str]:
    """Register a device of the person and one of another session; the next message fails at the second."""
    second = await cluster.again(person)
    tokens = await courier.register(person), f"second-{person.id}"
    await second.call("push.register", kind="fcm", token=tokens[1])
    courier.phone.outcomes = [Accepted(), Retry(30, "busy")]
    return tokens


async def test_a_message_is_repeated_to_the_device_alone_that_did_not_get_it(
    cluster: Cluster, person, courier: Courier
):
    alice, bob = await person("alice"), await person("bob")
    first, second = await two_phones(cluster, courier, alice)
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    assert (await why(alice, "push"))[-1] == "scheduled: again, since: busy"
    await courier.later(31 * SECOND)
    assert (len(courier.pushed(first)), len(courier.pushed(second))) == (1, 2)
    assert (await why(alice, "push"))[-1] == "sent: to 2 of 2 devices"
    await courier.later(HOUR)
    assert len(courier.phone.sent) == 3


async def test_a_device_gets_what_it_missed_with_what_is_new(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    first, second = await two_phones(cluster, courier, alice)
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    await mention(cluster, bob, alice)
    await courier.later(31 * SECOND)
    newer, older = [each["id"] for each in await listed(alice)]
    told = [[each.data["notification_ids"] for each in courier.pushed(phone)] for phone in (first, second)]
    assert told == [[older, newer], [older, f"{newer},{older}"]]


async def test_a_device_that_never_gets_it_does_not_hide_that_another_did(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    first, second = await two_phones(cluster, courier, alice)
    courier.phone.outcomes = [Accepted(), *[Retry(600, "busy")] * MOST_ATTEMPTS]
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    for _ in range(2 * MOST_ATTEMPTS):
        await courier.later(601 * SECOND)
    assert (len(courier.pushed(first)), len(courier.pushed(second))) == (1, MOST_ATTEMPTS)
    assert (await why(alice, "push"))[-1] == "sent: to 1 of 2 devices"


async def test_what_is_seen_before_the_second_device_got_it(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    first, second = await two_phones(cluster, courier, alice)
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    told = await notified(alice, kind="mention")
    await alice.call("notification.mark_seen", up_to_id=told["id"])
    await courier.later(MINUTE)
    assert courier.dismissed(first) == [told["id"]]
    assert len(courier.pushed(second)) == 1


async def test_a_provider_that_is_not_configured_is_skipped(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    await courier.register(alice, "apns")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)
    await courier.later(46 * SECOND)
    assert len(courier.pushed(phone)) == 1
    assert (await why(alice, "push"))[-1] == "sent: to 1 of 2 devices"


async def test_a_message_that_a_provider_refuses_is_not_repeated(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    courier.phone.outcomes = [Rejected("too large")]
    await mention(cluster, bob, alice)
    await courier.later(2 * HOUR)
    assert len(courier.pushed(phone)) == 1
    assert (await why(alice, "push"))[-1] == "failed: too large"


async def test_an_error_delays_only_its_own_delivery(cluster: Cluster, person, courier: Courier):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    phones = [await courier.register(each) for each in (alice, carol)]
    await bob.call("post.create", text=f"@{alice.name} @{carol.name}")
    await cluster.settle()
    courier.phone.outcomes = [ZeroDivisionError()]
    await courier.later(46 * SECOND)
    assert len(courier.phone.sent) == 2
    await courier.later(MINUTE)
    assert sorted(token for token, _ in courier.phone.sent) == sorted([*phones, courier.phone.sent[0][0]])


async def test_what_a_worker_left_when_it_died_is_sent_after_its_lease(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)

    courier.phone.outcomes = [Died()]
    with pytest.raises(Died):
        await courier.later(46 * SECOND)
    await courier.later(MINUTE)
    assert len(courier.pushed(phone)) == 1
    await courier.later(2 * MINUTE)
    assert len(courier.pushed(phone)) == 2


async def test_seeing_it_on_one_device_removes_it_from_the_others(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)
    told = await notified(alice, kind="mention")
    await courier.later(46 * SECOND)
    assert courier.dismissed(phone) == []
    await alice.call("notification.mark_seen", up_to_id=told["id"])
    await courier.later(MINUTE)
    assert courier.dismissed(phone) == [told["id"]]
    await alice.call("notification.mark_read", ids=[told["id"]])
    await courier.later(HOUR)
    assert len(courier.pushed(phone)) == 1


async def test_a_device_whose_session_was_revoked_gets_nothing(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)
    other = await cluster.again(alice)
    [lost] = [item for item in (await other.call("session.list"))["items"] if not item["current"]]
    await other.call("session.revoke", session_id=lost["id"])
    await courier.later(46 * SECOND)
    assert courier.pushed(phone) == []
    assert (await why(other, "push"))[-1] == "dropped: no device is registered"


async def test_two_workers_send_it_once(cluster: Cluster, person, courier: Courier):
    alice, *actors = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    phone = await courier.register(alice)
    for actor in actors:
        await mention(cluster, actor, alice)
    await asyncio.gather(courier.later(46 * SECOND), courier.later(0 * SECOND))
    told = [each for message in courier.pushed(phone) for each in message.data["notification_ids"].split(",")]
    assert sorted(told) == sorted(each["id"] for each in await listed(alice))


async def test_a_reaction_that_is_withdrawn_is_removed_from_devices(cluster: Cluster, person, courier: Courier):
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    post = await alice.call("post.create", text="hello")
    target = {"target_type": "post", "target_id": post["id"]}
    await bob.call("reaction.set", **target, kind="like")
    told = await notified(alice, kind="reaction")
    await courier.later(46 * SECOND)
    assert len(courier.pushed(phone)) == 1
    await bob.call("reaction.unset", **target)
    await cluster.settle()
    await courier.later(MINUTE)
    assert courier.dismissed(phone) == [told["id"]]


@pytest.fixture
async def gate(courier: Courier, monkeypatch) -> AsyncIterator[asyncio.Event]:
    """The next message waits until the gate is opened; the loop waits for no provider."""
    monkeypatch.setattr(deliveries, "PATIENCE_S", 0.01)
    opened = asyncio.Event()
    courier.phone.meanwhile = opened.wait
    yield opened
    opened.set()
    await asyncio.gather(*courier.slow)


async def test_a_provider_that_does_not_answer_delays_no_other_user(
    cluster: Cluster, person, courier: Courier, gate: asyncio.Event
):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    first, second = [await courier.register(each) for each in (alice, carol)]
    await mention(cluster, bob, alice)
    await courier.begin(46 * SECOND)
    await mention(cluster, bob, carol)
    await courier.begin(46 * SECOND)
    sent = ["scheduled: in 45 s if it is unseen then", "sent: to 1 of 1 devices"]
    assert await soon(lambda: why(carol, "push"), sent) == sent
    assert await why(alice, "push") == sent[:1]
    assert (len(courier.pushed(first)), len(courier.pushed(second))) == (1, 1)
    gate.set()
    await courier.later(0 * SECOND)
    assert await why(alice, "push") == sent
    assert len(courier.phone.sent) == 2


async def test_no_more_is_sent_while_too_many_users_wait_for_providers(
    cluster: Cluster, person, courier: Courier, gate: asyncio.Event, monkeypatch
):
    monkeypatch.setattr(deliveries, "MOST_SLOW", 1)
    alice, bob = await person("alice"), await person("bob")
    phone = await courier.register(alice)
    await mention(cluster, bob, alice)
    courier.advance(46 * SECOND)
    full = {asyncio.create_task(gate.wait())}
    waiting = asyncio.create_task(deliver_due(courier.tools, full))
    await cluster.settle(alice)
    assert await deliver_due(courier.tools, courier.slow) == 1  # it was left to this loop
    gate.set()
    assert await waiting == 0
    assert len(courier.pushed(phone)) == 1
