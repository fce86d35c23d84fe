"""Decisions: who is told, what limits a user, appeals, undoing, and what a suspended user may call."""

from typing import Any

import pytest

from gateway.moderation import undo_all
from protocol import errors
from storage import decisions
from storage.decisions import DecisionDraft
from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.contract.test_auth import PASSWORD, register
from tests.people import Person


async def decide(cluster: Cluster, by: Person, target: str, action: str = "remove", **more: Any) -> str:
    """Decide as a moderator; return the decision's id."""
    asked = {"reason": "hate", "target_type": "post", **more}
    target_type, reason = asked.pop("target_type"), asked.pop("reason")
    connection = await cluster.as_app(by.id)
    try:
        made = await decisions.decide(connection, DecisionDraft(target_type, int(target), action, reason, **asked))
    finally:
        await connection.close()
    cluster.workers.tools.outbox.wake_relay()
    return str(made["id"])


async def notice(person: Person, target_type: str) -> Any:
    """Wait for a notification about moderation."""
    while True:
        told = (await person.expect("notification.created"))["notification"]
        if told["kind"] in ("account", "report") and told["target"]["type"] == target_type:
            return told


async def audited(cluster: Cluster, decision: str) -> list[str]:
    owner = await cluster.owner()
    rows = await owner.fetch("SELECT action FROM audit WHERE resource = $1 ORDER BY id", f"decision:{decision}")
    await owner.close()
    return [row["action"] for row in rows]


@pytest.fixture
async def moderator(cluster: Cluster, person) -> Person:
    return await appoint(cluster, await person("moderator"))


@pytest.fixture
async def admin(cluster: Cluster, person) -> Person:
    return await appoint(cluster, await person("admin", node="b"), "admin")


async def test_the_author_and_all_reporters_are_told_once(cluster: Cluster, person, moderator: Person):
    author = await person("author", node="b")
    reporters = [await person(f"reporter{number}") for number in range(3)]
    post = await author.call("post.create", text="hello")
    for reporter in reporters:
        case = await reported(cluster, reporter, "post", post["id"])
    decision = await decide(cluster, moderator, post["id"], case_id=int(case))
    told = await notice(author, "decision")
    assert told["target"]["id"] == decision
    assert "خطاب كراهية" in told["text"]
    for reporter in reporters:
        assert (await notice(reporter, "case"))["target"]["id"] == case
    owner = await cluster.owner()
    events = await owner.fetch(
        "SELECT topic, payload FROM outbox WHERE topic = 'decision.made' AND key = $1", post["id"]
    )
    for event in events:  # it arrives again
        await owner.execute(
            "INSERT INTO outbox (id, topic, key, payload) VALUES (mint_id(), $1, $2, $3)",
            event["topic"], post["id"], event["payload"],
        )  # fmt: skip
    await owner.close()
    cluster.workers.tools.outbox.wake_relay()
    again = await author.call("post.create", text="another")
    await decide(cluster, moderator, again["id"])
    assert (await notice(author, "decision"))["target"]["id"] != decision
    for told_user in (author, *reporters):
        items = (await told_user.call("notification.list"))["items"]
        assert len([each for each in items if each["target"]["id"] in (decision, case)]) == 1


async def test_account_limits_shows_what_limits_the_caller(cluster: Cluster, person, moderator: Person):
    author, other = await person("author"), await person("other")
    post = await author.call("post.create", text="hello")
    limited = await decide(cluster, moderator, post["id"], "limit", reason="spam")
    labelled = await decide(cluster, moderator, post["id"], "label", labels=["graphic"])
    await decide(cluster, moderator, post["id"], "shadow", reason="spam")
    page = await author.call("account.limits")
    assert [(item["decision_id"], item["action"], item["can_appeal"]) for item in page["items"]] == [
        (labelled, "label", True), (limited, "limit", True)
    ]  # fmt: skip
    assert page["items"][0]["labels"] == ["graphic"]
    assert page["items"][1]["text"].endswith("القرار من فريق الإشراف.")
    assert (await other.call("account.limits"))["items"] == []
    await decide(cluster, moderator, post["id"], "approve")
    assert (await author.call("account.limits"))["items"] == []


