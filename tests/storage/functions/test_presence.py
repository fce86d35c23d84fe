"""The right to watch a user's presence, by the database function alone."""

import pytest

from tests.storage.functions.rows import Rows


@pytest.mark.parametrize(
    ("audience", "is_private", "watchers"),
    [
        ("everyone", False, "self follower asker stranger"),
        ("everyone", True, "self follower"),
        ("followers", False, "self follower"),
        ("followers", True, "self follower"),
        ("nobody", False, "self"),
        ("nobody", True, "self"),
    ],
)
async def test_may_watch_asks_the_audience(rows: Rows, audience: str, is_private: bool, watchers: str):
    alice = await rows.user(presence_audience=audience, is_private=is_private)
    people = {"self": alice, **await rows.audience(alice, "blocker", "blocked")}
    for name in ("blocker", "blocked"):
        await rows.follow(people[name], alice)
    await rows.block(people["blocker"], alice)
    await rows.block(alice, people["blocked"])
    found = await rows.list(None, "may_watch", [alice] * len(people), list(people.values()))
    assert {list(people)[number - 1] for number in found} == set(watchers.split())


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_may_watch_only_active_users(rows: Rows, status: str):
    alice, gone = await rows.user(), await rows.user(status=status)
    assert await rows.list(None, "may_watch", [gone, alice], [alice, gone]) == [2]


async def test_may_watch_answers_viewers_for_themselves_alone(rows: Rows):
    alice, bob, carol = await rows.users(3)
    assert await rows.list(alice, "may_watch", [bob, bob, alice], [alice, carol, carol]) == [1]
    assert await rows.list(alice, "may_watch", [alice], [alice]) == [1]
