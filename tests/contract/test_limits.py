"""Each limit answers RESOURCE_EXHAUSTED with the time to wait."""

import asyncio

import pytest_asyncio

from tests.cluster import Cluster

# The documented rates; everything else on this node is plentiful.
DOCUMENTED = {
    "limit_post": "10/hour",
    "limit_login": "5/15 minute",
    "limit_refresh": "10/hour",
    "limit_write": "1000/hour",
    "limit_register": "3/hour",
    "limit_login_address": "10/15 minute",
    "limit_handshake": "100/minute",
}
PASSWORD = "كلمة سر طويلة"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limited(cluster: Cluster):
    """With a node under the documented limits, behind a proxy on this machine."""
    await cluster.add_node("limited", **DOCUMENTED, trusted_proxies="127.0.0.1")
    yield cluster
    await cluster.remove_node("limited")


def exhausted(failed) -> bool:
    return failed.code == "RESOURCE_EXHAUSTED" and failed.error["retryable"] and failed.error["retry_after_ms"] > 0


async def until_refused(make_call, at_most: int) -> int:
    """How many calls succeed or fail otherwise before the limit answers."""
    for number in range(at_most + 1):
        answer = await make_call(number)
        if not answer["ok"] and answer["error"]["code"] == "RESOURCE_EXHAUSTED":
            assert answer["error"]["retry_after_ms"] > 0
            assert answer["error"]["retryable"] is True
            return number
    raise AssertionError(f"no limit within {at_most} calls")


async def test_posts(limited: Cluster, person):
    alice = await person("alice", node="limited")
    first = await alice.call("post.create", text="kept", idempotency_key="k")
    assert await until_refused(lambda n: alice.answer("post.create", {"text": f"post {n}"}), 11) == 9
    assert await alice.call("post.create", text="kept", idempotency_key="k") == first
    assert exhausted(await alice.refused("post.create", text="kept too", idempotency_key="k2"))
    bob = await person("bob", node="limited")
    assert (await bob.call("post.create", text="mine"))["text"] == "mine"


async def test_follows(person, node):
    alice = await person("alice", node=await node(limit_follow="20/24 hour"))
    bob = await person("bob")
    calls = await asyncio.gather(*(alice.answer("graph.follow", {"user_id": bob.id}) for _ in range(25)))
    refused = [answer for answer in calls if not answer["ok"]]
    assert len(refused) == 5
    assert all(answer["error"]["code"] == "RESOURCE_EXHAUSTED" for answer in refused)


async def test_other_writes_together(person, node):
    alice = await person("alice", node=await node(limit_write="3/hour"))
    bob = await person("bob")
    await alice.call("user.update", bio="1")
    await alice.call("graph.mute", user_id=bob.id)
    await alice.call("circle.create", name="c")
    assert exhausted(await alice.refused("graph.unmute", user_id=bob.id))
    assert (await alice.call("feed.get"))["items"] == []


async def test_logins_by_account(limited: Cluster, person):
    guest = await limited.guest(node="limited")
    login = {"email": f"{limited.unique('nobody')}@example.org", "password": PASSWORD}
    assert await until_refused(lambda _: guest.answer("auth.login", login), 6) == 5


async def from_address(cluster: Cluster, address: str):
    """A guest on the limited node, coming through the proxy from that address."""
    guest = cluster.new_client("guest", "python-json")
    await cluster.connect(guest, node="limited", codec="json", token=None, headers={"X-Forwarded-For": address})
    return guest


async def test_logins_by_address(limited: Cluster, person):
    guest = await from_address(limited, "198.51.100.7")
    logins = ({"email": f"{limited.unique('u')}@example.org", "password": PASSWORD} for _ in range(12))
    assert await until_refused(lambda _: guest.answer("auth.login", next(logins)), 11) == 10
    elsewhere = await from_address(limited, "198.51.100.8")
    answer = await elsewhere.answer("auth.login", {"email": "x@example.org", "password": PASSWORD})
    assert answer["error"]["code"] == "UNAUTHENTICATED"


