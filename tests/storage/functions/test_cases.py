"""Cases, by the database functions alone."""

import json
from typing import Any

import pytest

from tests.storage.functions.rows import Rows


async def open_case(rows: Rows, target: int, why: str = "spam", *, viewer: int | None = None, **more: Any) -> int:
    asked = {"type": "post", "seq": 0, "by": "rule", "gravity": None, "barred": [], "due": None, **more}
    return await rows.ask(
        viewer, "open_case", asked["type"], target, asked["seq"], asked["by"], why, asked["gravity"], asked["barred"],
        asked["due"],
    )  # fmt: skip


async def case(rows: Rows, case_id: int) -> dict[str, Any]:
    return dict(await rows.connection.fetchrow("SELECT * FROM cases WHERE id = $1", case_id))


async def decide(rows: Rows, case_id: int, days_ago: int = 0, action: str = "approve") -> None:
    await rows.connection.execute(
        "UPDATE cases SET status = 'decided', action = $2, decided_at = $3, decided_by = $4 WHERE id = $1",
        case_id, action, await rows.now(days=-days_ago), await rows.user(role="moderator"),
    )  # fmt: skip


async def acts(rows: Rows, case_id: int) -> list[str]:
    found = await rows.table("SELECT kind FROM case_acts WHERE case_id = $1 ORDER BY id", case_id)
    return [kind for (kind,) in found]


# ---------------------------------------------------------------------------------------------- roles


@pytest.mark.parametrize(
    ("role", "is_moderator", "is_admin"),
    [("user", False, False), ("creator", False, False), ("moderator", True, False), ("admin", True, True)],
)
async def test_viewer_is_moderator_and_viewer_is_admin(rows: Rows, role: str, is_moderator: bool, is_admin: bool):
    alice = await rows.user(role=role)
    suspended = await rows.user(role=role, status="suspended")
    for function, expected in (("viewer_is_moderator", is_moderator), ("viewer_is_admin", is_admin)):
        assert [await rows.ask(viewer, function) for viewer in (alice, suspended, None)] == [expected, False, False]


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        ("user", "moderator", False),
        ("user", "creator", False),
        ("creator", "user", False),
        ("moderator", "admin", False),
        ("moderator", "user", True),
        ("admin", "moderator", True),
        ("admin", "user", True),
    ],
)
async def test_role_changed_ends_sessions_if_it_takes_rights_away(rows: Rows, before: str, after: str, ends: bool):
    alice = await rows.user(role=before)
    session = await rows.session(alice)
    await rows.connection.execute("UPDATE users SET role = $2 WHERE id = $1", alice, after)
    revoked = await rows.table("SELECT revoked_reason FROM sessions WHERE id = $1", session)
    assert revoked == [("revoked" if ends else None,)]
    events = await rows.table("SELECT payload FROM outbox WHERE topic = 'session.ended' AND key = $1", str(alice))
    told = [json.loads(payload) for (payload,) in events]
    ended = {"v": 1, "user_id": alice, "session_ids": [session], "reason": "revoked"}
    assert told == ([ended] if ends else [])
    audited = await rows.table(
        "SELECT changes ->> 'before', changes ->> 'role' FROM audit WHERE action = 'user.role' AND resource = $1",
        f"user:{alice}",
    )
    assert audited == [(before, after)]


# ---------------------------------------------------------------------------------------------- moderated


