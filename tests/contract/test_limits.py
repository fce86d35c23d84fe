"""Each limit answers RESOURCE_EXHAUSTED with the time to wait."""

import asyncio

import pytest_asyncio

from domain import password_guesses
from tests.cluster import Cluster

# The documented rates; all other limits of this node are very high.
DOCUMENTED = {
    "limit_post": "10/hour",
    "limit_comment": "30/hour",
    "limit_reaction": "100/hour",
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
    """The cluster with a node that has the documented limits, behind a proxy on this machine."""
    await cluster.add_node("limited", **DOCUMENTED, trusted_proxies="127.0.0.1")
    yield cluster
    await cluster.remove_node("limited")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guessed(cluster: Cluster):
    """The cluster with a node that limits only password guesses."""
    few = {name: DOCUMENTED[name] for name in ("limit_login", "limit_login_address")}
    await cluster.add_node("guessed", **few, trusted_proxies="127.0.0.1")
    yield cluster
    await cluster.remove_node("guessed")


def exhausted(failed) -> bool:
    return failed.code == "RESOURCE_EXHAUSTED" and failed.error["retryable"] and failed.error["retry_after_ms"] > 0


async def until_refused(make_call, at_most: int) -> int:
    """Return how many calls are answered otherwise before RESOURCE_EXHAUSTED."""
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


async def test_comments_and_reactions(limited: Cluster, person):
    alice = await person("alice", node="limited")
    post = (await alice.call("post.create", text="hello"))["id"]
    assert await until_refused(lambda n: alice.answer("comment.create", {"post_id": post, "text": f"{n}"}), 31) == 30
    reaction = {"target_type": "post", "target_id": post, "kind": "like"}
    assert await until_refused(lambda _: alice.answer("reaction.set", reaction), 101) == 100
    assert await alice.call("reaction.unset", target_type="post", target_id=post) == {}


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
    assert await alice.own_feed() == []


async def test_logins_by_account(limited: Cluster, person):
    guest = await limited.guest(node="limited")
    login = {"email": f"{limited.unique('nobody')}@example.org", "password": PASSWORD}
    assert await until_refused(lambda _: guest.answer("auth.login", login), 6) == 5


async def from_address(cluster: Cluster, address: str, *, node: str = "limited"):
    """Return a guest on that node, from that address, through the proxy."""
    guest = cluster.new_client("guest", "python-json")
    await cluster.connect(guest, node=node, codec="json", token=None, headers={"X-Forwarded-For": address})
    return guest


async def test_logins_by_address(limited: Cluster, person):
    guest = await from_address(limited, "198.51.100.7")
    logins = ({"email": f"{limited.unique('u')}@example.org", "password": PASSWORD} for _ in range(12))
    assert await until_refused(lambda _: guest.answer("auth.login", next(logins)), 11) == 10
    elsewhere = await from_address(limited, "198.51.100.8")
    answer = await elsewhere.answer("auth.login", {"email": "x@example.org", "password": PASSWORD})
    assert answer["error"]["code"] == "UNAUTHENTICATED"


async def known_account(cluster: Cluster, **device):
    """Register a user from an address of its own; return the arguments of a login, and the answer."""
    guest = await from_address(cluster, "198.51.100.250", node="guessed")
    name = cluster.unique("known")
    login = {"email": f"{name}@example.org", "password": PASSWORD}
    arguments = {"username": name, **login, **({"device": device} if device else {})}
    answer = await guest.call("auth.register", **arguments)
    return login, answer


async def guess_until_refused(cluster: Cluster, address: str, email: str) -> int:
    stranger = await from_address(cluster, address, node="guessed")
    return await until_refused(
        lambda _: stranger.answer("auth.login", {"email": email, "password": "wrong password"}), 6
    )


async def test_wrong_passwords_of_a_stranger_do_not_lock_the_owner_out(guessed: Cluster, person):
    login, _ = await known_account(guessed)
    assert await guess_until_refused(guessed, "198.51.100.20", login["email"]) == 5
    elsewhere = await from_address(guessed, "198.51.100.21", node="guessed")
    assert (await elsewhere.call("auth.login", **login))["access_token"]


async def test_a_known_device_has_its_own_budget_at_a_shared_address(guessed: Cluster, person):
    login, known = await known_account(guessed, fingerprint="phone of the owner")
    address = "198.51.100.30"
    assert await guess_until_refused(guessed, address, login["email"]) == 5
    others = (await known_account(guessed))[1]
    for device in (
        {"token": others["device_token"]},
        {"token": f"{known['session_id']}.{'0' * 64}"},
        {"token": "x"},
        {"fingerprint": "another"},
    ):
        stranger = await from_address(guessed, address, node="guessed")
        assert exhausted(await stranger.refused("auth.login", **login, device=device))
    for device in ({"token": known["device_token"]}, {"fingerprint": "phone of the owner"}):
        owner = await from_address(guessed, address, node="guessed")
        assert (await owner.call("auth.login", **login, device=device))["device_token"]


async def test_a_known_device_has_the_same_limit_of_guesses(guessed: Cluster, person):
    login, known = await known_account(guessed)
    thief = await from_address(guessed, "198.51.100.40", node="guessed")
    tokens = (f"{'0' * (number % 2)}{known['device_token']}" for number in range(10))
    wrong = {"email": login["email"], "password": "wrong password"}
    assert await until_refused(
        lambda _: thief.answer("auth.login", {**wrong, "device": {"token": next(tokens)}}), 6
    ) == 5  # fmt: skip


async def test_right_passwords_do_not_count(guessed: Cluster, person):
    login, _ = await known_account(guessed)
    for _ in range(12):
        guest = await from_address(guessed, "198.51.100.50", node="guessed")
        assert (await guest.call("auth.login", **login))["session_id"]


async def test_limits_do_not_reveal_whether_an_account_exists(guessed: Cluster, person):
    login, _ = await known_account(guessed)
    for address, email in (("198.51.100.60", login["email"]), ("198.51.100.61", "nobody@example.org")):
        assert await guess_until_refused(guessed, address, email) == 5


async def test_guesses_from_many_addresses_are_slowed_down_and_the_owner_is_not_locked_out(
    limited: Cluster, person, node, monkeypatch
):
    monkeypatch.setattr(password_guesses, "MOST_DELAY_S", 0.3)
    monkeypatch.setattr(password_guesses, "MOST_DELAYED", 2)
    name = await node(limit_login="1/15 minute", trusted_proxies="127.0.0.1")
    guest = await limited.guest(node=name)
    login = {"email": f"{limited.unique('slow')}@example.org", "password": PASSWORD}
    known = await guest.call("auth.register", username=limited.unique("slow"), **login)

    async def come(number: int):
        return await from_address(limited, f"198.51.101.{number}", node=name)

    wrong = {**login, "password": "wrong password"}
    assert (await (await come(1)).refused("auth.login", **wrong)).code == "UNAUTHENTICATED"
    strangers = [await come(number) for number in range(2, 7)]
    answers = await asyncio.gather(*(stranger.answer("auth.login", wrong) for stranger in strangers))
    codes = [answer["error"]["code"] for answer in answers]
    assert sorted(set(codes)) == ["RESOURCE_EXHAUSTED", "UNAUTHENTICATED"]
    assert codes.count("UNAUTHENTICATED") == 2
    assert limited.node(name).parts.services.guesses._delayed == {}
    assert (await (await come(7)).call("auth.login", **login))["session_id"]
    slept = []
    monkeypatch.setattr(password_guesses.Guesses, "_slow_down", lambda *arguments: slept.append(arguments))
    device = {"token": known["device_token"]}
    assert (await (await come(8)).call("auth.login", **login, device=device))["session_id"]
    assert slept == []


async def test_guesses_of_a_stolen_session_do_not_stop_the_owner_from_changing_the_password(guessed: Cluster, person):
    login, _ = await known_account(guessed)
    owner = await from_address(guessed, "198.51.100.70", node="guessed")
    thief = await from_address(guessed, "198.51.100.71", node="guessed")
    for who in (owner, thief):
        await who.call("auth.login", **login)
        await who.expect("session.ready")
    change = {"old_password": "wrong password", "new_password": "another password"}
    assert await until_refused(lambda _: thief.answer("auth.change_password", change), 6) == 5
    assert await owner.call("auth.change_password", **{**change, "old_password": PASSWORD}) == {}


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
    # Closed without CONNECT_ERROR, so that the official client reconnects by itself.
    await third.happened("reconnect_attempt")
    assert (await alice.call("user.me"))["id"] == alice.id


async def test_calls_of_one_connection(person, node):
    alice = await person("alice", node=await node(limit_calls="5/minute"))
    answers = await asyncio.gather(*(alice.answer("system.ping") for _ in range(30)))
    refused = [answer["error"] for answer in answers if not answer["ok"]]
    assert 15 <= len(refused) <= 20
    assert all(error["code"] == "RESOURCE_EXHAUSTED" and error["retry_after_ms"] >= 1 for error in refused)


async def test_a_call_past_its_deadline_is_rolled_back(cluster: Cluster, person, node):
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


async def test_forwarding_headers_are_ignored_unless_the_proxy_is_trusted(limited: Cluster, person):
    from gateway.node import client_address

    proxies = limited.settings(trusted_proxies="10.0.0.0/8").proxies
    assert client_address("198.51.100.1", ["1.2.3.4"], proxies) == "198.51.100.1"
    assert client_address("10.0.0.1", ["1.2.3.4, 198.51.100.2"], proxies) == "198.51.100.2"
    assert client_address("10.0.0.1", ["1.2.3.4, 10.0.0.9"], proxies) == "1.2.3.4"
    assert client_address("10.0.0.1", ["garbage"], proxies) == "10.0.0.1"