async def test_an_appeal_is_decided_by_somebody_else(cluster: Cluster, person, moderator: Person):
    author = await person("author", node="b")
    other = await appoint(cluster, await person("other"))
    post = await author.call("post.create", text="hello")
    decision = await decide(cluster, moderator, post["id"])
    appeal = await author.call("appeal.create", decision_id=decision, text="It is a quotation.")
    assert (appeal["status"], appeal["decided_at"]) == ("open", None)
    assert await author.call("appeal.create", decision_id=decision, text="It is a quotation.") == appeal
    assert (await author.refused("appeal.create", decision_id=decision, text="Again")).code == "ALREADY_EXISTS"
    assert (await other.refused("appeal.create", decision_id=decision, text="Mine")).code == "NOT_FOUND"
    case = await _case_of(cluster, appeal["id"])
    assert (await moderator.refused("case.claim", case_id=case)).code == "PERMISSION_DENIED"
    shown = await other.call("case.get", case_id=case)
    assert [(each["id"], each["text"], each["status"]) for each in shown["appeals"]] == [
        (appeal["id"], "It is a quotation.", "open")
    ]
    first = {"appeal_id": appeal["id"], "outcome": "upheld"}
    assert (await moderator.refused("appeal.decide", **first)).code == "PERMISSION_DENIED"
    with pytest.raises(errors.CallError, match="another moderator"):
        await decide(cluster, moderator, post["id"], "approve", case_id=int(case))
    decided = await other.call("appeal.decide", appeal_id=appeal["id"], outcome="overturned")
    assert decided["status"] == "overturned"
    assert await other.call("appeal.decide", appeal_id=appeal["id"], outcome="overturned") == decided
    assert (await notice(author, "appeal"))["text"] == "نتيجة التظلم: إلغاء القرار"
    assert (await author.call("account.limits"))["items"] == []
    assert [each["status"] for each in (await author.call("appeal.list"))["items"]] == ["overturned"]
    assert await audited(cluster, decision) == ["decision.make", "decision.end"]
    assert (await other.refused("appeal.decide", **first)).code == "FAILED_PRECONDITION"


async def test_only_admins_decide_appeals_of_moderators(cluster: Cluster, moderator: Person, admin: Person, person):
    other_admin = await appoint(cluster, await person("other_admin"), "admin")
    judged, _ = await register(cluster)
    await appoint(cluster, judged)
    decision = await decide(cluster, admin, judged.id, "suspend", target_type="user")
    await judged.happened("disconnect")
    guest = await cluster.guest()
    await guest.call("auth.login", email=f"{judged.name}@example.org", password=PASSWORD)
    appeal = await guest.call("appeal.create", decision_id=decision, text="It was a mistake.")
    case = await _case_of(cluster, appeal["id"])
    overturned = {"appeal_id": appeal["id"], "outcome": "overturned"}
    assert (await moderator.refused("appeal.decide", **overturned)).code == "PERMISSION_DENIED"
    assert (await moderator.refused("case.claim", case_id=case)).code == "PERMISSION_DENIED"
    assert [each["status"] for each in (await guest.call("appeal.list"))["items"]] == ["open"]
    await other_admin.call("case.claim", case_id=case)
    assert (await other_admin.call("appeal.decide", **overturned))["status"] == "overturned"


