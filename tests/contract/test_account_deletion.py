"""Deleting an account: hidden at once, and restored by cancelling in time."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from babel.dates import format_date

from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.courier import Courier


async def test_a_deleted_account_is_hidden_and_signed_out_at_once(cluster: Cluster, person):
    alice, answer = await register(cluster)
    other = await cluster.again(alice, node="b")
    post = await alice.call("post.create", text="hello")
    bob = await person("bob", node="b")
    assert (await bob.call("post.get", post_id=post["id"]))["id"] == post["id"]
    assert (await alice.call("account.delete", password=PASSWORD))["erase_at"].endswith("Z")
    await alice.happened("disconnect")
    assert (await other.expect("session.revoked"))["reason"] == "revoked"
    await other.happened("disconnect")
    for method, arguments in (("post.get", {"post_id": post["id"]}), ("user.get", {"user_id": alice.id})):
        assert (await bob.refused(method, **arguments)).code == "NOT_FOUND"
    guest = await cluster.guest()
    refresh = await guest.refused("auth.refresh", refresh_token=answer["refresh_token"])
    assert refresh.code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("locale", "timezone", "words"),
    [
        ("ar-EG", "Africa/Cairo", ("يُحذف نهائيًا", "استعادة الحساب")),
        ("en-GB", "Pacific/Kiritimati", ("erased", "restore it")),
    ],
)
async def test_a_mail_tells_when_the_account_is_erased_and_how_to_keep_it(
    cluster: Cluster, person, courier: Courier, locale: str, timezone: str, words: tuple[str, ...]
):
    alice, _ = await register(cluster)
    await alice.call("settings.update", locale=locale, timezone=timezone)
    await courier.send_account_mails()
    courier.mail.sent.clear()
    answer = await alice.call("account.delete", password=PASSWORD)
    await courier.send_account_mails()
    [mail] = courier.mailed(f"{alice.name}@example.org")
    erased_on = datetime.datetime.fromisoformat(answer["erase_at"]).astimezone(ZoneInfo(timezone)).date()
    written = format_date(erased_on, "long", Locale.parse(locale, sep="-"))
    if locale == "ar-EG":
        written = written.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for word in (written, *words):
        assert word in mail.body


async def test_a_wrong_password_deletes_nothing(cluster: Cluster, person):
    alice, _ = await register(cluster)
    failed = await alice.refused("account.delete", password="a wrong password")
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["password"])
    assert (await alice.call("user.me"))["id"] == alice.id


async def test_during_the_grace_period_an_account_can_only_be_restored(cluster: Cluster, person):
    alice, _ = await register(cluster)
    post = await alice.call("post.create", text="hello")
    await alice.call("account.delete", password=PASSWORD)
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    guest = await cluster.guest()
    refused = await guest.refused("auth.login", **login)
    assert (refused.code, refused.fields) == ("FAILED_PRECONDITION", ["erase_at"])
    # Only the password shows that the account is to be deleted, and only the password restores it.
    for method in ("auth.login", "account.cancel_delete"):
        assert (await guest.refused(method, **{**login, "password": "a wrong one"})).code == "UNAUTHENTICATED"
    restored = await guest.call("account.cancel_delete", **login)
    assert restored["user"]["id"] == alice.id
    bob = await person("bob")
    assert (await bob.call("post.get", post_id=post["id"]))["author"]["id"] == alice.id
    again = await cluster.guest()
    assert (await again.call("account.cancel_delete", **login))["user"]["id"] == alice.id  # the answer was lost
    owner = await cluster.owner()
    actions = await owner.fetch("SELECT action FROM audit WHERE actor_id = $1", int(alice.id))
    await owner.close()
    assert sorted(row["action"] for row in actions if not row["action"].startswith("auth.")) == [
        "account.cancel_delete", "account.delete", "user.status", "user.status"
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_a_suspension_that_ends_does_not_show_a_leaving_account(cluster: Cluster, person, status):
    alice, _ = await register(cluster)
    await alice.call("account.delete", password=PASSWORD)
    owner = await cluster.owner()
    for new in (status, "active"):
        await owner.execute("UPDATE users SET status = $2 WHERE id = $1", int(alice.id), new)
    assert await owner.fetchval("SELECT status FROM users WHERE id = $1", int(alice.id)) == "leaving"
    await owner.close()


async def test_once_the_grace_is_over_nothing_restores_the_account(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("account.delete", password=PASSWORD)
    owner = await cluster.owner()
    # Far from the time when workers begin: the row says that it is due, and they have not looked yet.
    due = "UPDATE account_deletions SET erase_at = now() WHERE user_id = $1"
    await owner.execute(due, int(alice.id))
    await owner.close()
    guest = await cluster.guest()
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    refused = await guest.refused("account.cancel_delete", **login)
    assert refused.code in ("FAILED_PRECONDITION", "UNAUTHENTICATED")  # the second one once it is erased
