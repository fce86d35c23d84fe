"""Accounts and sessions, by the database functions alone: signing in, and what ends sessions."""

import json
import math

import pytest

from tests.storage.functions.rows import Rows

NEVER = math.inf


async def account(rows: Rows, email: str, **columns) -> int:
    user = await rows.user(**columns)
    await rows.add("accounts", user_id=user, email=email, email_key=email, password_hash=f"hash of {user}")
    return user


async def test_account_for_login_finds_the_account_of_the_address(rows: Rows):
    alice = await account(rows, "alice@example.org")
    for other in ("bob", "dina"):
        await account(rows, f"{other}@example.org")
    assert [tuple(each) for each in await rows.list(None, "account_for_login", "alice@example.org")] == [
        (alice, f"hash of {alice}")
    ]
    assert await rows.list(None, "account_for_login", "carol@example.org") == []


@pytest.mark.parametrize(("status", "found"), [("suspended", 1), ("banned", 1), ("deleted", 0)])
async def test_account_for_login_finds_suspended_users_who_may_appeal_but_no_deleted_ones(
    rows: Rows, status: str, found: int
):
    await account(rows, "alice@example.org", status=status)
    assert len(await rows.list(None, "account_for_login", "alice@example.org")) == found


async def test_account_for_login_answers_only_before_sign_in(rows: Rows):
    alice = await account(rows, "alice@example.org")
    assert await rows.list(alice, "account_for_login", "alice@example.org") == []


@pytest.mark.parametrize(
    ("address", "name", "minutes", "expected"),
    [
        ("a@example.org", "alice", 9, True),
        ("a@example.org", "alice", 10, False),
        ("a@example.org", "alice", 11, False),
        ("a@example.org", "bob", 9, False),
        ("b@example.org", "alice", 9, False),
    ],
)
async def test_registered_just_now(rows: Rows, address: str, name: str, minutes: int, expected: bool):
    alice, bob = await rows.added("users", username="a", username_key="alice"), await rows.user()
    created = {"created_at": await rows.now(minutes=-minutes)}
    await rows.add("accounts", user_id=alice, email="", email_key="a@example.org", **created)
    await rows.add("accounts", user_id=bob, email="", email_key="other@example.org", **created)
    assert await rows.ask(None, "registered_just_now", address, name) == expected


async def test_session_owner_knows_whoever_knows_the_family_of_the_tokens(rows: Rows):
    alice, bob = await rows.users(2)
    session, other = await rows.session(alice), await rows.session(bob, family_hash=b"other")
    assert await rows.ask(None, "session_owner", session, b"family") == alice
    assert await rows.ask(None, "session_owner", session, b"other") is None
    assert await rows.ask(None, "session_owner", other, b"other") == bob
    assert await rows.ask(None, "session_owner", 0, b"family") is None
    assert await rows.ask(alice, "session_owner", session, b"family") is None


async def test_ended_sessions_are_those_that_were_revoked(rows: Rows):
    alice = await rows.user()
    alive, ended, another = [
        await rows.session(alice, revoked_at=at, revoked_reason=at and "logout")
        for at in (None, await rows.now(), await rows.now())
    ]
    found = await rows.list(None, "ended_sessions", [alive, ended])
    assert [tuple(each) for each in found] == [(ended, "logout")]
    assert await rows.list(alice, "ended_sessions", [alive, ended, another]) == []


# ---------------------------------------------------------------------------------------------- sign_in


async def sign_in(rows: Rows, user: int, *more: int):
    """Sign these users in, each with a new session; return the row of the first."""
    sessions = [await rows.session(each) for each in (user, *more)]
    found = await rows.list(None, "sign_in", sessions, [user, *more])
    assert [each["owner"]["id"] for each in found if each["owner"]["id"] == user] == [user]
    return next(each for each in found if each["owner"]["id"] == user)


async def test_sign_in_answers_for_sessions_that_are_alive(rows: Rows):
    alice, bob, gone = *await rows.users(2), await rows.user(status="suspended")
    alive, other = await rows.session(alice), await rows.session(bob)
    revoked, of_gone = await rows.session(alice, revoked_at=await rows.now()), await rows.session(gone)
    asked = [alive, other, revoked, of_gone], [alice, bob, alice, gone]
    found = await rows.list(None, "sign_in", *asked)
    assert {(each["session_id"], each["owner"]["id"]) for each in found} == {(alive, alice), (other, bob)}
    assert await rows.list(alice, "sign_in", *asked) == []


async def test_sign_in_refuses_the_session_of_another_user(rows: Rows):
    alice, bob = await rows.users(2)
    session = await rows.session(bob)
    assert await rows.list(None, "sign_in", [session], [alice]) == []


@pytest.mark.parametrize(("seconds", "is_renewed"), [(59, False), (60, False), (61, True)])
async def test_sign_in_renews_when_a_session_was_last_seen_after_a_minute(rows: Rows, seconds: int, is_renewed: bool):
    alice, before = await rows.user(), await rows.now(seconds=-seconds)
    asked = await rows.session(alice, last_seen_at=before)
    another = await rows.session(alice, last_seen_at=before)
    await rows.list(None, "sign_in", [asked], [alice])
    seen = dict(await rows.table("SELECT id, last_seen_at FROM sessions WHERE user_id = $1", alice))
    assert seen == {asked: await rows.now() if is_renewed else before, another: before}