@pytest.mark.parametrize("method", ["appeal.decide", "case.decide"])
async def test_reporters_are_told_once_of_what_an_appeal_changes(
    cluster: Cluster, person, moderator: Person, method: str
):
    author, early, late = await person("author", node="b"), await person("early"), await person("late")
    other = await appoint(cluster, await person("other"))
    post = await author.call("post.create", text="hello")
    first = await reported(cluster, early, "post", post["id"])
    decided = await moderator.call("case.decide", case_id=first, action="warn", reason="hate")
    assert (await notice(early, "case"))["target"]["id"] == first
    appeal = await author.call("appeal.create", decision_id=decided["decision_id"], text="It is a quotation.")
    case = await reported(cluster, late, "post", post["id"])
    assert case != first
    if method == "appeal.decide":
        await other.call(method, appeal_id=appeal["id"], outcome="overturned")
    else:
        await other.call(method, case_id=case, action="approve")
    for reporter, target in ((early, ("decision_end", decided["decision_id"])), (late, ("case", case))):
        told = await notice(reporter, target[0])
        assert (told["target"]["id"], told["text"]) == (target[1], "نتيجة بلاغك: لم تثبت مخالفة")
        assert [each["status"] for each in (await reporter.call("report.list"))["items"]] == ["rejected"]
    owner = await cluster.owner()
    await owner.execute(
        """INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), topic, key, payload FROM outbox WHERE topic = 'appeal.decided' AND key = $1""",
        author.id,
    )  # it arrives again
    weights = await owner.fetch(
        "SELECT upheld, rejected FROM reporters WHERE user_id = ANY ($1)", [int(early.id), int(late.id)]
    )
    await owner.close()
    cluster.workers.tools.outbox.wake_relay()
    assert [tuple(row) for row in weights] == [(0, 1)] * 2
    again = await author.call("post.create", text="another")
    await decide(cluster, moderator, again["id"])
    while (await notice(author, "decision"))["target"]["id"] == decided["decision_id"]:
        pass
    for reporter, targets in ((early, {first, decided["decision_id"]}), (late, {case})):
        items = (await reporter.call("notification.list"))["items"]
        assert sorted(each["target"]["id"] for each in items) == sorted(targets)


async def test_an_appeal_is_decided_alone(cluster: Cluster, person, moderator: Person):
    author, early, late = await person("author", node="b"), await person("early"), await person("late")
    other, colleague = [await appoint(cluster, await person(name)) for name in ("other", "colleague")]
    post = await author.call("post.create", text="hello")
    first = await reported(cluster, early, "post", post["id"])
    labelled = (await moderator.call("case.decide", case_id=first, action="label", labels=["graphic"]))["decision_id"]
    limited = await decide(cluster, moderator, post["id"], "limit")
    appeals = [
        (await author.call("appeal.create", decision_id=decision, text="It is not."))["id"]
        for decision in (labelled, limited)
    ]
    case = await reported(cluster, late, "post", post["id"])
    await colleague.call("case.claim", case_id=case)
    of_label, of_limit = [{"appeal_id": each, "outcome": "overturned"} for each in appeals]
    assert (await other.refused("appeal.decide", **of_label)).code == "FAILED_PRECONDITION"
    assert (await colleague.call("appeal.decide", **of_label))["status"] == "overturned"
    assert await colleague.call("appeal.decide", **of_label) == await colleague.call("appeal.decide", **of_label)
    own = await author.call("post.get", post_id=post["id"])
    assert (own["labels"], own["standing"]) == ([], "limited")
    assert (await notice(early, "decision_end"))["target"]["id"] == labelled
    assert (await other.call("case.get", case_id=case))["summary"]["status"] == "open"
    assert [each["status"] for each in (await late.call("report.list"))["items"]] == ["received"]
    await colleague.call("appeal.decide", **{**of_limit, "outcome": "upheld"})
    summary = (await other.call("case.get", case_id=case))["summary"]
    assert (summary["status"], summary["action"]) == ("decided", "limit")
    assert [each["status"] for each in (await author.call("appeal.list"))["items"]] == ["upheld", "overturned"]
    assert (await notice(late, "case"))["target"]["id"] == case
    assert [each["status"] for each in (await late.call("report.list"))["items"]] == ["upheld"]


async def test_reporters_are_not_told_again_of_a_decision_that_an_appeal_upholds(
    cluster: Cluster, person, moderator: Person
):
    author, reporter = await person("author"), await person("reporter")
    other = await appoint(cluster, await person("other"))
    post = await author.call("post.create", text="hello")
    first = await reported(cluster, reporter, "post", post["id"])
    decided = await moderator.call("case.decide", case_id=first, action="warn", reason="hate")
    await notice(reporter, "case")
    appeal = await author.call("appeal.create", decision_id=decided["decision_id"], text="It is a quotation.")
    await other.call("appeal.decide", appeal_id=appeal["id"], outcome="upheld")
    await notice(author, "appeal")
    assert [each["target"]["id"] for each in (await reporter.call("notification.list"))["items"]] == [first]
    assert [each["status"] for each in (await reporter.call("report.list"))["items"]] == ["upheld"]


