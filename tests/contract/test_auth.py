"""Accounts and sessions through the socket."""

import asyncio
import datetime

import msgspec
import pytest

from protocol.rpc import methods
from storage import accounts, users
from tests.cluster import Cluster
from tests.faults import Held

PASSWORD = "كلمة سر طويلة"


async def register(cluster: Cluster, *, node="a", kind="python-msgpack", **fields):
    """Register a guest; return their client and the answer."""
    guest = await cluster.guest(node=node, kind=kind)
    username = cluster.unique("user")
    fields = {"username": username, "email": f"{username}@example.org", "password": PASSWORD, **fields}
    answer = await guest.call("auth.register", **fields)
    await guest.expect("session.ready")
    guest.id, guest.name = answer["user"]["id"], answer["user"]["username"]
    return guest, answer


async def test_registering_signs_the_same_socket_in(cluster: Cluster, person):
    guest, answer = await register(cluster)
    assert (await guest.call("user.me"))["id"] == answer["user"]["id"]
    assert (await guest.refused("auth.login", email="a@example.org", password=PASSWORD)).code == "FAILED_PRECONDITION"
    assert answer["user"]["viewer"] == {
        "follows": False, "followed_by": False, "requested": False, "blocks": False, "mutes": False
    }  # fmt: skip
    for time in ("access_expires_at", "refresh_expires_at"):
        assert answer[time].endswith("Z")


async def test_usernames_and_emails_are_unique_regardless_of_case(cluster: Cluster, person):
    taken, answer = await register(cluster)
    guest = await cluster.guest()
    failed = await guest.refused(
        "auth.register", username=answer["user"]["username"].upper(), email="new@example.org", password=PASSWORD
    )
    assert (failed.code, failed.fields) == ("ALREADY_EXISTS", ["username"])
    failed = await guest.refused(
        "auth.register", username=cluster.unique("x"), email=f"{taken.name.upper()}@Example.org", password=PASSWORD
    )
    assert (failed.code, failed.fields) == ("ALREADY_EXISTS", ["email"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "has space"),
        ("username", "قمر"),
        ("username", "line\n"),
        ("username", "x" * 31),
        ("email", "no-at-sign"),
        ("email", "a@b"),
        ("password", "1234567"),
        ("password", "x" * 129),
        ("birth_date", "2020-01-01"),
        ("birth_date", "not a date"),
        ("birth_date", "2999-01-01"),
        ("birth_date", "0001-01-01"),
        ("locale", "!!"),
        ("device", {"name": "x" * 101}),
        ("device", {"unknown": 1}),
        ("device", "phone"),
    ],
)
async def test_a_refused_registration_names_the_field(cluster: Cluster, person, field, value):
    guest = await cluster.guest()
    username = cluster.unique("bad")
    fields = {"username": username, "email": f"{username}@example.org", "password": PASSWORD, field: value}
    failed = await guest.refused("auth.register", **fields)
    assert failed.code == "INVALID_ARGUMENT"
    assert failed.fields[0].split(".")[0] in (field, "name")


def test_who_may_call_account_methods_and_which_limits_apply():
    """Those that end sessions are charged to a session: an attacker in another one must not be able to block them."""
    assert {
        each.name: (each.anonymous, each.by_session, each.reads, each.limit, [limit.name for limit in each.counts])
        for each in methods
        if each.handler.__module__ in ("handlers.auth", "handlers.sessions")
    } == {
        "auth.register": (True, False, False, None, ["register"]),
        "auth.login": (True, False, False, None, ["login", "login_address"]),
        "auth.confirm_login": (True, False, False, None, ["second_factor_try"]),
        "auth.refresh": (True, True, False, None, ["refresh"]),
        "auth.logout": (False, True, False, None, []),
        "auth.change_password": (False, True, False, None, ["login"]),
        "session.list": (False, True, True, None, []),
        "session.revoke": (False, True, False, None, []),
    }


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"password": "Password1"}, "INVALID_ARGUMENT", "password"),
        ({"username": "adm1n"}, "ALREADY_EXISTS", "username"),
    ],
)
async def test_common_passwords_and_reserved_names_are_refused(cluster: Cluster, person, fields, code, field):
    guest = await cluster.guest()
    username = cluster.unique("user")
    plain = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
    failed = await guest.refused("auth.register", **{**plain, **fields})
    assert (failed.code, failed.fields) == (code, [field])
    alice, _ = await register(cluster)
    failed = await alice.refused("auth.change_password", old_password=PASSWORD, new_password="Password1")
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["new_password"])