async def test_sign_in_names_users_with_a_block_in_either_direction(rows: Rows):
    alice, blocked, blocker, other = await rows.users(4)
    await rows.block(alice, blocked)
    await rows.block(blocker, alice)
    await rows.block(other, blocker)
    found = await sign_in(rows, alice, other)
    hidden = zip(found["hidden"], found["hidden_until"], found["posts_hidden_until"], strict=True)
    assert sorted(hidden) == [(blocked, NEVER, 0), (blocker, NEVER, 0)]


async def test_sign_in_names_muted_users_with_the_end_of_the_mute(rows: Rows):
    alice, everything, posts, both, stories, ended, ending = await rows.users(7)
    now, until = await rows.now(), await rows.now(hours=1)
    await rows.mute(alice, everything)
    await rows.mute(alice, posts, "posts", until)
    await rows.mute(alice, both, "all", until)
    await rows.mute(alice, both, "posts")
    await rows.mute(alice, stories, "stories")
    await rows.mute(alice, ended, "all", await rows.now(seconds=-1))
    await rows.mute(alice, ending, "all", now)
    await rows.mute(everything, alice)
    found = await sign_in(rows, alice)
    hidden = zip(found["hidden"], found["hidden_until"], found["posts_hidden_until"], strict=True)
    end = until.timestamp()
    assert sorted(hidden) == [(everything, NEVER, 0), (posts, 0, end), (both, end, NEVER)]


async def test_sign_in_names_large_authors_whom_the_user_follows_and_may_see(rows: Rows):
    alice, bob, small = await rows.users(3)
    followed, asked, blocked, of_bob = [await rows.user(is_large=True) for _ in range(4)]
    for author in (followed, small, blocked):
        await rows.follow(alice, author)
    await rows.follow(alice, asked, "pending")
    await rows.follow(bob, of_bob)
    assert sorted((await sign_in(rows, alice))["large_authors"]) == sorted([followed, blocked])
    await rows.block(blocked, alice)
    assert (await sign_in(rows, alice, bob))["large_authors"] == [followed]


# ---------------------------------------------------------------------------------------------- status_changed


@pytest.mark.parametrize(("status", "reason"), [("suspended", "suspended"), ("deleted", "revoked")])
async def test_status_changed_ends_all_sessions_of_the_user(rows: Rows, status: str, reason: str):
    alice, bob = await rows.users(2)
    alive, ended, of_bob = (
        await rows.session(alice),
        await rows.session(alice, revoked_at=await rows.now(hours=-1), revoked_reason="logout"),
        await rows.session(bob),
    )
    await rows.connection.execute("UPDATE users SET status = $2 WHERE id = $1", alice, status)
    found = await rows.table("SELECT id, revoked_reason FROM sessions ORDER BY id")
    assert [each for each in found if each[0] in (alive, ended, of_bob)] == [
        (alive, reason), (ended, "logout"), (of_bob, None),
    ]  # fmt: skip
    [(payload,)] = await rows.table("SELECT payload FROM outbox WHERE key = $1 AND topic = 'session.ended'", str(alice))
    assert json.loads(payload) == {"v": 1, "user_id": alice, "session_ids": [alive], "reason": reason}
    assert await changes(rows, alice) == [{"before": "active", "status": status, "ended_sessions": 1}]


async def test_status_changed_to_active_ends_no_session(rows: Rows):
    alice = await rows.user(status="suspended")
    session = await rows.session(alice)
    await rows.connection.execute("UPDATE users SET status = 'active' WHERE id = $1", alice)
    assert await rows.table("SELECT revoked_at FROM sessions WHERE id = $1", session) == [(None,)]
    assert await rows.table("SELECT FROM outbox WHERE key = $1 AND topic = 'session.ended'", str(alice)) == []
    assert await changes(rows, alice) == [{"before": "suspended", "status": "active", "ended_sessions": 0}]


async def changes(rows: Rows, user: int) -> list[object]:
    found = await rows.table("SELECT changes FROM audit WHERE resource = $1", f"user:{user}")
    return [json.loads(each) for (each,) in found]


# ---------------------------------------------------------------------------------------------- may_tell_of_session


async def test_may_tell_of_session_that_is_the_viewers_and_has_ended(rows: Rows):
    alice, bob = await rows.users(2)
    ended, alive = await rows.session(alice, revoked_at=await rows.now()), await rows.session(alice)
    of_bob = await rows.session(bob, revoked_at=await rows.now())

    async def may(topic: str, key: int, user: int, *sessions: int) -> bool:
        return await rows.may_tell(
            alice, "may_tell_of_session", topic, key, user_id=user, session_ids=list(map(str, sessions))
        )

    assert await may("session.ended", alice, alice, ended)
    assert await may("session.ended", alice, alice)
    assert not await may("session.begun", alice, alice, ended)
    assert not await may("session.ended", bob, alice, ended)
    assert not await may("session.ended", alice, bob, ended)
    assert not await may("session.ended", bob, bob)
    assert not await may("session.ended", alice, alice, ended, alive)
    assert not await may("session.ended", alice, alice, ended, of_bob)
    assert not await may("session.ended", alice, alice, ended, 0)
