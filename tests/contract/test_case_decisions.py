"""Deciding cases: once, for all reporters, until the contents change."""

import asyncio

import pytest

from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported


async def statuses(*reporters) -> list[str]:
    """Return the status of the newest report of each."""
    return [(await reporter.call("report.list"))["items"][0]["status"] for reporter in reporters]


@pytest.mark.parametrize(("action", "status"), [("approve", "rejected"), ("warn", "upheld"), ("remove", "upheld")])
async def test_a_decision_settles_all_reports(cluster: Cluster, person, action, status):
    alice, bob, carol, dave = [await person(name) for name in ("alice", "bob", "carol", "dave")]
    moderator = await appoint(cluster, await person("moderator"))
    colleague = await appoint(cluster, await person("colleague", node="b"))
    await colleague.call("case.watch")
    post = (await alice.call("post.create", text="provocation"))["id"]
    for reporter in (bob, carol, dave):
        case_id = await reported(cluster, reporter, "post", post)
    withdrawn = (await dave.call("report.list"))["items"][0]["id"]
    await dave.call("report.retract", report_id=withdrawn)
    await moderator.call("case.claim", case_id=case_id)
    decided = await moderator.call("case.decide", case_id=case_id, action=action, reason="harassment", note="so it is")
    case = decided["case"]
    assert (case["status"], case["action"], case["decided_by"]["id"]) == ("decided", action, moderator.id)
    assert case["claimed_by"] is None
    told = await colleague.expect("case.decided", case_id=case_id)
    assert (told["action"], told["decided_by"]["id"]) == (action, moderator.id)
    assert await statuses(bob, carol, dave) == [status, status, "retracted"]
    last = (await moderator.call("case.history", case_id=case_id))["items"][0]
    assert (last["kind"], last["note"], last["actor"]["id"]) == ("decided", "so it is", moderator.id)
    assert last["decision"] == {
        "decision_id": decided["decision_id"], "action": action, "reason": "harassment", "labels": [], "until": None
    }  # fmt: skip
    assert (await colleague.refused("case.decide", case_id=case_id, action="approve")).code == "ABORTED"
    assert (await colleague.refused("case.claim", case_id=case_id)).code == "ABORTED"
    owner = await cluster.owner()
    audited = await owner.fetchval(
        "SELECT count(*) FROM audit WHERE resource = $1", f"decision:{decided['decision_id']}"
    )
    scores = await owner.fetch(
        "SELECT upheld, rejected FROM reporters WHERE user_id = ANY ($1)", [int(each.id) for each in (bob, carol, dave)]
    )
    await owner.close()
    assert audited == 1
    assert [tuple(row) for row in scores] == [((0, 1) if action == "approve" else (1, 0))] * 2


async def test_of_two_decisions_at_once_one_wins(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    rivals = [await appoint(cluster, await person("rival", node=node)) for node in ("a", "b")]
    for _ in range(3):
        post = (await alice.call("post.create", text="provocation"))["id"]
        case_id = await reported(cluster, bob, "post", post)
        answers = await asyncio.gather(
            *(rival.answer("case.decide", {"case_id": case_id, "action": "warn"}) for rival in rivals)
        )
        [refused] = [answer["error"] for answer in answers if not answer["ok"]]
        assert refused["code"] == "ABORTED"
        owner = await cluster.owner()
        made = await owner.fetchval("SELECT count(*) FROM decisions WHERE case_id = $1", int(case_id))
        await owner.close()
        assert made == 1


async def test_a_colleagues_claim_refuses_a_decision(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    first, second = [await appoint(cluster, await person(name)) for name in ("first", "second")]
    case_id = await reported(cluster, bob, "user", alice.id)
    await first.call("case.claim", case_id=case_id)
    assert (await second.refused("case.decide", case_id=case_id, action="warn")).code == "FAILED_PRECONDITION"
    owner = await cluster.owner()
    made = await owner.fetchval("SELECT count(*) FROM decisions WHERE case_id = $1", int(case_id))
    await owner.close()
    assert made == 0
    await first.call("case.decide", case_id=case_id, action="warn")


async def test_what_is_fine_stays_fine_until_it_changes(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol")
    moderator = await appoint(cluster, await person("moderator"))
    post = await alice.call("post.create", text="harmless")
    case_id = await reported(cluster, bob, "post", post["id"])
    await moderator.call("case.decide", case_id=case_id, action="approve")
    again = await carol.call("report.create", target_type="post", target_id=post["id"], reason="hate")
    assert again["status"] == "rejected"
    of_alice = [case["id"] for case in (await moderator.call("case.list", owner_id=alice.id))["items"]]
    assert of_alice == [case_id]
    await alice.call("post.edit", post_id=post["id"], text="not harmless", version=post["version"])
    assert await reported(cluster, bob, "post", post["id"]) != case_id


async def test_decisions_that_cannot_be_made(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    post = (await alice.call("post.create", text="provocation"))["id"]
    case_id = await reported(cluster, bob, "post", post)
    for arguments, field in (
        ({"action": "suspend"}, "action"),
        ({"action": "shadow", "reason": "hate"}, "action"),
        ({"action": "label"}, "labels"),
        ({"action": "remove", "until": "2020-01-01T00:00:00Z"}, "until"),
    ):
        refused = await moderator.refused("case.decide", case_id=case_id, **arguments)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])
    assert (await moderator.refused("case.decide", case_id="1", action="warn")).code == "NOT_FOUND"
    own = await reported(cluster, bob, "user", moderator.id)
    assert (await moderator.refused("case.decide", case_id=own, action="approve")).code == "PERMISSION_DENIED"
    assert (await moderator.call("case.get", case_id=case_id))["summary"]["status"] == "open"