async def test_a_user_who_is_signed_in_cannot_register(cluster: Cluster, person):
    alice, _ = await register(cluster)
    username = cluster.unique("second")
    fields = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
    assert (await alice.refused("auth.register", **fields)).code == "FAILED_PRECONDITION"


async def test_devices_without_a_fingerprint_share_no_limit(cluster: Cluster, person, node):
    strict = await node(limit_register="1/hour")
    for _ in range(2):
        await register(cluster, node=strict, device={"name": "phone"})
    await register(cluster, node=strict, device={"fingerprint": cluster.unique("phone")})


async def test_minors_are_private_and_children_refused(cluster: Cluster, person):
    _, answer = await register(cluster, birth_date="2011-01-01")
    assert answer["user"]["is_private"] is True
    today = datetime.datetime.now(datetime.UTC).date()
    of_age_now = datetime.date(today.year - 18, today.month, min(today.day, 28))
    _, answer = await register(cluster, birth_date=of_age_now.isoformat())
    assert answer["user"]["is_private"] is False
    _, answer = await register(cluster, birth_date="1990-05-05")
    assert answer["user"]["is_private"] is False


async def test_signing_in_and_out_again(cluster: Cluster, person):
    alice, first = await register(cluster)
    guest = await cluster.guest(node="b", kind="python-json")
    email = f"{alice.name}@example.org"
    assert (await guest.refused("auth.login", email=email, password="wrong password")).code == "UNAUTHENTICATED"
    assert (await guest.refused("auth.login", email="nobody@example.org", password=PASSWORD)).code == "UNAUTHENTICATED"
    second = await guest.call("auth.login", email=email.upper(), password=PASSWORD, device={"name": "phone"})
    await guest.expect("session.ready")

    sessions = (await alice.call("session.list"))["items"]
    assert {session["id"]: session["current"] for session in sessions} == {
        first["session_id"]: True,
        second["session_id"]: False,
    }
    assert sessions[0]["device"] == "phone"

    assert await guest.call("auth.logout") == {}
    await guest.happened("disconnect")
    assert guest.heard("session.revoked") == []  # the caller knows why
    assert [session["id"] for session in (await alice.call("session.list"))["items"]] == [first["session_id"]]


async def test_revoking_a_session_disconnects_its_sockets_on_another_node(cluster: Cluster, person):
    alice = await person("alice", node="a")
    other = await cluster.again(alice, node="b")
    [session] = [s for s in (await alice.call("session.list"))["items"] if not s["current"]]
    assert await alice.call("session.revoke", session_id=session["id"]) == {}
    assert (await other.expect("session.revoked"))["reason"] == "revoked"
    await other.happened("disconnect")
    assert (await alice.refused("session.revoke", session_id="1")).code == "NOT_FOUND"


async def test_a_user_cannot_revoke_other_users_sessions(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    [session] = (await bob.call("session.list"))["items"]
    assert (await alice.refused("session.revoke", session_id=session["id"])).code == "NOT_FOUND"
    assert (await bob.call("user.me"))["id"] == bob.id


async def test_a_new_password_ends_the_other_sessions(cluster: Cluster, person):
    alice, _ = await register(cluster)
    other = await cluster.again(alice, node="b")
    failed = await alice.refused("auth.change_password", old_password="wrong password", new_password="new password")
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["old_password"])
    assert await alice.call("auth.change_password", old_password=PASSWORD, new_password="new password") == {}
    assert (await other.expect("session.revoked"))["reason"] == "password_changed"
    assert (await alice.call("user.me"))["id"] == alice.id
    guest = await cluster.guest()
    email = f"{alice.name}@example.org"
    assert (await guest.refused("auth.login", email=email, password=PASSWORD)).code == "UNAUTHENTICATED"
    assert (await guest.call("auth.login", email=email, password="new password"))["user"]["id"] == alice.id


