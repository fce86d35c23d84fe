"""Keys of services, and what moderators must prove."""

import pytest

from presence import reports
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_second_factors import App, protected
from tests.people import Person, PythonPerson


async def make_admin(cluster: Cluster, person: Person) -> Person:
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET role = 'admin' WHERE id = $1", int(person.id))
    await owner.close()
    return person


async def service(cluster: Cluster, key: str, *, node: str = "a", codec: str = "msgpack") -> PythonPerson:
    """Return a client that signs in by the key."""
    client = PythonPerson("service", "")
    cluster.add(client)
    await client.connect(cluster.url(node), codec, {"key": key})
    return client


async def refused_reason(cluster: Cluster, key: str) -> str:
    client = PythonPerson("service", "")
    cluster.add(client)
    with pytest.raises(Exception, match=r"(?i)connect|namespace"):
        await client.connect(cluster.url(), "json", {"key": key})
    reason: str = (await client.happened("connect_error"))["data"]["data"]["reason"]
    return reason


async def test_a_key_calls_its_methods_and_no_others(cluster: Cluster, person):
    admin = await make_admin(cluster, await person("admin"))
    made = await admin.call("key.create", name="Weather", methods=["post.create", "post.get"])
    for codec in ("msgpack", "json"):
        client = await service(cluster, made["key"], codec=codec)
        await client.expect("session.ready")
        post = await client.call("post.create", text="sunny")
        assert post["author"]["id"] == admin.id
        assert (await client.call("post.get", post_id=post["id"]))["id"] == post["id"]
        for method in ("user.me", "auth.logout", "key.list", "auth.refresh", "system.methods"):
            assert (await client.answer(method, {}))["error"]["code"] == "PERMISSION_DENIED", method
    [item] = [each for each in (await admin.call("key.list"))["items"] if each["id"] == made["id"]]
    assert made["key"].startswith(item["prefix"])
    assert item["last_used_at"] is not None
    assert (item["name"], item["username"], item["revoked_at"]) == ("Weather", admin.name, None)
    assert made["key"] not in str(item)
    owner = await cluster.owner()
    assert not await owner.fetchval("SELECT EXISTS (SELECT FROM api_keys k WHERE k::text LIKE $1)", f"%{made['key']}%")
    actions = await owner.fetch(
        "SELECT action FROM audit WHERE actor_id = $1 AND resource = $2 ORDER BY id", int(admin.id), f"key:{made['id']}"
    )
    await owner.close()
    assert sorted(row["action"] for row in actions) == ["key.create", "key.used"]


async def test_a_service_gets_the_pushes_of_channels_that_it_watches_and_no_others(
    cluster: Cluster, person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reports, "GRACE_S", 0.1)
    admin, bob = await make_admin(cluster, await person("admin")), await person("bob")
    await bob.call("presence.watch", user_ids=[admin.id])
    made = await admin.call("key.create", name="Weather", methods=["post.watch"])
    client = await service(cluster, made["key"])
    await client.expect("session.ready")
    post = await bob.call("post.create", text="hello")
    await client.call("post.watch", post_id=post["id"])
    await admin.close()
    assert (await bob.expect("presence.changed"))["presence"]["status"] == "offline"
    chat = (await bob.call("chat.open", user_ids=[admin.id]))["chat"]["id"]
    await bob.call("chat.send", chat_id=chat, text="for the admin alone")
    await bob.call("graph.follow", user_id=admin.id)
    await cluster.settle()
    # Nor when it connects again.
    await client.close()
    again = await service(cluster, made["key"], node="b")
    await again.expect("session.ready")
    await again.call("post.watch", post_id=post["id"])
    await bob.call("comment.create", post_id=post["id"], text="first")
    await again.expect("comment.created")
    assert {name for name, _ in [*client.received, *again.received]} <= {"post.counts"}
    [shown] = (await bob.call("presence.watch", user_ids=[admin.id]))["items"]
    assert shown["status"] == "offline"


async def test_a_revoked_key_ends_at_once_on_every_node(cluster: Cluster, person):
    admin, other = await person("admin"), await person("other")
    for each in (admin, other):
        await make_admin(cluster, each)
    made = await admin.call("key.create", name="Weather", methods=["post.get"])
    clients = [await service(cluster, made["key"], node=node) for node in ("a", "b")]
    for _ in range(2):
        assert await other.call("key.revoke", key_id=made["id"]) == {}
    for client in clients:
        assert (await client.expect("session.revoked"))["reason"] == "revoked"
        await client.happened("disconnect")
    assert await refused_reason(cluster, made["key"]) == "revoked"
    assert (await other.refused("key.revoke", key_id="1")).code == "NOT_FOUND"


async def test_wrong_and_expired_keys_are_refused_alike(cluster: Cluster, person):
    admin = await make_admin(cluster, await person("admin"))
    made = await admin.call("key.create", name="Weather", methods=["post.get"], days=1)
    owner = await cluster.owner()
    await owner.execute("UPDATE sessions SET expires_at = now() WHERE user_id = $1", int(admin.id))
    await owner.close()
    for key in (made["key"], made["key"] + "x", "daira_x", "x" * 5_000):
        assert await refused_reason(cluster, key) == "revoked"


@pytest.mark.parametrize(
    "methods", [["auth.change_password"], ["session.list"], ["key.create"], ["account.delete"], ["no.method"]]
)
async def test_keys_cannot_become_more_than_they_are(cluster: Cluster, person, methods: list[str]):
    admin = await make_admin(cluster, await person("admin"))
    refused = await admin.refused("key.create", name="x", methods=["post.get", *methods])
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["methods[1]"])


async def test_keys_are_for_admins_and_end_with_their_role(cluster: Cluster, person):
    alice = await person("alice")
    for method, arguments in (
        ("key.create", {"name": "x", "methods": ["post.get"]}), ("key.list", {}), ("key.revoke", {"key_id": "1"}),
    ):  # fmt: skip
        assert (await alice.refused(method, **arguments)).code == "PERMISSION_DENIED"
    admin = await make_admin(cluster, await person("admin"))
    made = await admin.call("key.create", name="x", methods=["post.get"])
    client = await service(cluster, made["key"])
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET role = 'user' WHERE id = $1", int(admin.id))
    await owner.close()
    await client.expect("session.revoked")
    assert await refused_reason(cluster, made["key"]) == "revoked"


async def test_moderators_prove_the_second_factor_every_twelve_hours(
    cluster: Cluster, person, node, monkeypatch: pytest.MonkeyPatch
):
    app = App(cluster, monkeypatch)
    alice, codes = await protected(cluster, app)
    await make_admin(cluster, alice)
    strict = await node(staff_proof=43_200)
    again = await cluster.again(alice, node=strict)
    refused = await again.refused("key.list")
    assert (refused.code, refused.fields) == ("FAILED_PRECONDITION", ["second_factor"])
    await again.call("auth.prove_second_factor", code=codes[0])
    made = await again.call("key.create", name="x", methods=["post.get"])
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE sessions SET second_factor_at = now() - interval '12 hours' WHERE user_id = $1", int(alice.id)
    )
    await owner.close()
    assert (await again.refused("key.list")).code == "FAILED_PRECONDITION"
    # A user who signs in by both factors has proved them.
    guest = await cluster.guest(node=strict)
    challenge = (await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD))["challenge"]
    await guest.call("auth.confirm_login", challenge=challenge, code=codes[1])
    assert made["id"] in [item["id"] for item in (await guest.call("key.list"))["items"]]
    bob, _ = await register(cluster, node=strict)
    assert (await bob.refused("key.list")).code == "PERMISSION_DENIED"  # the role is asked first