async def test_moderated_shows_each_type_of_target(rows: Rows):
    alice = await rows.user(display_name="Alice")
    post = await rows.post(alice, text="a post")
    hidden = await rows.post(alice, "followers", text="for followers")
    comment = await rows.comment(hidden, alice)
    room = await rows.room(alice, "circle", circle_id=1, topic="a room")
    chat = await rows.added("chats", kind="group", creator_id=alice)
    await rows.add("chat_messages", chat_id=chat, seq=7, sender_id=alice, text="a message")
    said = await rows.added("room_messages", room_id=room, sender_id=alice, text="in a room")
    file = {"kind": "image", "status": "ready", "content_type": "image/png", "filename": "x", "size_bytes": 1}
    media = await rows.added(
        "media", owner_id=alice, object_key="private/x/", target_type="post", target_id=post, position=0, alt="cat",
        **file,
    )  # fmt: skip
    loose = await rows.added("media", owner_id=alice, object_key="private/y/", **file)

    shown = {"id": str(media), "kind": "image", "key": f"private/{media}/", "alt": "cat"}
    expected = [
        ("post", post, 0, {"text": "a post", "media": [shown], "shared_post_id": None}, False),
        ("post", hidden, 0, {"text": "for followers", "media": [], "shared_post_id": None}, True),
        ("comment", comment, 0, {"text": f"by {alice}", "media": [], "post_id": str(hidden)}, True),
        ("message", chat, 7, {"text": "a message", "media": []}, True),
        ("room", room, 0, {"topic": "a room"}, True),
        ("room_message", said, 0, {"text": "in a room", "room_id": str(room)}, True),
        ("media", media, 0, {"media": [shown]}, False),
        ("media", loose, 0, {"media": [{**shown, "id": str(loose), "key": f"private/{loose}/", "alt": ""}]}, True),
    ]
    for type_, target, seq, contents, is_private in expected:
        [(owner, found, hidden)] = await rows.list(None, "moderated", type_, target, seq)
        assert (owner, json.loads(found), hidden) == (alice, contents, is_private), type_
    [(owner, found, hidden)] = await rows.list(None, "moderated", "user", alice, 0)
    assert (owner, json.loads(found)["display_name"], hidden) == (alice, "Alice", False)


async def test_moderated_shows_nothing_that_is_gone(rows: Rows):
    alice = await rows.user(status="deleted")
    post = await rows.post(alice, status="deleted")
    for type_, target in (("user", alice), ("post", post), ("post", 1), ("comment", 1), ("message", 1), ("room", 1)):
        assert await rows.list(None, "moderated", type_, target, 1) == []


async def test_post_is_private_if_its_author_is(rows: Rows):
    post = await rows.post(await rows.user(is_private=True))
    assert await rows.ask(None, "post_is_private", post)


# ---------------------------------------------------------------------------------------------- open_case


async def test_one_case_is_open_for_each_target(rows: Rows):
    alice = await rows.user()
    post, other = await rows.post(alice, text="a post"), await rows.post(alice)
    first = await open_case(rows, post)
    assert await open_case(rows, post, "scam") == first
    assert await open_case(rows, other) != first
    found = await case(rows, first)
    snapshot = json.loads(found["snapshot"])
    assert (found["owner_id"], found["status"], found["source"]) == (alice, "open", "rule")
    assert (snapshot["text"], snapshot["author"]["id"]) == ("a post", str(alice))
    assert (found["reason"], found["severity"], found["priority"]) == ("scam", 2, 2_000_000)
    assert await acts(rows, first) == ["opened"]
    events = await rows.table("SELECT payload FROM outbox WHERE topic = 'case.opened' AND key = $1", str(first))
    assert [json.loads(payload) for (payload,) in events] == [{"v": 1, "case_id": first}]


async def test_the_gravest_reason_stays(rows: Rows):
    post = await rows.post(await rows.user())
    found = await open_case(rows, post, "violence")
    await open_case(rows, post, "spam")
    assert ((await case(rows, found))["reason"], (await case(rows, found))["severity"]) == ("violence", 3)
    await open_case(rows, post, "other", gravity=4)
    assert ((await case(rows, found))["reason"], (await case(rows, found))["severity"]) == ("other", 4)


async def test_a_minor_raises_the_severity(rows: Rows):
    minor = await rows.user()
    await rows.add("accounts", user_id=minor, email="m", email_key="m", birth_date=await rows.now(days=-15 * 365))
    assert (await case(rows, await open_case(rows, await rows.post(minor), "hate")))["severity"] == 3
    assert (await case(rows, await open_case(rows, await rows.post(minor), "minors")))["severity"] == 4


async def test_a_change_while_the_case_is_open_keeps_the_earlier_snapshot(rows: Rows):
    post = await rows.post(await rows.user(), text="before")
    found = await open_case(rows, post)
    await rows.connection.execute("UPDATE posts SET text = 'after' WHERE id = $1", post)
    assert await open_case(rows, post) == found
    assert json.loads((await case(rows, found))["snapshot"])["text"] == "after"
    assert await acts(rows, found) == ["opened", "changed"]
    [(details,)] = await rows.table("SELECT details FROM case_acts WHERE case_id = $1 AND kind = 'changed'", found)
    assert json.loads(details)["snapshot"]["text"] == "before"


