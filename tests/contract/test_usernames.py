"""Changes of usernames, the history of an account, and how it is protected."""

import asyncio

import pytest

from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.courier import Courier
from tests.people import Person


async def let_change(cluster: Cluster, person: Person) -> None:
    """Let 14 days pass since the last change of the username."""
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE accounts SET username_changed_at = now() - interval '14 days' WHERE user_id = $1", int(person.id)
    )
    await owner.close()


async def taken(cluster: Cluster, username: str) -> bool:
    guest = await cluster.guest()
    fields = {"email": f"{cluster.unique('new')}@example.org", "password": PASSWORD}
    answer = await guest.answer("auth.register", {"username": username, **fields})
    return not answer["ok"]


async def test_a_username_is_changed_and_the_former_one_reserved(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    bob = await person("bob")
    former, new = alice.name, cluster.unique("Mona")
    for _ in range(2):
        assert await alice.call("auth.change_username", username=new) == {}
    assert (await bob.call("user.get", username=new))["id"] == alice.id
    assert (await alice.call("user.me"))["display_name"] == new
    assert (await bob.refused("user.get", username=former)).code == "NOT_FOUND"
    assert await taken(cluster, former.upper())
    refused = await bob.refused("auth.change_username", username=former)
    assert (refused.code, refused.fields) == ("ALREADY_EXISTS", ["username"])
    await courier.send_account_mails()
    assert any(new in mail.body for mail in courier.mailed(f"{former}@example.org"))
    # At most once in 14 days; then the owner may take it back, and gives up the other.
    assert (await alice.refused("auth.change_username", username=former)).code == "FAILED_PRECONDITION"
    assert (await alice.call("auth.status"))["username_changes_at"].endswith("Z")
    await let_change(cluster, alice)
    assert (await alice.call("auth.status"))["username_changes_at"] is None
    await alice.call("auth.change_username", username=former)
    assert await taken(cluster, new)


async def test_a_reservation_ends_after_30_days(cluster: Cluster, person):
    alice, _ = await register(cluster)
    former = alice.name
    await alice.call("auth.change_username", username=cluster.unique("other"))
    owner = await cluster.owner()
    await owner.execute("UPDATE former_usernames SET until = now() WHERE user_id = $1", int(alice.id))
    await owner.close()
    bob, _ = await register(cluster)
    await bob.call("auth.change_username", username=former)
    assert (await alice.call("user.get", username=former))["id"] == bob.id


async def test_the_case_of_letters_may_be_changed_at_any_time(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("auth.change_username", username=alice.name.upper())
    await alice.call("auth.change_username", username=cluster.unique("other"))


@pytest.mark.parametrize("username", ["adm1n", "Support", "ab", "has space"])
async def test_names_that_cannot_be_registered_cannot_be_taken(cluster: Cluster, person, username: str):
    alice, _ = await register(cluster)
    assert (await alice.refused("auth.change_username", username=username)).fields == ["username"]


async def test_of_two_users_who_want_a_name_at_once_one_gets_it(cluster: Cluster, person):
    (alice, _), (bob, _) = await register(cluster), await register(cluster, node="b")
    wanted = cluster.unique("wanted")
    answers = await asyncio.gather(
        *(each.answer("auth.change_username", {"username": wanted}) for each in (alice, bob))
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    loser = alice if not answers[0]["ok"] else bob
    await loser.call("auth.change_username", username=cluster.unique("another"))  # the failed one does not count


async def test_a_registration_that_waits_for_a_name_finds_it_reserved(cluster: Cluster, person):
    alice, _ = await register(cluster)
    former = alice.name
    app = await cluster.as_app(alice.id)
    async with app.transaction():
        new = cluster.unique("new")
        assert await app.fetchval("SELECT change_username($1, $1)", new) == "changed"
        registering = asyncio.create_task(taken(cluster, former))
        owner = await cluster.owner()
        while not await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await asyncio.sleep(0.01)
        await owner.close()
    await app.close()
    assert await registering


async def test_the_history_tells_of_sign_ins_and_changes_without_places(cluster: Cluster, person):
    alice, _ = await register(cluster, device={"name": "Phone"})
    guest, login = await cluster.guest(), {"email": f"{alice.name}@example.org"}
    await guest.refused("auth.login", **login, password="a wrong password")
    await guest.call("auth.login", **login, password=PASSWORD, device={"name": "Laptop"})
    await guest.call("auth.change_password", old_password=PASSWORD, new_password="another long password")
    found = await guest.call("auth.history")
    assert [(item["action"], item["device"], item["current"]) for item in found["items"]] == [
        ("auth.change_password", None, False),
        ("auth.login", "Laptop", True),
        ("auth.login_failed", None, False),
        ("auth.register", "Phone", False),
    ]
    first = await guest.call("auth.history", limit=3)
    second = await guest.call("auth.history", limit=3, cursor=first["next_cursor"])
    assert first["items"] + second["items"] == found["items"]
    bob = await person("bob")
    assert (await bob.call("auth.history"))["items"] == []


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("197.32.5.77", "197.32.5.0/24"),
        ("2c0f:f698:1234:5678::1", "2c0f:f698:1234::/48"),
        ("127.0.0.1", None),
        ("unknown", None),
    ],
)
async def test_addresses_are_shown_as_networks(cluster: Cluster, person, ip: str, network: str | None):
    alice = await person("alice")
    owner = await cluster.owner()
    await owner.execute(
        "INSERT INTO audit (id, actor_id, action, resource, ip) VALUES ($1, $2, 'auth.login_failed', 'user:1', $3)",
        cluster.stores.ids.mint(), int(alice.id), ip,
    )  # fmt: skip
    await owner.close()
    assert [item["network"] for item in (await alice.call("auth.history"))["items"]] == [network]


async def test_the_state_of_credentials(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    email = f"{alice.name}@example.org"
    state = {"email": email, "second_factor": False, "recovery_codes_left": 0, "username_changes_at": None}
    assert await alice.call("auth.status") == {**state, "email_verified": False}
    await alice.call("auth.verify_email", code=await courier.code(email))
    assert await alice.call("auth.status") == {**state, "email_verified": True}