async def test_a_lost_refresh_answer_can_be_requested_again(cluster: Cluster, person):
    alice, first = await register(cluster)
    second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    again = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    assert again["refresh_token"] == second["refresh_token"] != first["refresh_token"]
    third = await alice.call("auth.refresh", refresh_token=second["refresh_token"])
    assert third["refresh_token"] != second["refresh_token"]
    assert (await alice.call("user.me"))["id"] == alice.id


async def test_a_refresh_token_whose_successor_was_used_revokes_the_session_on_all_nodes(cluster: Cluster, person):
    alice, first = await register(cluster, node="a")
    other = cluster.new_client(alice.name, "js-json")
    await cluster.connect(other, node="b", codec="json", token=first["access_token"])
    second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    await alice.call("auth.refresh", refresh_token=second["refresh_token"])
    thief = await cluster.guest(node="b")
    failed = await thief.refused("auth.refresh", refresh_token=first["refresh_token"])
    assert failed.code == "UNAUTHENTICATED"
    for victim in (alice, other):
        assert (await victim.expect("session.revoked"))["reason"] == "reused"
        await victim.happened("disconnect")
    assert (await thief.refused("auth.refresh", refresh_token=second["refresh_token"])).code == "UNAUTHENTICATED"


async def test_without_leeway_any_reuse_revokes(cluster: Cluster, person, node):
    alice, first = await register(cluster, node=await node(refresh_leeway=0))
    await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    assert (await alice.refused("auth.refresh", refresh_token=first["refresh_token"])).code == "UNAUTHENTICATED"
    assert (await alice.expect("session.revoked"))["reason"] == "reused"


@pytest.mark.parametrize("token", ["", "x", "1.", ".x", "1.x", "١.x", "9" * 30 + ".x", "1\x00.x"])
async def test_invalid_refresh_tokens(cluster: Cluster, person, token):
    guest = await cluster.guest()
    assert (await guest.refused("auth.refresh", refresh_token=token)).code in ("UNAUTHENTICATED", "INVALID_ARGUMENT")


async def test_a_forged_refresh_token_does_not_count_for_its_session(cluster: Cluster, person, node):
    """Otherwise whoever knows the id of a session could stop its owner from refreshing it."""
    alice, first = await register(cluster, node=await node(limit_refresh="1/hour"))
    _, _, proof = first["refresh_token"].partition(".")
    forged = f"{first['session_id']}.{'x' * len(proof.partition('.')[0])}.{proof.partition('.')[2]}"
    for _ in range(2):
        assert (await alice.refused("auth.refresh", refresh_token=forged)).code == "UNAUTHENTICATED"
    assert (await alice.call("auth.refresh", refresh_token=first["refresh_token"]))["session_id"] == first["session_id"]


async def test_account_actions_leave_audit_rows_without_secrets(cluster: Cluster, person):
    alice, answer = await register(cluster)
    await alice.call("auth.refresh", refresh_token=answer["refresh_token"])
    guest = await cluster.guest()
    await guest.refused("auth.login", email=f"{alice.name}@example.org", password="wrong password")
    await alice.call("auth.change_password", old_password=PASSWORD, new_password="another password")
    await alice.call("auth.logout")
    owner = await cluster.owner()
    rows = await owner.fetch("SELECT * FROM audit WHERE actor_id = $1 ORDER BY id", int(alice.id))
    await owner.close()
    assert [row["action"] for row in rows] == [
        "auth.register",
        "auth.refresh",
        "auth.login_failed",
        "auth.change_password",
        "auth.logout",
    ]
    assert all(row["ip"] == "127.0.0.1" for row in rows)
    assert answer["refresh_token"] not in str([tuple(row) for row in rows])