@pytest.mark.parametrize("method", ["decision.undo", "decision.undo_many"])
async def test_reporters_are_told_once_of_a_decision_that_is_undone(
    cluster: Cluster, person, moderator: Person, admin: Person, method: str
):
    author, reporter = await person("author", node="b"), await person("reporter")
    post = await author.call("post.create", text="hello")
    case = await reported(cluster, reporter, "post", post["id"])
    decided = await moderator.call("case.decide", case_id=case, action="remove", reason="hate")
    await notice(reporter, "case")
    appeal = await author.call("appeal.create", decision_id=decided["decision_id"], text="It is a quotation.")
    if method == "decision.undo":
        await moderator.call(method, decision_id=decided["decision_id"])
    else:
        await admin.call(method, moderator=moderator.name, since=post["created_at"])
    told = await notice(reporter, "decision_end")
    assert (told["target"]["id"], told["text"]) == (decided["decision_id"], "نتيجة بلاغك: لم تثبت مخالفة")
    assert [each["status"] for each in (await reporter.call("report.list"))["items"]] == ["rejected"]
    owner = await cluster.owner()
    weight = "SELECT upheld, rejected FROM reporters WHERE user_id = $1"
    assert tuple(await owner.fetchrow(weight, int(reporter.id))) == (0, 1)
    await owner.execute(
        """INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), topic, key, payload FROM outbox WHERE topic = 'decision.ended' AND key = $1""",
        post["id"],
    )  # it arrives again
    judges = await owner.fetchval("SELECT decided_by FROM appeals WHERE id = $1", int(appeal["id"]))
    await owner.close()
    assert ((await author.call("appeal.list"))["items"][0]["status"], judges) == ("overturned", None)
    summary = (await admin.call("case.get", case_id=await _case_of(cluster, appeal["id"])))["summary"]
    assert (summary["status"], summary["decided_by"]) == ("decided", None)
    await cluster.settle(reporter)
    assert not [each for each in reporter.heard("notification.created") if each["notification"]["kind"] == "report"]


async def test_a_case_stays_open_for_its_reports_when_its_appeal_ends_by_an_undo(
    cluster: Cluster, person, moderator: Person
):
    author, reporter = await person("author"), await person("reporter")
    post = await author.call("post.create", text="hello")
    decision = await decide(cluster, moderator, post["id"], "limit")
    await author.call("appeal.create", decision_id=decision, text="It is a quotation.")
    case = await reported(cluster, reporter, "post", post["id"])
    await moderator.call("decision.undo", decision_id=decision)
    assert (await moderator.call("case.get", case_id=case))["summary"]["status"] == "open"


async def test_reporters_are_not_told_of_an_approval_that_is_undone(cluster: Cluster, person, moderator: Person):
    author, reporter = await person("author"), await person("reporter")
    post = await author.call("post.create", text="hello")
    case = await reported(cluster, reporter, "post", post["id"])
    decided = await moderator.call("case.decide", case_id=case, action="approve")
    await notice(reporter, "case")
    await moderator.call("decision.undo", decision_id=decided["decision_id"])
    await cluster.settle(reporter)
    assert not reporter.heard("notification.created")
    assert [each["status"] for each in (await reporter.call("report.list"))["items"]] == ["rejected"]


async def test_what_a_moderator_undid_is_not_judged(cluster: Cluster, person, moderator: Person):
    author, early, late = await person("author"), await person("early"), await person("late", node="b")
    post = await author.call("post.create", text="hello")
    case = await reported(cluster, early, "post", post["id"])
    decided = await moderator.call("case.decide", case_id=case, action="warn", reason="hate")
    await moderator.call("decision.undo", decision_id=decided["decision_id"])
    assert await reported(cluster, late, "post", post["id"]) != case
    assert [each["status"] for each in (await late.call("report.list"))["items"]] == ["received"]