async def test_what_was_decided_stays_so_until_it_changes(rows: Rows):
    post = await rows.post(await rows.user(), text="before")
    found = await open_case(rows, post)
    await decide(rows, found, days_ago=1_000)
    assert await open_case(rows, post, "minors") == found
    assert (await case(rows, found))["status"] == "decided"
    await rows.connection.execute("UPDATE posts SET text = 'after' WHERE id = $1", post)
    again = await open_case(rows, post)
    assert again != found
    assert (await case(rows, again))["status"] == "open"


@pytest.mark.parametrize(("action", "opens"), [("approve", False), ("warn", True)])
async def test_a_rule_opens_a_case_again_unless_it_was_approved(rows: Rows, action: str, opens: bool):
    alice = await rows.user()
    post = await rows.post(alice)
    found = await open_case(rows, post)
    await decide(rows, found, action=action)
    assert await rows.ask(alice, "is_approved", "post", post) is not opens
    assert await rows.ask(await rows.user(), "is_approved", "post", post) is False
    assert (await open_case(rows, post) != found) == opens


async def test_a_case_closes_when_all_that_found_its_target_is_undone(rows: Rows):
    post = await rows.post(await rows.user())
    found = await open_case(rows, post, by="rule:7")
    await open_case(rows, post, by="rule:8")
    for undone, status in (("rule:9", "open"), ("rule:7", "open"), ("rule:7", "open"), ("rule:8", "decided")):
        await rows.ask(None, "drop_finding", found, undone)
        assert (await case(rows, found))["status"] == status
    assert (await acts(rows, found), (await case(rows, found))["decided_by"]) == (["opened", "decided"], None)
    assert await open_case(rows, post, by="report") != found


async def test_a_case_stays_open_for_what_else_has_found_its_target(rows: Rows):
    post = await rows.post(await rows.user())
    found = await open_case(rows, post, by="rule:7")
    assert (await case(rows, found))["source"] == "rule"
    await open_case(rows, post, by="report")
    await rows.ask(None, "drop_finding", found, "rule:7")
    assert (await case(rows, found))["status"] == "open"


@pytest.mark.parametrize(("days_ago", "stays"), [(6, True), (8, False)])
async def test_what_was_decided_about_a_user_stays_so_for_a_week(rows: Rows, days_ago: int, stays: bool):
    alice = await rows.user()
    found = await open_case(rows, alice, type="user")
    await decide(rows, found, days_ago)
    assert (await open_case(rows, alice, type="user") == found) == stays


async def test_an_appeal_always_opens_a_case_and_bars_the_first_judge(rows: Rows):
    alice, judge = await rows.users(2)
    post = await rows.post(alice)
    found = await open_case(rows, post)
    await decide(rows, found)
    due = await rows.now(days=1)
    appeal = await open_case(rows, post, by="appeal", barred=[judge], due=due)
    assert appeal != found
    asked = await case(rows, appeal)
    assert (asked["source"], asked["barred_ids"], asked["due_at"]) == ("appeal", [judge], due)


async def test_an_appeal_joins_the_case_that_is_open(rows: Rows):
    alice, judge = await rows.users(2)
    post = await rows.post(alice)
    found = await open_case(rows, post)
    assert await open_case(rows, post, by="appeal", barred=[judge], due=await rows.now(days=1)) == found
    asked = await case(rows, found)
    assert (asked["source"], asked["barred_ids"]) == ("appeal", [judge])


async def test_open_case_is_for_owners_moderators_and_workers(rows: Rows):
    alice, bob = await rows.users(2)
    moderator = await rows.user(role="moderator")
    post = await rows.post(alice)
    assert await rows.list(bob, "open_case", "post", post, 0, "rule", "spam", None, [], None) == [None]
    found = {await open_case(rows, post, viewer=viewer) for viewer in (alice, moderator, None)}
    assert len(found) == 1
    assert found != {None}


async def test_open_case_finds_nothing_that_is_gone(rows: Rows):
    assert await rows.list(None, "open_case", "post", 1, 0, "rule", "spam", None, [], None) == [None]


@pytest.mark.parametrize(
    ("reason", "severity"),
    [("minors", 4), ("self_harm", 3), ("illegal", 3), ("hate", 2), ("copyright", 1), ("spam", 0), ("other", 0)],
)
async def test_reason_severity(rows: Rows, reason: str, severity: int):
    assert await rows.ask(None, "reason_severity", reason) == severity
