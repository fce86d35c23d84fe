"""Reports and the counts of cases, by the database functions alone."""

import json
from typing import Any, NamedTuple

import pytest

from tests.storage.functions.rows import Rows
from tests.storage.functions.test_cases import decide, open_case


class Filed(NamedTuple):
    verdict: str
    faulty: int | None
    id: int


class Reports:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._next = 10**9

    async def file(self, reporter: int | None, target: int, why: str = "spam", **more: Any) -> Filed:
        asked = {"type": "post", "seq": 0, "text": "", "evidence": [], **more}
        self._next += 1
        found = await self.rows.ask(
            reporter, "file_report", self._next, asked["type"], target, asked["seq"], why, asked["text"],
            json.dumps(asked["evidence"]),
        )  # fmt: skip
        return Filed(*found)

    async def case(self, target: int) -> dict[str, Any]:
        found = await self.rows.connection.fetchrow("SELECT * FROM cases WHERE target_id = $1 ORDER BY id DESC", target)
        return dict(found)

    async def count(self, target: int) -> tuple[int, float, int]:
        """How many reports the case has, their weight, and its severity, after they were counted."""
        await self.rows.list(None, "count_reports", (await self.case(target))["id"])
        found = await self.case(target)
        return found["report_count"], round(found["report_weight"], 2), found["severity"]

    async def score(self, reporter: int, upheld: int, rejected: int) -> None:
        await self.rows.add("reporters", user_id=reporter, upheld=upheld, rejected=rejected)


@pytest.fixture
def reports(rows: Rows) -> Reports:
    return Reports(rows)


# ---------------------------------------------------------------------------------------------- file_report


async def test_all_reports_of_one_target_join_one_case(reports: Reports):
    alice, bob, carol = await reports.rows.users(3)
    post = await reports.rows.post(alice)
    for reporter, why in ((bob, "spam"), (carol, "hate")):
        assert (await reports.file(reporter, post, why)).verdict == "filed"
    assert await reports.count(post) == (2, 1.0, 2)
    assert (await reports.case(post))["reason"] == "hate"
    rows = await reports.rows.table(
        "SELECT count(DISTINCT case_id) FROM reports WHERE reporter_id IN ($1, $2)", bob, carol
    )
    assert rows == [(1,)]


async def test_a_second_report_of_a_user_returns_the_first(reports: Reports):
    alice, bob = await reports.rows.users(2)
    post = await reports.rows.post(alice)
    first = await reports.file(bob, post)
    assert await reports.file(bob, post, "minors") == first
    assert (await reports.count(post))[0] == 1
    case = await reports.case(post)
    events = await reports.rows.table("SELECT FROM outbox WHERE topic = 'report.created' AND key = $1", str(case["id"]))
    assert len(events) == 1


async def test_users_report_only_what_they_see(reports: Reports):
    rows = reports.rows
    alice = await rows.user()
    people = await rows.audience(alice, "blocked")
    await rows.block(alice, people["blocked"])
    post = await rows.post(alice, "followers")
    comment = await rows.comment(post, alice)
    room = await rows.room(alice, "followers")
    for type_, target in (("post", post), ("comment", comment), ("room", room)):
        verdicts = {name: (await reports.file(person, target, type=type_)).verdict for name, person in people.items()}
        assert verdicts == {**dict.fromkeys(people, "missing"), "follower": "filed"}, type_
    seen = {name: (await reports.file(person, alice, type="user")).verdict for name, person in people.items()}
    assert seen == {**dict.fromkeys(people, "filed"), "blocked": "missing"}
    assert (await reports.file(None, post)).verdict == "missing"


async def test_users_can_report_whom_they_block(reports: Reports):
    alice, bob = await reports.rows.users(2)
    await reports.rows.block(bob, alice)
    assert (await reports.file(bob, alice, type="user")).verdict == "filed"


async def test_messages_and_files_are_reported_by_those_who_see_them(reports: Reports):
    rows = reports.rows
    alice, bob, stranger = await rows.users(3)
    chat = await rows.added("chats", kind="group", creator_id=alice)
    for member in (alice, bob):
        await rows.add("chat_members", chat_id=chat, user_id=member, state="active")
    await rows.add("chat_messages", chat_id=chat, seq=1, sender_id=alice, text="hello")
    file = await rows.added(
        "media", owner_id=alice, object_key="private/z/", kind="image", status="ready", content_type="image/png",
        filename="x", size_bytes=1, target_type="message", target_id=chat, target_seq=1, position=0,
    )  # fmt: skip
    for type_, target, seq in (("message", chat, 1), ("media", file, 0)):
        found = [(await reports.file(person, target, type=type_, seq=seq)).verdict for person in (alice, bob, stranger)]
        assert found == ["own", "filed", "missing"], type_
    assert (await reports.file(bob, chat, type="message", seq=2)).verdict == "missing"
    assert (await reports.case(chat))["is_private"]


