"""The second factor: switching it on, signing in in two steps, and what attackers try."""

import asyncio
import datetime
from dataclasses import replace

import pyotp
import pytest

from domain import login_challenges, recovery_codes, totp
from domain.login_challenges import LoginChallenges
from domain.sealing import CannotUnseal, Sealing
from gateway.processes import set_role
from gateway.sealing import reseal_all
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.courier import Courier
from tests.people import CallFailed, Person

SECOND_FACTOR_METHODS = {
    "auth.confirm_login", "auth.enable_totp", "auth.confirm_totp", "auth.disable_totp", "auth.renew_recovery_codes",
    "auth.prove_second_factor",
}  # fmt: skip


class App:
    """An authenticator app, whose clock is the nodes': `later` sets it ahead by 30 s, for a code that is not spent."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = datetime.timedelta(0)
        for node in (cluster.node_a, cluster.node_b):
            services = replace(node.parts.services, now=self.now)
            monkeypatch.setattr(node.parts.dispatcher, "_services", services)
        self.secret = ""

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self._ahead

    def later(self, **period: int) -> None:
        self._ahead += datetime.timedelta(**(period or {"seconds": totp.STEP_S}))

    def code(self) -> str:
        return pyotp.TOTP(self.secret).at(self.now())

    def wrong(self) -> str:
        """A code of none of the steps that are accepted."""
        near = {pyotp.TOTP(self.secret).at(self.now(), counter_offset=shift) for shift in range(-3, 4)}
        return next(code for number in range(10) if (code := f"{number:06}") not in near)


@pytest.fixture
def app(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> App:
    return App(cluster, monkeypatch)


async def protected(cluster: Cluster, app: App) -> tuple[Person, list[str]]:
    """Return a user with a second factor, and the recovery codes."""
    alice, _ = await register(cluster)
    begun = await alice.call("auth.enable_totp", password=PASSWORD)
    app.secret = begun["secret"]
    assert pyotp.parse_uri(begun["uri"]).secret == begun["secret"]
    codes = (await alice.call("auth.confirm_totp", code=app.code()))["recovery_codes"]
    app.later()
    return alice, codes


async def challenged(cluster: Cluster, alice: Person, *, node: str = "a") -> tuple[Person, str]:
    """Return a guest who knows the password, and the challenge."""
    guest = await cluster.guest(node=node)
    answer = await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert answer.keys() == {"challenge", "challenge_expires_at"}
    return guest, answer["challenge"]


async def test_only_users_with_a_second_factor_become_staff(cluster: Cluster, app: App):
    mona, _ = await register(cluster)
    for_all = cluster.settings(host="0.0.0.0", staff_proof=60)
    await mona.call("auth.enable_totp", password=PASSWORD)  # not confirmed
    for role in ("moderator", "admin"):
        with pytest.raises(LookupError, match="second factor"):
            await set_role(for_all, mona.name, role)
    await set_role(for_all, mona.name, "creator")
    await set_role(cluster.settings(), mona.name, "moderator")  # on a laptop, staff need none
    alice, _ = await protected(cluster, app)
    await set_role(for_all, alice.name, "moderator")
    assert (await alice.call("case.list", limit=1))["items"] is not None


async def test_signing_in_takes_two_steps(cluster: Cluster, person, app: App, courier: Courier):
    alice, codes = await protected(cluster, app)
    assert len({*codes}) == 10
    guest, challenge = await challenged(cluster, alice)
    assert (await guest.refused("user.me")).code == "UNAUTHENTICATED"
    signed_in = await guest.call("auth.confirm_login", challenge=challenge, code=app.code())
    assert signed_in["user"]["id"] == alice.id
    assert (await guest.call("user.me"))["id"] == alice.id
    await courier.send_account_mails()
    titles = [mail.title for mail in courier.mailed(f"{alice.name}@example.org")]
    assert any("بخطوتين" in title for title in titles)


async def test_before_it_is_confirmed_it_protects_nothing(cluster: Cluster, person, app: App):
    alice, _ = await register(cluster)
    first = await alice.call("auth.enable_totp", password=PASSWORD)
    app.secret = (await alice.call("auth.enable_totp", password=PASSWORD))["secret"]
    assert app.secret != first["secret"]
    assert (await alice.refused("auth.enable_totp", password="a wrong password")).fields == ["password"]
    assert (await alice.refused("auth.confirm_totp", code=app.wrong())).fields == ["code"]
    guest = await cluster.guest()
    await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert (await alice.refused("auth.prove_second_factor", code=app.code())).code == "FAILED_PRECONDITION"


async def test_a_confirmation_whose_answer_was_lost_is_repeated_with_new_codes(cluster: Cluster, person, app: App):
    alice, _ = await register(cluster)
    app.secret = (await alice.call("auth.enable_totp", password=PASSWORD))["secret"]
    code = app.code()
    lost = await alice.call("auth.confirm_totp", code=code)
    codes = (await alice.call("auth.confirm_totp", code=code))["recovery_codes"]
    guest, challenge = await challenged(cluster, alice)
    old = await guest.refused("auth.confirm_login", challenge=challenge, code=lost["recovery_codes"][0])
    assert old.fields == ["code"]
    assert (await alice.refused("auth.enable_totp", password=PASSWORD)).code == "FAILED_PRECONDITION"
    await guest.call("auth.confirm_login", challenge=challenge, code=codes[0])


@pytest.mark.parametrize("since", ["a minute", "another code", "another session"])
async def test_no_other_confirmation_is_repeated(cluster: Cluster, person, app: App, since: str):
    """Otherwise a thief who saw a code that was used could get recovery codes by it."""
    alice, _ = await register(cluster)
    other = await cluster.again(alice)
    app.secret = (await alice.call("auth.enable_totp", password=PASSWORD))["secret"]
    code = app.code()
    await alice.call("auth.confirm_totp", code=code)
    if since == "a minute":
        owner = await cluster.owner()
        for table, column in (("second_factors", "confirmed_at"), ("sessions", "second_factor_at")):
            await owner.execute(
                f"UPDATE {table} SET {column} = {column} - interval '1 minute' WHERE user_id = $1", int(alice.id)
            )
        await owner.close()
    elif since == "another code":
        app.later()
        code = app.code()
        await other.call("auth.prove_second_factor", code=code)
    repeats = other if since == "another session" else alice
    assert (await repeats.refused("auth.confirm_totp", code=code)).code == "FAILED_PRECONDITION"


async def test_wrong_codes_of_a_confirmation_are_counted_and_audited(cluster: Cluster, person, app: App):
    alice, _ = await register(cluster)
    app.secret = (await alice.call("auth.enable_totp", password=PASSWORD))["secret"]
    code = app.code()
    await alice.call("auth.confirm_totp", code=code)
    for _ in range(5):
        assert (await alice.refused("auth.confirm_totp", code=app.wrong())).fields == ["code"]
    assert (await alice.refused("auth.confirm_totp", code=code)).code == "RESOURCE_EXHAUSTED"
    actions = [item["action"] for item in (await alice.call("auth.history"))["items"]]
    assert actions.count("auth.second_factor_failed") == 5


async def test_each_code_of_the_app_is_accepted_once(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    (guest, challenge), (thief, stolen) = [await challenged(cluster, alice, node=node) for node in ("a", "b")]
    code = app.code()
    answers = await asyncio.gather(
        guest.call("auth.confirm_login", challenge=challenge, code=code),
        thief.call("auth.confirm_login", challenge=stolen, code=code),
        return_exceptions=True,
    )
    [refused] = [answer for answer in answers if isinstance(answer, CallFailed)]
    assert refused.fields == ["code"]
    thief, stolen = await challenged(cluster, alice)
    assert (await thief.refused("auth.confirm_login", challenge=stolen, code=code)).fields == ["code"]
    app.later()
    # An earlier code, of the 30 seconds before, is not accepted after a later one.
    later, earlier = app.code(), pyotp.TOTP(app.secret).at(app.now(), counter_offset=-1)
    await thief.call("auth.confirm_login", challenge=stolen, code=later)
    guest, challenge = await challenged(cluster, alice)
    assert (await guest.refused("auth.confirm_login", challenge=challenge, code=earlier)).fields == ["code"]


async def test_a_clock_that_is_half_a_minute_wrong_is_tolerated(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    guest, challenge = await challenged(cluster, alice)
    far = pyotp.TOTP(app.secret).at(app.now(), counter_offset=2)
    assert (await guest.refused("auth.confirm_login", challenge=challenge, code=far)).fields == ["code"]
    near = pyotp.TOTP(app.secret).at(app.now(), counter_offset=1)
    await guest.call("auth.confirm_login", challenge=challenge, code=near)


async def test_guesses_are_blocked_for_longer_and_longer(cluster: Cluster, person, app: App):
    alice, codes = await protected(cluster, app)
    thief, challenge = await challenged(cluster, alice)
    for _ in range(5):
        assert (await thief.refused("auth.confirm_login", challenge=challenge, code=app.wrong())).fields == ["code"]
    blocked = await thief.refused("auth.confirm_login", challenge=challenge, code=app.code())
    assert blocked.code == "RESOURCE_EXHAUSTED"
    assert 20_000 < blocked.error["retry_after_ms"] <= 60_001
    # A thief does not lock out an owner who has a recovery code.
    guest, own = await challenged(cluster, alice)
    await guest.call("auth.confirm_login", challenge=own, code=codes[0].upper().replace("-", " "))
    # Signing in has unblocked the codes of the app.
    other, own = await challenged(cluster, alice, node="b")
    await other.call("auth.confirm_login", challenge=own, code=app.code())


async def test_tries_are_limited_by_session_and_at_a_sign_in_by_address(cluster: Cluster, person, app: App, node):
    alice, codes = await protected(cluster, app)
    wrong = "aaaa-aaaa-aaaa-aaaa"
    strict = await node(limit_second_factor_try="2/hour")
    thief, other = [await cluster.again(alice, node=strict) for _ in range(2)]
    guest, challenge = await challenged(cluster, alice, node=strict)
    for method, arguments, client in (
        ("auth.prove_second_factor", {}, thief),
        ("auth.confirm_login", {"challenge": challenge}, guest),
    ):
        for _ in range(2):
            assert (await client.refused(method, **arguments, code=wrong)).fields == ["code"]
        assert (await client.refused(method, **arguments, code=codes[0])).code == "RESOURCE_EXHAUSTED"
    for method in ("auth.renew_recovery_codes", "auth.confirm_totp"):
        assert (await thief.refused(method, code=codes[0])).code == "RESOURCE_EXHAUSTED"
    failed = [item["action"] for item in (await alice.call("auth.history"))["items"]].count("auth.second_factor_failed")
    assert failed == 4
    # The owner's other session is not concerned.
    await other.call("auth.prove_second_factor", code=codes[0])


async def test_the_wait_doubles_up_to_an_hour(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    owner = await cluster.owner()
    for failures, minutes in ((4, 1), (5, 2), (9, 32), (10, 60), (1_000_000, 60)):
        await owner.execute(
            "UPDATE second_factors SET failures = $2, blocked_until = NULL WHERE user_id = $1", int(alice.id), failures
        )
        assert (await alice.refused("auth.prove_second_factor", code=app.wrong())).fields == ["code"]
        waits = await owner.fetchval(
            "SELECT blocked_until - now() FROM second_factors WHERE user_id = $1", int(alice.id)
        )
        assert waits <= datetime.timedelta(minutes=minutes) < waits + datetime.timedelta(seconds=20)
    await owner.close()


async def test_many_guesses_at_once_are_counted_one_by_one(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    thieves = [await challenged(cluster, alice, node=node) for node in "abab"]
    answers = await asyncio.gather(
        *(
            thief.answer("auth.confirm_login", {"challenge": challenge, "code": app.wrong()})
            for thief, challenge in thieves * 3
        )
    )
    codes = [answer["error"]["code"] for answer in answers]
    assert codes.count("INVALID_ARGUMENT") == 5
    assert codes.count("RESOURCE_EXHAUSTED") == 7


async def test_a_lost_app_is_replaced_by_recovery_codes_each_once(cluster: Cluster, person, app: App, courier: Courier):
    alice, codes = await protected(cluster, app)
    guest, challenge = await challenged(cluster, alice)
    await guest.call("auth.confirm_login", challenge=challenge, code=codes[3])
    thief, challenge = await challenged(cluster, alice)
    assert (await thief.refused("auth.confirm_login", challenge=challenge, code=codes[3])).fields == ["code"]
    await courier.send_account_mails()
    assert any("رمز استرداد" in mail.title for mail in courier.mailed(f"{alice.name}@example.org"))
    renewed = (await guest.call("auth.renew_recovery_codes", code=codes[4]))["recovery_codes"]
    assert (await thief.refused("auth.confirm_login", challenge=challenge, code=codes[5])).fields == ["code"]
    await guest.call("auth.disable_totp", password=PASSWORD, code=renewed[0])
    again = await cluster.guest()
    signed_in = await again.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert signed_in["user"]["id"] == alice.id


async def test_of_two_uses_of_a_recovery_code_at_once_one_wins(cluster: Cluster, person, app: App):
    alice, codes = await protected(cluster, app)
    rivals = [await challenged(cluster, alice, node=node) for node in "ab"]
    answers = await asyncio.gather(
        *(rival.answer("auth.confirm_login", {"challenge": challenge, "code": codes[0]}) for rival, challenge in rivals)
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]


async def test_switching_it_off_needs_password_and_code(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    wrong = await alice.refused("auth.disable_totp", password="a wrong password", code=app.code())
    assert wrong.fields == ["password"]
    assert (await alice.refused("auth.disable_totp", password=PASSWORD, code=app.wrong())).fields == ["code"]
    for _ in range(2):
        assert await alice.call("auth.disable_totp", password=PASSWORD, code=app.code()) == {}


async def test_another_address_needs_a_code_which_is_spent(cluster: Cluster, person, app: App, courier: Courier):
    alice, codes = await protected(cluster, app)
    new = f"{cluster.unique('new')}@example.org"
    change = {"password": PASSWORD, "new_email": new}
    for wrong in ({}, {"code": app.wrong()}, {"code": "aaaaa-aaaaa-aaaaa-aaaa"}):
        assert (await alice.refused("auth.change_email", **change, **wrong)).fields == ["code"]
    await courier.send_account_mails()
    assert courier.mailed(new) == []
    code = app.code()
    answers = await asyncio.gather(*(alice.answer("auth.change_email", {**change, "code": code}) for _ in range(2)))
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    assert (await alice.refused("auth.change_email", **change, code=code)).fields == ["code"]
    guest, challenge = await challenged(cluster, alice)
    assert (await guest.refused("auth.confirm_login", challenge=challenge, code=code)).fields == ["code"]
    for accepted in (True, False):
        answer = await alice.answer("auth.change_email", {**change, "code": codes[0]})
        assert answer["ok"] is accepted
    await alice.call("auth.confirm_email", code=await courier.code(new))
    again = await cluster.guest()
    assert "challenge" in await again.call("auth.login", email=new, password=PASSWORD)


async def test_a_password_reset_does_not_bypass_it(cluster: Cluster, person, app: App, courier: Courier):
    alice, _ = await protected(cluster, app)
    email, new = f"{alice.name}@example.org", "another long password"
    guest = await cluster.guest()
    await guest.call("auth.request_password_reset", email=email)
    await guest.call("auth.reset_password", email=email, code=await courier.code(email), new_password=new)
    assert "challenge" in await guest.call("auth.login", email=email, password=new)
    assert (await guest.refused("user.me")).code == "UNAUTHENTICATED"


async def test_restoring_an_account_needs_it_too(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    await alice.call("account.delete", password=PASSWORD)
    guest, login = await cluster.guest(), {"email": f"{alice.name}@example.org", "password": PASSWORD}
    restoring = (await guest.call("account.cancel_delete", **login))["challenge"]
    signing_in = (await guest.call("auth.login", **login))["challenge"]
    refused = await guest.refused("auth.confirm_login", challenge=signing_in, code=app.code())
    assert refused.code == "FAILED_PRECONDITION"  # the account is still to be deleted
    restored = await guest.call("auth.confirm_login", challenge=restoring, code=app.code())
    assert restored["user"]["id"] == alice.id


async def test_a_challenge_ends_with_its_time_and_the_password(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    guest, challenge = await challenged(cluster, alice)
    for forged in ("", "x", challenge[:-1], challenge[:60] + "A" + challenge[61:], "é" * 20):
        assert (await guest.refused("auth.confirm_login", challenge=forged, code=app.code())).code == "UNAUTHENTICATED"
    app.later(minutes=6)
    late = await guest.refused("auth.confirm_login", challenge=challenge, code=app.code())
    assert late.code == "UNAUTHENTICATED"
    guest, challenge = await challenged(cluster, alice)
    await alice.call("auth.change_password", old_password=PASSWORD, new_password="another long password")
    changed = await guest.refused("auth.confirm_login", challenge=challenge, code=app.code())
    assert changed.code == "UNAUTHENTICATED"


async def test_codes_may_be_typed_in_arabic_digits(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    arabic = app.code().translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert await alice.call("auth.prove_second_factor", code=f"{arabic[:3]} {arabic[3:]}") == {}


async def test_secrets_and_recovery_codes_are_not_readable_in_the_database(cluster: Cluster, person, app: App):
    alice, codes = await protected(cluster, app)
    owner = await cluster.owner()
    row = await owner.fetchrow("SELECT sealed FROM second_factors WHERE user_id = $1", int(alice.id))
    hashes = await owner.fetch("SELECT code_hash FROM recovery_codes WHERE user_id = $1", int(alice.id))
    await owner.close()
    assert app.secret.encode() not in row["sealed"]
    assert {each["code_hash"] for each in hashes} == {recovery_codes.digest(code) for code in codes}


def test_sealed_secrets_belong_to_their_owner_and_keys_rotate():
    old, new = Sealing({"a": "x" * 32}), Sealing({"b": "y" * 32, "a": "x" * 32})
    sealed = old.seal(b"secret", "totp:1")
    assert new.unseal(sealed, "totp:1") == b"secret"
    assert (old.is_current(sealed), new.is_current(sealed)) == (True, False)
    assert old.seal(b"secret", "totp:1") != sealed
    for wrong in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:-20], b"", b"\0", new.seal(b"secret", "totp:1")):
        with pytest.raises(CannotUnseal):
            old.unseal(wrong, "totp:1")
    with pytest.raises(CannotUnseal):
        old.unseal(sealed, "totp:2")


async def test_a_sealed_secret_moves_to_the_first_key_when_it_is_used(cluster: Cluster, person, app: App):
    alice, _ = await protected(cluster, app)
    second_factors = cluster.node_a.parts.services.second_factors
    past = second_factors._sealing
    try:
        second_factors._sealing = Sealing({"new": "n" * 32, **cluster.settings().sealing})
        await alice.call("auth.prove_second_factor", code=app.code())
    finally:
        second_factors._sealing = past
    owner = await cluster.owner()
    sealed = await owner.fetchval("SELECT sealed FROM second_factors WHERE user_id = $1", int(alice.id))
    await owner.close()
    assert sealed.startswith(b"new\0")


async def test_all_secrets_are_sealed_anew_after_a_rotation(
    cluster: Cluster, person, app: App, monkeypatch: pytest.MonkeyPatch
):
    """Secrets of other tests are moved, too, and back. Some of them are no real ones."""
    monkeypatch.setattr("gateway.sealing.BATCH", 1)
    bob, _ = await protected(cluster, app)
    alice, _ = await protected(cluster, app)
    keys = ",".join(f"{key_id}:{secret}" for key_id, secret in cluster.settings().sealing.items())
    rotated = cluster.settings(sealing_keys=f"new:{'n' * 32},{keys}")
    owner = await cluster.owner()
    await owner.execute("UPDATE second_factors SET sealed = 'lost\\000x' WHERE user_id = $1", int(bob.id))
    try:
        moved, stuck = await reseal_all(rotated)
        assert (moved >= 1, stuck["lost"]) == (True, 1)
        sealed = await owner.fetchval("SELECT sealed FROM second_factors WHERE user_id = $1", int(alice.id))
        assert sealed.startswith(b"new\0")
        assert await reseal_all(rotated) == (0, stuck)
        second_factors = cluster.node_a.parts.services.second_factors
        monkeypatch.setattr(second_factors, "_sealing", Sealing({"new": "n" * 32}))  # without the old key
        await alice.call("auth.prove_second_factor", code=app.code())
    finally:
        await owner.execute("DELETE FROM second_factors WHERE user_id = $1", int(bob.id))
        await owner.close()
        back, still_stuck = await reseal_all(cluster.settings(sealing_keys=f"{keys},new:{'n' * 32}"))
    assert (back >= moved, "lost" in still_stuck) == (True, False)


def test_challenges_of_an_earlier_key_are_read():
    now = datetime.datetime.now(datetime.UTC)
    text, expires = LoginChallenges([b"old"]).make(7, "hash", now, restores=False)
    challenge = LoginChallenges([b"new", b"old"]).read(text, now)
    assert challenge is not None
    assert (challenge.user_id, challenge.password) == (7, login_challenges.digest("hash"))
    assert LoginChallenges([b"new"]).read(text, now) is None
    assert LoginChallenges([b"old"]).read(text, expires) is None