async def test_registrations_by_address_and_ipv6_by_64(limited: Cluster, person):
    async def register(number: int):
        guest = await from_address(limited, f"2001:db8:1:2::{number + 1}")
        name = limited.unique("reg")
        return await guest.answer(
            "auth.register", {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        )

    assert await until_refused(register, 4) == 3


async def test_registrations_by_device(limited: Cluster, person):
    async def register(number: int):
        guest = await limited.guest(node="limited")
        name = limited.unique("dev")
        device = {"name": "phone", "fingerprint": f"same-device-{limited._run}"}
        arguments = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, "device": device}
        return await guest.answer("auth.register", arguments)

    assert await until_refused(register, 4) == 3


async def test_refreshes_by_session(limited: Cluster, person):
    guest = await limited.guest(node="limited")
    name = limited.unique("ref")
    answer = await guest.call("auth.register", username=name, email=f"{name}@example.org", password=PASSWORD)
    tokens = [answer["refresh_token"]]

    async def refresh(_: int):
        answer = await guest.answer("auth.refresh", {"refresh_token": tokens[-1]})
        if answer["ok"]:
            tokens.append(answer["data"]["refresh_token"])
        return answer

    assert await until_refused(refresh, 11) == 10


async def test_anonymous_handshakes_by_address(cluster: Cluster, person, node):
    few_handshakes = await node(limit_handshake="2/minute", trusted_proxies="127.0.0.1")
    alice = await person("alice", node=few_handshakes)
    url, headers = cluster.url(few_handshakes), {"X-Forwarded-For": "203.0.113.9"}
    for _ in range(2):
        guest = cluster.new_client("guest", "js-json")
        await guest.connect(url, "json", None, extraHeaders=headers)
        await guest.expect("session.ready")
    third = cluster.new_client("guest", "js-json")
    await third.connect(url, "json", None, extraHeaders=headers)
    # Closed without CONNECT_ERROR, so that the official client comes again by itself.
    await third.happened("reconnect_attempt")
    assert (await alice.call("user.me"))["id"] == alice.id


async def test_calls_of_one_connection(person, node):
    alice = await person("alice", node=await node(limit_calls="5/minute"))
    answers = await asyncio.gather(*(alice.answer("system.ping") for _ in range(30)))
    refused = [answer["error"] for answer in answers if not answer["ok"]]
    assert 15 <= len(refused) <= 20
    assert all(error["code"] == "RESOURCE_EXHAUSTED" and error["retry_after_ms"] >= 1 for error in refused)


async def test_a_call_past_its_deadline_is_given_up_whole(cluster: Cluster, person, node):
    alice = await person("alice")
    hasty = await cluster.again(alice, node=await node(call_deadline=0.3))
    post = await alice.call("post.create", text="as it was")
    owner = await cluster.owner()
    async with owner.transaction():
        await owner.execute("SELECT FROM posts WHERE id = $1 FOR UPDATE", int(post["id"]))
        refusal = await hasty.refused("post.edit", post_id=post["id"], version=1, text="too late")
        assert (refusal.code, refusal.error["retryable"]) == ("DEADLINE_EXCEEDED", True)
    await owner.close()
    await alice.call("post.edit", post_id=post["id"], version=1, text="in time")


async def test_forged_forwarding_is_not_believed_of_strangers(limited: Cluster, person):
    from gateway.node import client_address

    proxies = limited.settings(trusted_proxies="10.0.0.0/8").proxies
    assert client_address("198.51.100.1", ["1.2.3.4"], proxies) == "198.51.100.1"
    assert client_address("10.0.0.1", ["1.2.3.4, 198.51.100.2"], proxies) == "198.51.100.2"
    assert client_address("10.0.0.1", ["1.2.3.4, 10.0.0.9"], proxies) == "1.2.3.4"
    assert client_address("10.0.0.1", ["garbage"], proxies) == "10.0.0.1"
