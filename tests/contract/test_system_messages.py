"""Messages of the operator, as users get them: once, with their text, at once or after quiet hours."""

import re

import pytest
from rich.progress import Progress

from gateway import system_messages
from senders.sender import Message
from storage import system_messages as stored
from tests.cluster import Cluster
from tests.contract.test_deliveries import why
from tests.contract.test_notifications import listed, notified, set_status
from tests.courier import HOUR, SECOND, Courier, gone
from tests.people import Person

ENGLISH = "Message from DAIRA: \u2068صيانة الليلة\u2069"
ARABIC = "رسالة من دائرة: \u2068صيانة الليلة\u2069"


class Interrupted(Exception):
    """The end of a command."""


async def send(
    cluster: Cluster, text: str = "صيانة الليلة", *, to: Person | None = None, again: bool = False
) -> int | None:
    """Send it, to all without a person, and wait until the workers have notified its users."""
    sent = await system_messages.send(cluster.settings(), text, to and to.name, Progress(), again=again)
    await cluster.settle()
    return sent


async def test_a_user_gets_it_once(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    assert await send(cluster, to=alice) == 1
    told = await notified(alice, kind="system")
    await alice.expect("notification.counted", unseen_count=1)
    assert (told["text"], told["actors"], told["actor_count"]) == (ARABIC, [], 0)
    assert told["target"]["type"] == "system_message"
    await alice.call("settings.update", locale="en")
    assert await listed(alice) == [{**told, "text": ENGLISH}]
    assert await why(alice, "socket") == ["sent: online"]
    assert await why(alice, "push") == ["dropped: no device is registered"]
    assert await send(cluster, to=alice) is None
    await cluster.settle(alice, bob)
    assert alice.heard("notification.created") == bob.heard("notification.created") == await listed(bob) == []
    assert await send(cluster, to=alice, again=True) == 1
    assert (await notified(alice, kind="system"))["text"] == ENGLISH
    assert len(await listed(alice)) == 2


async def test_all_active_users_get_it_once_though_the_first_run_was_interrupted(cluster: Cluster, person, monkeypatch):
    people = [await person(name) for name in ("alice", "bob", "carol")]
    alice, bob, carol = sorted(people, key=lambda each: int(each.id))
    await set_status(cluster, carol, "suspended")
    text = cluster.unique("to all")
    owner = await cluster.owner()
    before, users = await owner.fetchrow(
        "SELECT count(*) FILTER (WHERE id < $1), count(*) FROM users WHERE status = 'active'", int(bob.id)
    )
    monkeypatch.setattr(system_messages, "PAGE", before)
    notify_page = stored.notify_page

    async def once(*arguments: object) -> int:
        monkeypatch.setattr(stored, "notify_page", interrupted)
        return await notify_page(*arguments)  # type: ignore[arg-type]

    async def interrupted(*_: object) -> int:
        raise Interrupted

    monkeypatch.setattr(stored, "notify_page", once)
    with pytest.raises(Interrupted):
        await send(cluster, text)
    await notified(alice, kind="system")
    await cluster.settle(bob)
    assert bob.heard("notification.created") == []
    monkeypatch.setattr(stored, "notify_page", notify_page)
    assert await send(cluster, text) == users - before
    assert text in (await notified(bob, kind="system"))["text"]
    assert await send(cluster, text) is None
    await cluster.settle(alice, bob)
    assert [len(await listed(each)) for each in (alice, bob)] == [1, 1]
    assert alice.heard("notification.created") == bob.heard("notification.created") == []
    told = "SELECT count(*) FROM notifications WHERE user_id = $1"
    assert await owner.fetchval(told, int(carol.id)) == 0
    rows = await owner.fetch("SELECT resource FROM audit WHERE changes ->> 'text' = $1", text)
    assert [bool(re.fullmatch(r"system_message:\d+", row["resource"])) for row in rows] == [True]
    await owner.close()


async def test_a_user_who_does_not_exist_is_refused(cluster: Cluster):
    with pytest.raises(LookupError, match="no active user"):
        await system_messages.send(cluster.settings(), "hello", cluster.unique("nobody"), Progress(), again=False)


@pytest.mark.parametrize(
    ("locale", "title", "line"), [("en", "Message from DAIRA", ENGLISH), ("ar-EG", "رسالة من دائرة", ARABIC)]
)
async def test_it_goes_to_devices_in_the_language_of_the_user(
    cluster: Cluster, person, courier: Courier, locale, title, line
):
    """With other notifications, the message stands beside its title."""
    alice, bob = await person("alice"), await person("bob")
    phone, address = await courier.register(alice), await courier.register(alice, "email")
    await alice.call("notification.set_preferences", channels={"system": {"email": True}})
    await alice.call("settings.update", locale=locale)
    await gone(cluster, alice)
    await send(cluster, to=alice)
    await courier.later(46 * SECOND)
    assert [(each.title, each.body) for each in courier.pushed(phone)] == [(title, "صيانة الليلة")]
    await bob.call("post.create", text=f"@{alice.name}")
    await send(cluster, to=alice, again=True)
    await courier.later(46 * SECOND)
    assert line in newest(courier.pushed(phone)).body.split("\n")
    await courier.later(HOUR)
    assert line in newest(courier.mailed(address)).body.split("\n")


def newest(messages: list[Message]) -> Message:
    return messages[-1]


async def test_quiet_hours_and_preferences_hold_for_it(cluster: Cluster, person, courier: Courier):
    alice = await person("alice")
    phone = await courier.register(alice)
    start, end = courier.now() - HOUR, courier.now() + 2 * HOUR
    quiet = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    await alice.call("settings.update", timezone="UTC")
    await alice.call("notification.set_preferences", quiet_hours=quiet, channels={"system": {"socket": False}})
    await send(cluster, to=alice)
    assert await why(alice, "push") == [f"held: quiet hours until {quiet['end']} UTC"]
    assert alice.heard("notification.created") == []
    await courier.later(HOUR)
    assert courier.pushed(phone) == []
    await courier.later(HOUR)
    assert len(courier.pushed(phone)) == 1
