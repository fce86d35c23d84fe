"""Codes by e-mail: verify an address, reset a password, change the address."""

import asyncio
import datetime
import re
from collections.abc import Callable

import pytest

from domain.one_time_codes import OneTimeCodes
from domain.passwords import Passwords
from senders.sender import Retry
from storage import database
from storage.one_time_codes import subject_of
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.courier import MINUTE, SECOND, Courier
from tests.faults import Held
from tests.people import CallFailed, Person

NEW = "another long password"
CODE_METHODS = {
    "auth.resend_verification", "auth.verify_email", "auth.request_password_reset", "auth.reset_password",
    "auth.change_email", "auth.confirm_email",
}  # fmt: skip


def address_of(person: Person) -> str:
    return f"{person.name}@example.org"


async def is_verified(cluster: Cluster, person: Person) -> bool:
    owner = await cluster.owner()
    try:
        return bool(await owner.fetchval("SELECT email_verified_at FROM accounts WHERE user_id = $1", int(person.id)))
    finally:
        await owner.close()


async def asked_for_reset(cluster: Cluster, courier: Courier, alice: Person) -> tuple[Person, str]:
    """Return a guest who has asked for a reset of Alice's password, and the code."""
    guest = await cluster.guest()
    assert await guest.call("auth.request_password_reset", email=address_of(alice)) == {}
    return guest, await courier.code(address_of(alice))


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


