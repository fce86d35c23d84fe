"""Devices: who is notified on which, and what is no device."""

import json

import pytest

from storage import devices
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.senders.push_service import Browser

PHONE = {"kind": "fcm", "token": "fcm-token-of-a-phone:1"}
IPHONE = {"kind": "apns", "token": "AB" * 32}
ENDPOINT = "https://fcm.googleapis.com/fcm/send/x"


async def reached(cluster: Cluster, *users) -> list[tuple[str, str, str]]:
    """Return id, kind and token of the devices that workers would send to."""
    async with cluster.worker_database.transaction() as tx:
        rows = await devices.of_users(tx, [int(user.id) for user in users])
    return [(str(row["id"]), row["kind"], row["token"]) for row in rows]


async def listed(person) -> list[str]:
    return [item["id"] for item in (await person.call("push.list"))["items"]]


@pytest.mark.parametrize("kind", ["python-json", "python-msgpack"])
async def test_a_device_is_registered_and_unregistered(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    first = await alice.call("push.register", **PHONE)
    second = await alice.call("push.register", **IPHONE)
    assert (first["kind"], second["kind"]) == ("fcm", "apns")
    assert await alice.call("push.list") == {"items": [second, first], "webpush_key": None}
    assert await reached(cluster, alice) == [
        (first["id"], "fcm", PHONE["token"]), (second["id"], "apns", "ab" * 32),
    ]  # fmt: skip
    await alice.call("push.unregister", **IPHONE)
    assert await listed(alice) == [first["id"]]
    assert await reached(cluster, alice) == [(first["id"], "fcm", PHONE["token"])]


async def test_another_users_devices_are_neither_shown_nor_removed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    phone = {"kind": "fcm", "token": cluster.unique("a-token-of-alice")}
    device = await alice.call("push.register", **phone)
    await bob.call("push.unregister", **phone)
    assert await listed(bob) == []
    assert await listed(alice) == [device["id"]]


async def test_a_phone_moves_to_the_user_who_signs_in_on_it(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    phone = {"kind": "fcm", "token": cluster.unique("token-of-a-phone")}
    await alice.call("push.register", **phone)
    moved = await bob.call("push.register", **phone)
    assert await listed(alice) == []
    assert await reached(cluster, alice, bob) == [(moved["id"], "fcm", phone["token"])]


async def test_a_new_token_replaces_the_sessions_last_one(cluster: Cluster, person):
    alice = await person("alice")
    tablet = await cluster.again(alice)
    other = await tablet.call("push.register", kind="fcm", token=cluster.unique("token-of-a-tablet"))
    await alice.call("push.register", kind="fcm", token=cluster.unique("old-token-of-a-phone"))
    new = await alice.call("push.register", kind="fcm", token=cluster.unique("new-token-of-a-phone"))
    assert await listed(alice) == [new["id"], other["id"]]
    assert new["session_id"] != other["session_id"]


async def test_a_device_is_gone_with_its_session(cluster: Cluster, person):
    alice = await person("alice")
    phone, tablet = await cluster.again(alice), await cluster.again(alice, node="a")
    on_phone = await phone.call("push.register", kind="fcm", token=cluster.unique("token-of-a-phone"))
    on_tablet = await tablet.call("push.register", kind="fcm", token=cluster.unique("token-of-a-tablet"))
    await alice.call("session.revoke", session_id=on_phone["session_id"])
    assert await listed(alice) == [on_tablet["id"]]
    await tablet.call("auth.logout")
    assert await listed(alice) == []
    assert await reached(cluster, alice) == []


async def test_a_changed_password_leaves_only_the_callers_device(cluster: Cluster):
    alice, signed_in = await register(cluster)
    other = await cluster.again(alice)
    own = await alice.call("push.register", kind="fcm", token=cluster.unique("token-of-a-phone"))
    await other.call("push.register", kind="fcm", token=cluster.unique("token-of-a-tablet"))
    await alice.call("auth.change_password", old_password=PASSWORD, new_password="another password")
    assert own["session_id"] == signed_in["session_id"]
    assert await listed(alice) == [own["id"]]


async def test_e_mail_goes_to_the_accounts_own_address_alone(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    owner = await cluster.owner()
    address, others = [
        await owner.fetchval("SELECT email FROM accounts WHERE user_id = $1", int(user.id)) for user in (alice, bob)
    ]
    await owner.close()
    for wrong in (others, "somebody@example.org", f"{address},{others}"):
        refused = await alice.refused("push.register", kind="email", token=wrong)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["token"])
    device = await alice.call("push.register", kind="email", token=address.upper())
    assert device["session_id"] is None
    assert await reached(cluster, alice) == [(device["id"], "email", address)]
    await alice.call("push.unregister", kind="email", token=address)
    assert await reached(cluster, alice) == []


async def test_a_browser_is_registered_once_however_it_writes_its_subscription(cluster: Cluster, person):
    alice = await person("alice")
    written = Browser().subscription(f"{ENDPOINT}{cluster.unique('')}")
    subscription = json.loads(written)
    rewritten = json.dumps(dict(reversed(subscription.items())), indent=None, separators=(" , ", " : "))
    first = await alice.call("push.register", kind="webpush", token=written)
    assert await alice.call("push.register", kind="webpush", token=rewritten) == first
    del subscription["expirationTime"]
    [(_, _, token)] = await reached(cluster, alice)
    assert json.loads(token) == subscription
    await alice.call("push.unregister", kind="webpush", token=rewritten)
    assert await listed(alice) == []


async def test_browsers_get_the_key_that_they_subscribe_with(cluster: Cluster, person, node):
    key = {"webpush_key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "webpush_subject": "mailto:a@daira.test"}
    alice = await person("alice", node=await node(**key))
    assert (await alice.call("push.list"))["webpush_key"] == (
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    )


BAD = [
    ({"kind": "sms"}, "kind"),
    ({"kind": None}, "kind"),
    ({"token": ""}, "token"),
    ({"token": 5}, "token"),
    ({"token": "short"}, "token"),
    ({"token": "x" * 1_025}, "token"),
    ({"token": "x" * 2_049}, "token"),
    ({"token": "token of a phone with spaces"}, "token"),
    ({"token": "fcm-token-of-a-phone\n"}, "token"),
    ({"token": "رمز-هاتف-طويل-جدا-جدا"}, "token"),
    ({"kind": "apns", "token": "a" * 63}, "token"),
    ({"kind": "apns", "token": "g" * 64}, "token"),
    ({"kind": "apns", "token": "../../" + "a" * 58}, "token"),
    ({"kind": "apns", "token": "a" * 202}, "token"),
    ({"kind": "webpush", "token": "{}"}, "token"),
    ({"kind": "webpush", "token": Browser().subscription("http://fcm.googleapis.com/x")}, "token"),
    ({"kind": "webpush", "token": Browser().subscription("https://127.0.0.1/x")}, "token"),
    ({"kind": "webpush", "token": Browser().subscription("https://169.254.169.254/latest")}, "token"),
    ({"kind": "webpush", "token": Browser().subscription("https://fcm.googleapis.com:8443/x")}, "token"),
    ({"kind": "webpush", "token": Browser().subscription("https://fcm.googleapis.com@evil.test/x")}, "token"),
    ({"kind": "webpush", "token": Browser().subscription(f"https://fcm.googleapis.com/{'x' * 2_000}")}, "token"),
    ({"kind": "webpush", "token": json.dumps({"endpoint": ENDPOINT, "keys": {"p256dh": "x", "auth": "y"}})}, "token"),
    ({"session_id": "1"}, "session_id"),
]


@pytest.mark.parametrize("kind", ["python-json", "python-msgpack"])
async def test_bad_devices_name_their_field_and_write_nothing(person, kind):
    alice = await person("alice", kind=kind)
    for change, field in BAD:
        for method in ("push.register", "push.unregister"):
            refused = await alice.refused(method, **{**PHONE, **change})
            assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field]), change
    assert await listed(alice) == []