async def test_evidence_is_kept_as_it_was(reports: Reports):
    rows = reports.rows
    alice, bob = await rows.users(2)
    seen, hidden = await rows.post(alice, text="proof"), await rows.post(alice, "private")
    proof = {"type": "post", "id": str(seen), "seq": 0}
    refused = await reports.file(bob, alice, type="user", evidence=[proof, {**proof, "id": str(hidden)}])
    assert (refused.verdict, refused.faulty) == ("proof", 1)
    assert await rows.table("SELECT FROM cases WHERE target_id = $1", alice) == []
    filed = await reports.file(bob, alice, type="user", evidence=[proof])
    await rows.connection.execute("UPDATE posts SET text = 'harmless' WHERE id = $1", seen)
    [(evidence,)] = await rows.table("SELECT evidence FROM reports WHERE id = $1", filed.id)
    [kept] = json.loads(evidence)
    assert (kept["id"], kept["snapshot"]["text"]) == (str(seen), "proof")


async def test_a_report_of_what_was_judged_joins_its_case_without_opening_it(reports: Reports):
    alice, bob, carol = await reports.rows.users(3)
    post = await reports.rows.post(alice)
    first = await reports.file(bob, post)
    case = await reports.case(post)
    await decide(reports.rows, case["id"])
    assert (await reports.file(carol, post)).verdict == "filed"
    assert (await reports.case(post))["id"] == case["id"]
    assert (await reports.case(post))["status"] == "decided"
    outcomes = await reports.rows.table("SELECT outcome FROM reports WHERE reporter_id = $1", carol)
    assert outcomes == [("rejected",)]
    await reports.rows.connection.execute("UPDATE posts SET text = 'changed' WHERE id = $1", post)
    assert (await reports.file(bob, post)).id != first.id
    assert (await reports.case(post))["status"] == "open"


# ---------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("upheld", "rejected", "weight"), [(0, 0, 0.5), (2, 0, 0.67), (0, 2, 0.33), (96, 0, 0.98), (0, 96, 0.02)]
)
async def test_report_weight(reports: Reports, upheld: int, rejected: int, weight: float):
    alice = await reports.rows.user()
    await reports.score(alice, upheld, rejected)
    assert round(await reports.rows.ask(None, "report_weight", alice), 2) == weight


async def test_reports_weigh_what_their_reporters_are_worth(reports: Reports):
    alice, bob, carol = await reports.rows.users(3)
    await reports.score(bob, 96, 0)
    await reports.score(carol, 0, 96)
    post = await reports.rows.post(alice)
    await reports.file(bob, post)
    await reports.file(carol, post)
    assert await reports.count(post) == (2, 1.0, 0)


async def test_an_unreliable_reporter_raises_no_severity(reports: Reports):
    alice, bob = await reports.rows.users(2)
    await reports.score(bob, 0, 96)
    post = await reports.rows.post(alice)
    await reports.file(bob, post, "minors")
    assert await reports.count(post) == (1, 0.02, 0)


async def test_reports_of_minors_are_graver(reports: Reports):
    rows = reports.rows
    alice, minor = await rows.users(2)
    await rows.add("accounts", user_id=minor, email="m", email_key="m", birth_date=await rows.now(days=-15 * 365))
    post = await rows.post(alice)
    await reports.file(minor, post, "harassment")
    assert (await reports.count(post))[2] == 3


# ---------------------------------------------------------------------------------------------- retract_report


async def test_a_retracted_report_counts_nothing(reports: Reports):
    alice, bob, carol = await reports.rows.users(3)
    post = await reports.rows.post(alice)
    await reports.file(bob, post)
    grave = await reports.file(carol, post, "minors")
    assert await reports.count(post) == (2, 1.0, 4)
    for _ in range(2):
        assert await reports.rows.ask(carol, "retract_report", grave.id)
    assert await reports.count(post) == (1, 0.5, 0)
    assert not await reports.rows.ask(bob, "retract_report", grave.id)


async def test_a_report_that_was_retracted_can_be_made_again(reports: Reports):
    alice, bob = await reports.rows.users(2)
    post = await reports.rows.post(alice)
    first = await reports.file(bob, post)
    await reports.rows.ask(bob, "retract_report", first.id)
    assert (await reports.file(bob, post, "hate", text="again")).id == first.id
    assert await reports.count(post) == (1, 0.5, 2)
    [own] = await reports.rows.list(bob, "own_reports", 2**63 - 1, 9)
    assert (own["reason"], own["text"], own["status"]) == ("hate", "again", "received")


async def test_a_decided_report_stays(reports: Reports):
    alice, bob = await reports.rows.users(2)
    post = await reports.rows.post(alice)
    await decide(reports.rows, await open_case(reports.rows, post))
    filed = await reports.file(bob, post)
    assert await reports.rows.ask(bob, "retract_report", filed.id)
    [own] = await reports.rows.list(bob, "own_reports", 2**63 - 1, 9)
    assert own["status"] == "rejected"


async def test_what_rules_found_keeps_its_severity_without_reports(reports: Reports):
    alice, bob = await reports.rows.users(2)
    post = await reports.rows.post(alice)
    await open_case(reports.rows, post, "violence")
    filed = await reports.file(bob, post)
    await reports.rows.ask(bob, "retract_report", filed.id)
    assert await reports.count(post) == (0, 0.0, 3)