async def test_a_new_user_proves_the_address_by_a_code(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    code = await courier.code(address_of(alice))
    assert not await is_verified(cluster, alice)
    for _ in range(2):
        assert await alice.call("auth.verify_email", code=code) == {}
    assert await is_verified(cluster, alice)
    courier.mail.sent.clear()
    assert await alice.call("auth.resend_verification") == {}
    await courier.send_account_mails()
    assert courier.mailed(address_of(alice)) == []


async def test_codes_may_be_typed_in_arabic_digits_and_groups(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    code = (await courier.code(address_of(alice))).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    await alice.call("auth.verify_email", code=f"{code[:4]} {code[4:]}")
    assert await is_verified(cluster, alice)


@pytest.mark.parametrize("code", ["1234567", "123456789", "abcdefgh", "1234-567", "        "])
async def test_what_is_no_code_names_its_field(cluster: Cluster, person, code: str):
    alice = await person("alice")
    failed = await alice.refused("auth.verify_email", code=code)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["code"])


async def test_a_new_code_ends_the_last_one(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    first = await courier.code(address_of(alice))
    await alice.call("auth.resend_verification")
    second = await courier.code(address_of(alice))
    assert first != second
    assert (await alice.refused("auth.verify_email", code=first)).fields == ["code"]
    await alice.call("auth.verify_email", code=second)


async def test_a_code_cannot_be_tried_more_than_five_times(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    guest, code = await asked_for_reset(cluster, courier, alice)
    reset = {"email": address_of(alice), "new_password": NEW}
    for _ in range(5):
        assert (await guest.refused("auth.reset_password", **reset, code=other(code))).fields == ["code"]
    assert (await guest.refused("auth.reset_password", **reset, code=code)).fields == ["code"]
    owner = await cluster.owner()
    failed = await owner.fetchval(
        "SELECT count(*) FROM audit WHERE actor_id = $1 AND action = 'auth.reset_failed'", int(alice.id)
    )
    await owner.close()
    assert failed == 5


async def test_a_code_expires(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    guest, code = await asked_for_reset(cluster, courier, alice)
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE one_time_codes SET expires_at = now() WHERE user_id = $1 AND purpose = 'reset_password'", int(alice.id)
    )
    await owner.close()
    failed = await guest.refused("auth.reset_password", email=address_of(alice), code=code, new_password=NEW)
    assert failed.fields == ["code"]


async def test_a_reset_ends_all_sessions_and_opens_none(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    phone = await cluster.again(alice)
    guest, code = await asked_for_reset(cluster, courier, alice)
    reset = {"email": address_of(alice), "code": code, "new_password": NEW}
    assert await guest.call("auth.reset_password", **reset) == {}
    for device in (alice, phone):
        assert (await device.expect("session.revoked"))["reason"] == "password_changed"
    assert (await guest.refused("user.me")).code == "UNAUTHENTICATED"
    assert (await guest.refused("auth.login", email=address_of(alice), password=PASSWORD)).code == "UNAUTHENTICATED"
    # The answer was lost: the client repeats it. With another password, the used code does nothing.
    assert await guest.call("auth.reset_password", **reset) == {}
    third = {**reset, "new_password": "a third long password"}
    assert (await guest.refused("auth.reset_password", **third)).fields == ["code"]
    assert (await guest.call("auth.login", email=address_of(alice), password=NEW))["user"]["id"] == alice.id
    assert await is_verified(cluster, alice)  # who got the code reads the address


async def test_of_two_resets_with_one_code_at_once_one_wins(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    guest, code = await asked_for_reset(cluster, courier, alice)
    rival = await cluster.guest(node="b")
    passwords = {guest: "the first new password", rival: "the second new password"}
    answers = await asyncio.gather(
        *(
            each.call("auth.reset_password", email=address_of(alice), code=code, new_password=password)
            for each, password in passwords.items()
        ),
        return_exceptions=True,
    )
    won = [password for answer, password in zip(answers, passwords.values(), strict=True) if answer == {}]
    [lost] = [answer for answer in answers if isinstance(answer, CallFailed)]
    assert lost.fields == ["code"]
    assert (await guest.call("auth.login", email=address_of(alice), password=won[0]))["user"]["id"] == alice.id


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("auth.change_password", {"old_password": PASSWORD, "new_password": "a password of the thief"}),
        ("auth.change_email", {"password": PASSWORD, "new_email": "thief@example.org"}),
        ("auth.enable_totp", {"password": PASSWORD}),
        ("account.export", {"password": PASSWORD}),
        ("account.delete", {"password": PASSWORD}),
    ],
)
async def test_a_reset_stops_calls_that_have_verified_the_old_password(
    cluster: Cluster, person, courier: Courier, monkeypatch: pytest.MonkeyPatch, method: str, arguments: dict[str, str]
):
    alice, _ = await register(cluster)
    thief = await cluster.again(alice, node="b")
    guest, code = await asked_for_reset(cluster, courier, alice)
    parts = cluster.node_b.parts
    monkeypatch.setattr(parts.members, "of_session", lambda _: ())  # the node has not heard of the revocation yet
    verifies = Held(monkeypatch, parts.services.passwords, "verify", behind=True)
    stealing = asyncio.create_task(thief.answer(method, arguments))
    await verifies.done.wait()
    await guest.call("auth.reset_password", email=address_of(alice), code=code, new_password=NEW)
    verifies.go.set()
    assert (await stealing)["error"]["code"] in ("UNAUTHENTICATED", "INVALID_ARGUMENT")
    assert (await guest.call("auth.login", email=address_of(alice), password=NEW))["user"]["id"] == alice.id


class Watched:
    """The statements and password hashes of calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work: list[str] = []
        traced, run = database._traced, Passwords._run

        def note(statement: str, work):
            if any(word in statement for word in ("_code", "INTO audit", "password_hash", "account_for_login")):
                self.work.append(re.sub(r"\s+", " ", statement))
            return traced(statement, work)

        async def hash_noted(passwords: Passwords, work: Callable[[], object]):
            self.work.append("bcrypt")
            return await run(passwords, work)

        monkeypatch.setattr(database, "_traced", note)
        monkeypatch.setattr(Passwords, "_run", hash_noted)

    def taken(self) -> list[str]:
        work, self.work = self.work, []
        return work


async def test_nothing_tells_whether_an_address_has_an_account(
    cluster: Cluster, person, courier: Courier, monkeypatch: pytest.MonkeyPatch
):
    """The answers are the same, and so is the work, on which the time depends."""
    alice, _ = await register(cluster)
    guest = await cluster.guest()
    nobody = f"{cluster.unique('nobody')}@example.org"
    watched = Watched(monkeypatch)
    for method, more in (
        ("auth.request_password_reset", {}),
        ("auth.reset_password", {"code": "00000000", "new_password": NEW}),
        ("auth.login", {"password": "a wrong password"}),
    ):
        seen = []
        for email in (address_of(alice), nobody):
            answer = await guest.answer(method, {"email": email, **more})
            answer.get("error", {}).pop("request_id", None)
            seen.append((answer, watched.taken()))
        assert seen[0] == seen[1], method
        assert seen[0][1], method
    await courier.send_account_mails()
    assert courier.mailed(nobody) == []
    owner = await cluster.owner()
    rows = await owner.fetch(
        """SELECT count(*) FROM account_mails WHERE kind = 'reset_password'
        AND (user_id = $1 OR outcome = 'no account has the address') GROUP BY user_id IS NULL""",
        int(alice.id),
    )
    await owner.close()
    assert len(rows) == 2  # a row of each


async def test_failures_are_audited_without_the_address_or_its_hash(cluster: Cluster, person):
    """Audit rows outlive an erasure: a list of addresses must not find the account that had one of them."""
    alice, _ = await register(cluster)
    guest = await cluster.guest()
    owner = await cluster.owner()
    failed = "SELECT count(*) FROM audit WHERE actor_id = $1 AND resource = $2 AND action LIKE '%_failed'"
    named = "SELECT count(*) FROM audit a WHERE strpos(a::text, $1) > 0 OR strpos(a::text, $2) > 0"
    for email in (address_of(alice), f"{cluster.unique('nobody')}@example.org"):
        await guest.refused("auth.login", email=email, password="a wrong password")
        await guest.call("auth.request_password_reset", email=email)
        await guest.refused("auth.reset_password", email=email, code="00000000", new_password=NEW)
        assert await owner.fetchval(named, email, subject_of(email)) == 0
    assert await owner.fetchval(failed, int(alice.id), f"user:{alice.id}") == 2
    await owner.close()


async def test_the_database_never_holds_a_code(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    _, code = await asked_for_reset(cluster, courier, alice)
    owner = await cluster.owner()
    for table in ("one_time_codes", "account_mails", "outbox", "audit"):
        assert not await owner.fetchval(f"SELECT EXISTS (SELECT FROM {table} t WHERE t::text LIKE $1)", f"%{code}%")
    await owner.close()


def test_codes_of_an_earlier_key_are_recognised():
    old, new = OneTimeCodes([b"old"]), OneTimeCodes([b"new", b"old"])
    assert new.is_right(7, old.code(7))
    assert new.is_right(7, new.code(7))
    assert not old.is_right(7, new.code(7))
    assert not new.is_right(8, old.code(7))


async def test_an_address_is_changed_by_a_code_that_the_new_one_gets(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    new = f"{cluster.unique('new')}@example.org"
    assert (await alice.refused("auth.change_email", password="wrong password", new_email=new)).fields == ["password"]
    assert await alice.call("auth.change_email", password=PASSWORD, new_email=new) == {}
    guest, reset_code = await asked_for_reset(cluster, courier, alice)
    code = await courier.code(new)
    for _ in range(2):
        assert await alice.call("auth.confirm_email", code=code) == {}
    courier.mail.sent.clear()
    await courier.send_account_mails()
    [notice] = courier.mailed(address_of(alice))
    assert not re.search(r"\d{8}", notice.body)
    assert (await guest.refused("auth.login", email=address_of(alice), password=PASSWORD)).code == "UNAUTHENTICATED"
    reset = {"email": address_of(alice), "code": reset_code, "new_password": NEW}
    assert (await guest.refused("auth.reset_password", **reset)).fields == ["code"]  # it went to the former address
    assert (await guest.call("auth.login", email=new, password=PASSWORD))["user"]["id"] == alice.id
    assert await is_verified(cluster, alice)


async def test_the_address_of_another_account_gets_no_code(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    bob, _ = await register(cluster)
    courier.mail.sent.clear()
    await courier.send_account_mails()
    sent = len(courier.mailed(address_of(bob)))
    assert await alice.call("auth.change_email", password=PASSWORD, new_email=address_of(bob)) == {}
    await courier.send_account_mails()
    assert len(courier.mailed(address_of(bob))) == sent


async def test_an_address_that_was_taken_meanwhile_is_not_used(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    username = cluster.unique("fast")
    await alice.call("auth.change_email", password=PASSWORD, new_email=f"{username}@example.org")
    code = await courier.code(f"{username}@example.org")
    await register(cluster, username=username, email=f"{username.upper()}@example.org")
    assert (await alice.refused("auth.confirm_email", code=code)).fields == ["code"]
    guest = await cluster.guest()
    assert (await guest.call("auth.login", email=address_of(alice), password=PASSWORD))["user"]["id"] == alice.id


async def test_a_code_of_one_purpose_serves_no_other(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    code = await courier.code(address_of(alice))
    guest = await cluster.guest()
    await guest.call("auth.request_password_reset", email=address_of(alice))
    failed = await guest.refused("auth.reset_password", email=address_of(alice), code=code, new_password=NEW)
    assert failed.fields == ["code"]
    bob, _ = await register(cluster)
    assert (await bob.refused("auth.verify_email", code=code)).fields == ["code"]


async def test_a_mail_is_sent_again_while_the_server_asks_for_it(cluster: Cluster, person, courier: Courier):
    await courier.send_account_mails()
    alice, _ = await register(cluster)
    courier.mail.outcomes = [Retry(300.0, "4.7.1")]
    code = await courier.code(address_of(alice))
    await courier.send_account_mails()
    assert len(courier.mailed(address_of(alice))) == 1
    courier.advance(2 * MINUTE + SECOND)
    assert await courier.code(address_of(alice)) == code
    assert len(courier.mailed(address_of(alice))) == 2
    assert all(mail.urgent and mail.is_about_account for mail in courier.mailed(address_of(alice)))


async def test_an_expired_mail_is_not_sent(cluster: Cluster, person, courier: Courier):
    alice, _ = await register(cluster)
    courier.advance(datetime.timedelta(minutes=16))
    await courier.send_account_mails()
    assert courier.mailed(address_of(alice)) == []


async def test_codes_are_limited_by_account_known_or_not(cluster: Cluster, person, node):
    name = await node(limit_code="2/hour", limit_code_try="1/hour")
    alice, _ = await register(cluster, node=name)
    for email in (address_of(alice), f"{cluster.unique('nobody')}@example.org"):
        guest = await cluster.guest(node=name)
        for _ in range(2):
            await guest.call("auth.request_password_reset", email=email)
        assert (await guest.refused("auth.request_password_reset", email=email)).code == "RESOURCE_EXHAUSTED"
        reset = {"email": email, "code": "00000000", "new_password": NEW}
        assert (await guest.refused("auth.reset_password", **reset)).code == "INVALID_ARGUMENT"
        assert (await guest.refused("auth.reset_password", **reset)).code == "RESOURCE_EXHAUSTED"


async def test_codes_are_limited_by_network_address(cluster: Cluster, person, node):
    name = await node(limit_code_address="1/hour", limit_code_try_address="1/hour", limit_loopback=True)
    guest = await cluster.guest(node=name)
    reset = {"code": "00000000", "new_password": NEW}
    for wanted in ("ok", "RESOURCE_EXHAUSTED"):
        email = f"{cluster.unique('nobody')}@example.org"
        answer = await guest.answer("auth.request_password_reset", {"email": email})
        assert answer.get("error", {"code": "ok"})["code"] == wanted
        answer = await guest.answer("auth.reset_password", {"email": email, **reset})
        assert answer["error"]["code"] == ("INVALID_ARGUMENT" if wanted == "ok" else wanted)


async def test_a_reset_refuses_common_passwords(cluster: Cluster, person):
    guest = await cluster.guest()
    reset = {"email": "a@example.org", "code": "00000000", "new_password": "Password1"}
    assert (await guest.refused("auth.reset_password", **reset)).fields == ["new_password"]
