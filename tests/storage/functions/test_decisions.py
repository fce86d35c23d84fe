"""Making and ending decisions, by the database functions alone."""

import json
import random
from typing import Any

import asyncpg
import pytest

from tests.storage.functions.rows import Rows


def draft(target: int, action: str = "remove", **more: Any) -> str:
    told = {"facts_ar": "إزالة", "facts_en": "Removed"}
    fields = {
        "target_type": "post", "target_id": target, "target_seq": 0, "action": action, "reason": "spam", "labels": [],
        "note": "", **told, **more,
    }  # fmt: skip
    return json.dumps(fields)


async def decide(rows: Rows, viewer: int | None, target: int, action: str = "remove", **more: Any) -> Any:
    """Return the row of the decision, or None. Without a viewer, the system decides."""
    if viewer is None:
        return await rows.ask(None, "decide_without_viewer", draft(target, action, **more), True)
    return await rows.ask(viewer, "decide", draft(target, action, **more))


async def audited(rows: Rows, decision: int) -> list[tuple[Any, ...]]:
    return await rows.table(
        "SELECT action, actor_id FROM audit WHERE resource = $1 ORDER BY id", f"decision:{decision}"
    )


async def told(rows: Rows, decision: int) -> list[str]:
    found = await rows.table(
        """SELECT topic FROM outbox WHERE topic LIKE 'decision.%'
        AND convert_from(payload, 'UTF8')::jsonb -> 'decision_id' = to_jsonb($1::bigint) ORDER BY id""",
        decision,
    )
    return [topic for (topic,) in found]


@pytest.fixture
async def moderator(rows: Rows) -> int:
    return await rows.user(role="moderator")


@pytest.fixture
async def admin(rows: Rows) -> int:
    return await rows.user(role="admin")


async def test_a_decision_has_one_audit_row_one_statement_and_one_event(rows: Rows, moderator: int):
    author = await rows.user()
    post = await rows.post(author)
    made = await decide(rows, moderator, post, reason="hate", note="seen before", ip="192.0.2.1")
    assert (made["user_id"], made["decided_by"], made["note"]) == (author, moderator, "seen before")
    assert await audited(rows, made["id"]) == [("decision.make", moderator)]
    assert await told(rows, made["id"]) == ["decision.made"]
    [statement] = await rows.connection.fetch("SELECT * FROM statements WHERE decision_id = $1", made["id"])
    assert dict(statement) == {
        "decision_id": made["id"],
        "user_id": author,
        "decision_visibility": "DECISION_VISIBILITY_CONTENT_REMOVED",
        "decision_account": None,
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "facts": "إزالة",
        "category": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
        "content_type": "CONTENT_TYPE_TEXT",
        "territorial_scope": ["WORLD"],
        "source": "SOURCE_VOLUNTARY",
        "automated_detection": False,
        "automated_decision": False,
        "applies_from": statement["applies_from"],
        "end_date": None,
        "language": "ar",
    }


async def test_a_statement_is_in_the_language_of_the_person(rows: Rows, moderator: int):
    author = await rows.user()
    await rows.add("accounts", user_id=author, email="a", email_key=str(author), locale="en-GB")
    made = await decide(rows, moderator, author, "ban", target_type="user", reason="illegal")
    [statement] = await rows.table(
        "SELECT facts, language, decision_account, decision_ground FROM statements WHERE decision_id = $1", made["id"]
    )
    assert statement == ("Removed", "en", "DECISION_ACCOUNT_TERMINATED", "DECISION_GROUND_ILLEGAL_CONTENT")


async def test_an_approval_needs_no_statement(rows: Rows, moderator: int):
    made = await decide(rows, moderator, await rows.post(await rows.user()), "approve")
    assert await rows.table("SELECT 1 FROM statements WHERE decision_id = $1", made["id"]) == []
    assert len(await audited(rows, made["id"])) == 1