async def _case_of(cluster: Cluster, appeal_id: str) -> str:
    owner = await cluster.owner()
    found = await owner.fetchrow(
        """SELECT c.id, c.source, c.due_at - a.created_at = interval '72 hours' AS is_due
        FROM appeals a JOIN cases c ON c.id = a.case_id WHERE a.id = $1""",
        int(appeal_id),
    )  # fmt: skip
    await owner.close()
    assert (found["source"], found["is_due"]) == ("appeal", True)
    return str(found["id"])


async def test_what_cannot_be_appealed_against(cluster: Cluster, person, moderator: Person):
    author = await person("author")
    post = await author.call("post.create", text="hello")
    ended = await decide(cluster, moderator, post["id"])
    await moderator.call("decision.undo", decision_id=ended)
    shadow = await decide(cluster, moderator, post["id"], "shadow", reason="spam")
    old = await decide(cluster, moderator, post["id"])
    owner = await cluster.owner()
    await owner.execute("UPDATE decisions SET created_at = now() - interval '7 months' WHERE id = $1", int(old))
    await owner.close()
    for decision, code in ((ended, "FAILED_PRECONDITION"), (shadow, "NOT_FOUND"), (old, "FAILED_PRECONDITION")):
        assert (await author.refused("appeal.create", decision_id=decision, text="No")).code == code