async def test_stored_secrets_are_hashes(cluster: Cluster, person, real_password_cost):
    alice, answer = await register(cluster)
    owner = await cluster.owner()
    account = await owner.fetchrow("SELECT * FROM accounts WHERE user_id = $1", int(alice.id))
    session = await owner.fetchrow("SELECT * FROM sessions WHERE id = $1", int(answer["session_id"]))
    await owner.close()
    assert account["password_hash"].startswith("$2b$12$")
    assert PASSWORD not in str(tuple(account))
    assert answer["refresh_token"].partition(".")[2] not in str(tuple(session))


async def test_tokens_of_an_old_key_are_valid_until_it_is_removed(cluster: Cluster, person, node):
    keys = cluster.settings().keys
    [(old_id, old_secret)] = keys.items()
    both = f"new:{'n' * 40},{old_id}:{old_secret}"
    rotated, retired = await node(token_keys=both), await node(token_keys=f"new:{'n' * 40}")
    alice = await person("alice")
    other = cluster.new_client(alice.name, "python-json")
    await cluster.connect(other, node=rotated, codec="json", token=alice.token)
    assert (await other.call("user.me"))["id"] == alice.id
    third = cluster.new_client(alice.name, "js-json")
    await third.connect(cluster.url(retired), "json", {"token": alice.token})
    assert (await third.happened("connect_error"))["data"]["reason"] == "malformed"


async def rotated(cluster: Cluster, session_id: str, seconds_ago: float) -> None:
    """Pretend that the session's refresh token was used that long ago."""
    owner = await cluster.owner()
    moment = "now() - make_interval(secs => $2)"
    await owner.execute(f"UPDATE sessions SET rotated_at = {moment} WHERE id = $1", int(session_id), seconds_ago)
    await owner.close()


async def test_a_used_refresh_token_is_accepted_only_within_the_leeway(cluster: Cluster, person, node):
    hour = await node(refresh_leeway=3_600)
    alice, first = await register(cluster, node=hour)
    second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    await rotated(cluster, first["session_id"], 3_500)
    again = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    assert again["refresh_token"] == second["refresh_token"]
    await rotated(cluster, first["session_id"], 3_601)
    assert (await alice.refused("auth.refresh", refresh_token=first["refresh_token"])).code == "UNAUTHENTICATED"
    assert (await alice.expect("session.revoked"))["reason"] == "reused"
    guest = await cluster.guest(node=hour)
    failed = await guest.refused("auth.refresh", refresh_token=second["refresh_token"])
    assert failed.code == "UNAUTHENTICATED"


async def test_the_leeway_is_ten_seconds(cluster: Cluster, person):
    alice, first = await register(cluster)
    await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    await rotated(cluster, first["session_id"], 10.1)
    assert (await alice.refused("auth.refresh", refresh_token=first["refresh_token"])).code == "UNAUTHENTICATED"
    assert cluster.settings().refresh_leeway == 10


async def test_an_expired_session_cannot_be_refreshed(cluster: Cluster, person):
    alice, first = await register(cluster)
    owner = await cluster.owner()
    await owner.execute("UPDATE sessions SET expires_at = now() WHERE id = $1", int(first["session_id"]))
    await owner.close()
    assert (await alice.refused("auth.refresh", refresh_token=first["refresh_token"])).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("ended", ["revoked", "expired", "user gone"])
async def test_a_refresh_looks_at_the_session_itself_too(cluster: Cluster, person, monkeypatch, ended):
    """Row policies hide ended sessions and users from it already; that is another lock."""
    alice, first = await register(cluster)
    now = datetime.datetime.now(datetime.UTC)
    changes = {"revoked": {"revoked_at": now}, "expired": {"expires_at": now - datetime.timedelta(seconds=1)}}
    lock_session = accounts.lock_session

    async def lock(tx, session_id):
        return {**await lock_session(tx, session_id), **changes.get(ended, {})}

    async def load_none(tx, user_id):
        return None

    monkeypatch.setattr(accounts, "lock_session", lock)
    if ended == "user gone":
        monkeypatch.setattr(users, "load_one", load_none)
    failed = await alice.refused("auth.refresh", refresh_token=first["refresh_token"])
    assert (failed.code, failed.error["message"]) == ("UNAUTHENTICATED", "the session has ended: sign in again")