async def test_a_statement_tells_how_the_content_was_noticed(rows: Rows, moderator: int):
    post = await rows.post(await rows.user())
    for by, why, source, detected in (
        ("report", "spam", "SOURCE_TYPE_OTHER_NOTIFICATION", False),
        ("report", "illegal", "SOURCE_ARTICLE_16", False),
        ("classifier", "spam", "SOURCE_VOLUNTARY", True),
    ):
        await rows.connection.execute("DELETE FROM case_acts; DELETE FROM cases WHERE target_id = " + str(post))
        case = await rows.ask(moderator, "open_case", "post", post, 0, by, why, None, [], None)
        made = await decide(rows, moderator, post, case_id=case, reason=why)
        [found] = await rows.table(
            "SELECT source, automated_detection, automated_decision FROM statements WHERE decision_id = $1", made["id"]
        )
        assert found == (source, detected, False)


async def test_the_system_decides_without_an_actor(rows: Rows):
    made = await decide(rows, None, await rows.post(await rows.user()), "hold", rule_id=7, rule_version=2)
    assert (made["decided_by"], made["rule_id"], made["rule_version"]) == (None, 7, 2)
    assert await audited(rows, made["id"]) == [("decision.make", None)]
    statement = "SELECT automated_decision FROM statements WHERE decision_id = $1"
    assert await rows.table(statement, made["id"]) == [(True,)]


@pytest.mark.parametrize("role", ["user", "creator"])
async def test_others_decide_nothing(rows: Rows, role: str):
    viewer = await rows.user(role=role)
    assert (await decide(rows, viewer, await rows.post(await rows.user())))["id"] is None
    assert (await decide(rows, viewer, await rows.post(viewer), "hold"))["id"] is None


async def test_a_rule_restricts_only_what_its_viewer_wrote(rows: Rows):
    author, other = await rows.users(2)
    post = await rows.post(author)
    assert (await decide(rows, author, post, "hold", rule_id=7))["decided_by"] is None
    assert (await decide(rows, other, post, "hold", rule_id=7))["id"] is None
    assert (await decide(rows, author, post, "approve", rule_id=7))["id"] is None
    assert (await decide(rows, author, author, "warn", rule_id=7, target_type="user"))["id"] is None


async def test_a_target_that_is_gone_is_decided_about_only_in_its_case(rows: Rows, moderator: int):
    post = await rows.post(await rows.user())
    case = await rows.ask(moderator, "open_case", "post", post, 0, "report", "spam", None, [], None)
    await rows.connection.execute("UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", post)
    assert (await decide(rows, moderator, post))["id"] is None
    assert (await decide(rows, moderator, post, case_id=case))["id"] is not None
    assert (await decide(rows, moderator, await rows.post(moderator, status="deleted"), case_id=case))["id"] is None


async def refused(rows: Rows, viewer: int, function: str, *arguments: Any) -> bool:
    try:
        async with rows.connection.transaction():
            await rows.ask(viewer, function, *arguments)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def test_nobody_decides_about_themselves_and_only_admins_about_moderators(rows: Rows, moderator: int, admin: int):
    other = await rows.user(role="moderator")
    own = draft(await rows.post(admin))
    ban = draft(other, "ban", target_type="user")
    assert await refused(rows, admin, "decide", own)
    assert await refused(rows, moderator, "decide", ban)
    assert not await refused(rows, admin, "decide", ban)


async def test_ending_a_decision_adds_one_audit_row_and_one_event(rows: Rows, moderator: int):
    made = await decide(rows, moderator, await rows.post(await rows.user()))
    ended = await rows.ask(moderator, "undo_decision", made["id"], "192.0.2.1", "browser")
    assert (ended["ended_by"], ended["end_reason"]) == (moderator, "undone")
    assert await rows.ask(moderator, "undo_decision", made["id"], None, None) == ended
    assert await audited(rows, made["id"]) == [("decision.make", moderator), ("decision.end", moderator)]
    assert await told(rows, made["id"]) == ["decision.made", "decision.ended"]


async def test_moderators_undo_their_own_decisions_and_admins_all(rows: Rows, moderator: int, admin: int):
    other, post = await rows.user(role="moderator"), await rows.post(await rows.user())
    for maker, undoer, is_refused in ((moderator, other, True), (moderator, admin, False), (None, other, True)):
        made = await decide(rows, maker, post)
        assert await refused(rows, undoer, "undo_decision", made["id"], None, None) == is_refused
    about_admin = await decide(rows, moderator, await rows.post(admin))
    assert await refused(rows, admin, "undo_decision", about_admin["id"], None, None)


