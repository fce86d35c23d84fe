"""Oversight for moderators and admins: one account, the audit trail, and the state of the queue."""

from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.contract.test_auth import register


async def test_an_account_is_reviewed_by_id_or_by_name(cluster: Cluster, person):
    moderator = await appoint(cluster, await person("moderator"), "moderator")
    alice = await person("alice")
    await alice.call("user.update", is_private=True)
    await alice.call("graph.block", user_id=moderator.id)
    await alice.call("post.create", text="hello", visibility="followers")
    for arguments in ({"user_id": alice.id}, {"username": alice.name.upper()}):
        seen = await moderator.call("account.review", **arguments)
        assert (seen["user_id"], seen["username"], seen["status"]) == (alice.id, alice.name, "active")
        assert (seen["is_private"], seen["post_count"], seen["reports_upheld"]) == (True, 1, 0)


async def test_a_review_names_one_account_that_exists(cluster: Cluster, person):
    moderator = await appoint(cluster, await person("moderator"), "moderator")
    for arguments in ({}, {"user_id": moderator.id, "username": moderator.name}):
        refused = await moderator.refused("account.review", **arguments)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["user_id"])
    assert (await moderator.refused("account.review", username="no.such.user")).code == "NOT_FOUND"


async def test_each_review_is_in_the_audit_trail_which_admins_search(cluster: Cluster, person):
    moderator = await appoint(cluster, await person("moderator"), "moderator")
    admin = await appoint(cluster, await person("admin"), "admin")
    people = [await person("alice") for _ in range(3)]
    for alice in people:
        await moderator.call("account.review", user_id=alice.id)
    found = await admin.call("audit.search", actor_id=moderator.id, action="account.")
    assert [item["resource"] for item in found["items"]] == [f"user:{alice.id}" for alice in reversed(people)]
    assert {item["actor_id"] for item in found["items"]} == {moderator.id}
    assert found["items"][0]["action"] == "account.review"
    [one] = (await admin.call("audit.search", resource=f"user:{people[0].id}", action="account.review"))["items"]
    assert one == found["items"][2]
    pages, cursor = [], None
    while True:
        page = await admin.call(
            "audit.search", actor_id=moderator.id, action="account.", limit=2, **({"cursor": cursor} if cursor else {})
        )
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == found["items"]


async def test_a_page_of_the_trail_ends_after_the_rows_it_may_look_through(cluster: Cluster, person, monkeypatch):
    monkeypatch.setattr("storage.oversight.MOST_SEEN", 4)
    moderator = await appoint(cluster, await person("moderator"), "moderator")
    admin = await appoint(cluster, await person("admin"), "admin")
    first, *others = [await person("alice") for _ in range(7)]
    for alice in (first, *others):
        await moderator.call("account.review", user_id=alice.id)
    search = {"actor_id": moderator.id, "resource": f"user:{first.id}"}
    page = await admin.call("audit.search", **search)
    assert page["items"] == []
    page = await admin.call("audit.search", **search, cursor=page["next_cursor"])
    assert [item["resource"] for item in page["items"]] == [f"user:{first.id}"]


async def test_sign_ins_are_in_the_trail_without_their_secrets(cluster: Cluster, person):
    admin = await appoint(cluster, await person("admin"), "admin")
    alice, answer = await register(cluster)
    found = await admin.call("audit.search", actor_id=alice.id)
    assert found["items"][0]["action"] == "auth.register"
    assert answer["refresh_token"] not in str(found)


async def test_the_numbers_of_the_queue(cluster: Cluster, person):
    moderator = await appoint(cluster, await person("moderator"), "moderator")
    alice = await person("alice")
    before = await moderator.call("case.numbers")
    bob = await person("bob")
    for reason in ("minors", "spam"):
        post = await alice.call("post.create", text=f"{reason} here")
        await reported(cluster, bob, "post", post["id"], reason=reason)
    after = await moderator.call("case.numbers")
    assert len(after["open"]) == 5
    # Other tests open and decide cases at the same time.
    assert after["opened"] >= before["opened"] + 2
    assert after["oldest_open_at"].endswith("Z")