async def test_nobody_signs_in_to_an_account_that_is_gone(cluster: Cluster, person, monkeypatch):
    """It went while the password was verified."""
    alice, _ = await register(cluster)

    async def load_none(tx, user_id):
        return None

    monkeypatch.setattr(users, "load_one", load_none)
    guest = await cluster.guest()
    failed = await guest.refused("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert failed.code == "UNAUTHENTICATED"


async def test_a_password_that_is_changed_while_a_login_verifies_it_opens_no_session(
    cluster: Cluster, person, monkeypatch
):
    alice, _ = await register(cluster)
    verifies = Held(monkeypatch, cluster.node_b.parts.services.passwords, "verify", behind=True)
    guest = await cluster.guest(node="b")
    coming = asyncio.create_task(
        guest.answer("auth.login", {"email": f"{alice.name}@example.org", "password": PASSWORD})
    )
    await verifies.done.wait()
    await alice.call("auth.change_password", old_password=PASSWORD, new_password="another password")
    verifies.go.set()
    assert (await coming)["error"]["code"] == "UNAUTHENTICATED"
    assert len((await alice.call("session.list"))["items"]) == 1


async def test_sessions_are_listed_in_pages_newest_first(cluster: Cluster, person):
    alice, first = await register(cluster)
    others = [await cluster.again(alice) for _ in range(4)]
    sessions = {first["session_id"], *(str(each) for each in sessions_of(cluster, others))}
    newest_first = sorted(sessions, key=int, reverse=True)
    page = await alice.call("session.list", limit=3)
    rest = await alice.call("session.list", limit=3, cursor=page["next_cursor"])
    assert [item["id"] for item in page["items"]] == newest_first[:3]
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == (newest_first[3:], None)
    items = (await alice.call("session.list"))["items"]
    assert [item["id"] for item in items if item["current"]] == [first["session_id"]]
    assert len(items) == 5


def sessions_of(cluster: Cluster, people) -> set[int]:
    return {member.session_id for who in people for member in cluster.node_b.parts.members.of_user(int(who.id))}


async def test_a_refresh_extends_only_sockets_of_its_own_session(cluster: Cluster, person):
    alice, first = await register(cluster)
    bob = await person("bob")
    sockets = [*cluster.node_a.parts.members.of_user(int(alice.id)), *cluster.node_a.parts.members.of_user(int(bob.id))]
    for socket in sockets:
        earlier = socket.viewer.expires_at - datetime.timedelta(minutes=5)
        socket.viewer = msgspec.structs.replace(socket.viewer, expires_at=earlier)
    hers, of_bob = (socket.viewer for socket in sockets)
    second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    assert sockets[0].viewer.expires_at - hers.expires_at >= datetime.timedelta(minutes=5)
    assert sockets[0].viewer.session_id == hers.session_id
    await bob.call("auth.refresh", refresh_token=second["refresh_token"])
    assert sockets[1].viewer == of_bob
    guest = await cluster.guest()
    third = await alice.call("auth.refresh", refresh_token=second["refresh_token"])
    await guest.call("auth.refresh", refresh_token=third["refresh_token"])
    assert (await guest.refused("user.me")).code == "UNAUTHENTICATED"


async def test_token_lifetimes_and_that_each_refresh_renews_the_session(cluster: Cluster, person):
    alice, first = await register(cluster)
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE sessions SET expires_at = now() + interval '1 hour' WHERE id = $1", int(first["session_id"])
    )
    second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
    left = await owner.fetchval("SELECT expires_at - now() FROM sessions WHERE id = $1", int(first["session_id"]))
    await owner.close()
    assert abs(left - datetime.timedelta(days=30)) < datetime.timedelta(hours=1)
    for answer in (first, second):
        access, refresh = (
            datetime.datetime.fromisoformat(answer[f"{kind}_expires_at"]) for kind in ("access", "refresh")
        )
        apart = datetime.timedelta(days=30) - datetime.timedelta(minutes=15)
        assert abs(refresh - access - apart) < datetime.timedelta(minutes=5)