async def test_undoing_restores_and_is_audited(cluster: Cluster, person, moderator: Person, admin: Person):
    author, reader = await person("author"), await person("reader", node="b")
    post = await author.call("post.create", text="hello")
    first, second = [await decide(cluster, moderator, post["id"]) for _ in range(2)]
    assert (await reader.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    undone = await moderator.call("decision.undo", decision_id=first)
    assert await moderator.call("decision.undo", decision_id=first) == undone
    assert (await reader.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    await admin.call("decision.undo", decision_id=second)
    assert (await reader.call("post.get", post_id=post["id"]))["text"] == "hello"
    assert await audited(cluster, first) == await audited(cluster, second) == ["decision.make", "decision.end"]
    assert (await author.refused("decision.undo", decision_id=first)).code == "PERMISSION_DENIED"


@pytest.mark.parametrize("by", ["call", "command"])
async def test_all_decisions_of_a_moderator_are_undone_at_once(
    cluster: Cluster, person, moderator: Person, admin: Person, by: str, monkeypatch
):
    monkeypatch.setattr("gateway.moderation.BATCH", 2)
    author = await person("author")
    other = await appoint(cluster, await person("other"))
    posts = [await author.call("post.create", text=f"post {number}") for number in range(5)]
    early = await decide(cluster, moderator, posts[0]["id"])
    owner = await cluster.owner()
    await owner.execute("UPDATE decisions SET created_at = now() - interval '2 hours' WHERE id = $1", int(early))
    since = await owner.fetchval("SELECT now() - interval '1 hour'")
    await owner.close()
    made = [await decide(cluster, moderator, post["id"]) for post in posts]
    kept = await decide(cluster, other, posts[1]["id"], "limit")
    if by == "call":
        arguments = {"moderator": moderator.name, "since": since.isoformat()}
        assert await admin.call("decision.undo_many", **arguments) == {"undone": 5, "has_more": False}
        assert await admin.call("decision.undo_many", **arguments) == {"undone": 0, "has_more": False}
        assert (await moderator.refused("decision.undo_many", **arguments)).code == "PERMISSION_DENIED"
    else:
        assert await undo_all(cluster.settings(), None, moderator.name, since) == 5
    items = (await author.call("account.limits"))["items"]
    assert [item["decision_id"] for item in items] == [kept, early]
    for decision in made:
        assert await audited(cluster, decision) == ["decision.make", "decision.end"]


async def test_a_suspended_user_may_only_appeal_export_and_leave(cluster: Cluster, moderator: Person):
    alice, answer = await register(cluster)
    decision = await decide(cluster, moderator, alice.id, "suspend", target_type="user")
    await alice.happened("disconnect")
    guest = await cluster.guest()
    signed_in = await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert signed_in["is_restricted"]
    assert (await guest.expect("session.ready", session_id=signed_in["session_id"]))["is_restricted"]
    [item] = (await guest.call("account.limits"))["items"]
    assert (item["decision_id"], item["target_type"], item["can_appeal"]) == (decision, "user", True)
    for method, arguments in (
        ("user.me", {}), ("feed.get", {}), ("post.create", {"text": "hello"}), ("notification.list", {}),
        ("user.get", {"user_id": alice.id}), ("session.list", {}), ("presence.watch", {"user_ids": [alice.id]}),
    ):  # fmt: skip
        assert (await guest.refused(method, **arguments)).code == "PERMISSION_DENIED", method
    again = await cluster.guest()
    renewed = await again.call("auth.refresh", refresh_token=signed_in["refresh_token"])
    assert renewed["is_restricted"]
    back = cluster.new_client(alice.name, "python-msgpack")
    await cluster.connect(back, node="b", codec="msgpack", token=renewed["access_token"])
    appeal = await back.call("appeal.create", decision_id=decision, text="Please look again.")
    assert [each["id"] for each in (await back.call("appeal.list"))["items"]] == [appeal["id"]]
    refused = await (await cluster.guest()).refused("auth.refresh", refresh_token=answer["refresh_token"])
    assert refused.code == "UNAUTHENTICATED"  # the sessions of before have ended


async def test_a_restricted_client_is_told_when_the_suspension_has_ended(
    cluster: Cluster, moderator: Person, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.connection.SUSPENSION_CHECK_S", 0.05)
    alice, _ = await register(cluster)
    decision = await decide(cluster, moderator, alice.id, "suspend", target_type="user")
    guest = await cluster.guest()
    signed_in = await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    await moderator.call("decision.undo", decision_id=decision)
    await guest.expect("session.expired")
    renewed = await (await cluster.guest()).call("auth.refresh", refresh_token=signed_in["refresh_token"])
    assert not renewed["is_restricted"]
    back = cluster.new_client(alice.name, "python-msgpack")
    await cluster.connect(back, node="b", codec="msgpack", token=renewed["access_token"])
    assert (await back.call("user.me"))["id"] == alice.id


async def test_a_suspension_is_told_by_mail_and_lifted_by_undoing(cluster: Cluster, moderator: Person):
    alice, _ = await register(cluster)
    decision = await decide(cluster, moderator, alice.id, "ban", target_type="user")
    owner = await cluster.owner()
    mails = await owner.fetch(
        "SELECT kind, detail FROM account_mails WHERE user_id = $1 AND kind = 'suspended'", int(alice.id)
    )
    await owner.close()
    assert [mail["detail"].startswith("حظر نهائي: الحساب.") for mail in mails] == [True]
    await moderator.call("decision.undo", decision_id=decision)
    guest = await cluster.guest()
    signed_in = await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    assert not signed_in["is_restricted"]
    assert (await guest.call("user.me"))["id"] == alice.id


async def test_decisions_expire(cluster: Cluster, person, moderator: Person):
    author = await person("author")
    post = await author.call("post.create", text="hello")
    owner = await cluster.owner()
    until = await owner.fetchval("SELECT now() + interval '1 hour'")
    decision = await decide(cluster, moderator, post["id"], "hold", until=until)
    await owner.execute("UPDATE decisions SET until = now() WHERE id = $1", int(decision))
    await owner.close()
    assert (await notice(author, "decision_end"))["target"]["id"] == decision
    assert await audited(cluster, decision) == ["decision.make", "decision.end"]
    assert (await author.call("account.limits"))["items"] == []


async def test_a_suspended_user_can_delete_the_account_and_stays_suspended_if_restored(
    cluster: Cluster, moderator: Person
):
    alice, _ = await register(cluster)
    await decide(cluster, moderator, alice.id, "suspend", target_type="user")
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    guest = await cluster.guest()
    await guest.call("auth.login", **login)
    await guest.call("account.delete", password=PASSWORD)
    restored = await (await cluster.guest()).call("account.cancel_delete", **login)
    assert restored["is_restricted"]