async def test_decisions_expire_when_their_time_is_over(rows: Rows, moderator: int):
    post = await rows.post(await rows.user())
    brief = await decide(rows, moderator, post, "limit", until=str(await rows.now(minutes=1)))
    longer = await decide(rows, moderator, post, "hold", until=str(await rows.now(minutes=9)))
    lasting = await decide(rows, moderator, post)
    await rows.connection.execute("UPDATE decisions SET until = now() - interval '1 second' WHERE id = $1", brief["id"])
    await rows.ask(None, "expire_decisions", 1_000)
    ended = "SELECT id, end_reason, ended_by FROM decisions WHERE id = ANY ($1) AND ended_at IS NOT NULL"
    found = await rows.table(ended, [row["id"] for row in (brief, longer, lasting)])
    assert found == [(brief["id"], "expired", None)]
    assert await audited(rows, brief["id"]) == [("decision.make", moderator), ("decision.end", None)]


async def test_a_suspension_ends_sessions_until_it_is_undone(rows: Rows, moderator: int):
    alice = await rows.user()
    status = "SELECT status FROM users WHERE id = $1"
    first = await decide(rows, moderator, alice, "suspend", target_type="user")
    second = await decide(rows, moderator, alice, "suspend", target_type="user")
    assert await rows.table(status, alice) == [("suspended",)]
    await rows.ask(moderator, "undo_decision", first["id"], None, None)
    assert await rows.table(status, alice) == [("suspended",)]
    await rows.ask(moderator, "undo_decision", second["id"], None, None)
    assert await rows.table(status, alice) == [("active",)]


STANDINGS = {"remove": "removed", "hold": "held", "shadow": "shadowed", "limit": "limited"}  # the gravest first


def expected(made: dict[int, tuple[str, list[str]]]) -> tuple[str, list[str]]:
    """Return what the standing decisions make of a post: those that are newer than the newest approval."""
    approved = max((decision for decision, (action, _) in made.items() if action == "approve"), default=0)
    counted = [each for decision, each in made.items() if decision > approved]
    actions = {action for action, _ in counted}
    standing = next((STANDINGS[action] for action in STANDINGS if action in actions), "visible")
    return standing, sorted({label for _, labels in counted for label in labels})


@pytest.mark.parametrize("seed", range(6))
async def test_a_post_always_is_what_its_standing_decisions_say(rows: Rows, admin: int, seed: int):
    chance = random.Random(seed)
    post = await rows.post(await rows.user())
    standing: dict[int, tuple[str, list[str]]] = {}
    for _ in range(40):
        step = chance.choice(["decide", "decide", "undo", "expire"])
        if step == "decide" or not standing:
            action = chance.choice([*STANDINGS, "label", "approve", "warn"])
            labels = chance.sample(["graphic", "spoiler", "violence"], 2) if action == "label" else []
            until = str(await rows.now(hours=1)) if action in (*STANDINGS, "label") else None
            made = await decide(rows, admin, post, action, labels=labels, until=until)
            standing[made["id"]] = (action, labels)
        elif step == "undo":
            decision = chance.choice([*standing])
            await rows.ask(admin, "undo_decision", decision, None, None)
            del standing[decision]
        else:
            decision = chance.choice([*standing])
            over = "UPDATE decisions SET until = now() WHERE id = $1 AND until IS NOT NULL RETURNING true"
            if await rows.connection.fetchval(over, decision):
                await rows.ask(None, "expire_decisions", 1_000)
                del standing[decision]
        [found] = await rows.table("SELECT standing, labels FROM posts WHERE id = $1", post)
        assert found == expected(standing), (step, standing)


@pytest.mark.parametrize("seed", range(3))
async def test_a_user_always_is_what_the_standing_decisions_say(rows: Rows, admin: int, seed: int):
    chance = random.Random(seed)
    alice = await rows.user()
    standing: dict[int, str] = {}
    for _ in range(25):
        if chance.random() < 0.6 or not standing:
            action = chance.choice(["suspend", "ban", "warn"])
            made = await decide(rows, admin, alice, action, target_type="user")
            standing[made["id"]] = action
        else:
            decision = chance.choice([*standing])
            await rows.ask(admin, "undo_decision", decision, None, None)
            del standing[decision]
        actions = {*standing.values()}
        status = "banned" if "ban" in actions else "suspended" if "suspend" in actions else "active"
        assert await rows.table("SELECT status FROM users WHERE id = $1", alice) == [(status,)]
