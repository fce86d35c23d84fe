"""People whom the viewer may know, by the database function alone."""

from datetime import date
from typing import Any

import pytest

from tests.storage.functions.rows import Rows


class Friends:
    """A viewer, a friend whom the viewer follows, and a person whom the friend follows."""

    def __init__(self, rows: Rows, viewer: int, friend: int, person: int) -> None:
        self.rows, self.viewer, self.friend, self.person = rows, viewer, friend, person

    async def user(self, birth_date: date | None = None, **columns: Any) -> int:
        return await old_user(self.rows, birth_date, **columns)

    async def suggested(self) -> list[tuple[int, int, bool]]:
        """User, common follows, and whether the user follows the viewer."""
        return [tuple(row) for row in await self.rows.list(self.viewer, "suggested_people", 50)]

    async def change(self, statement: str, *arguments: Any) -> None:
        await self.rows.connection.execute(statement, *arguments)


async def old_user(rows: Rows, birth_date: date | None = None, **columns: Any) -> int:
    user = await rows.user(**{"created_at": await rows.now(hours=-73), **columns})
    name = f"suggested{user}"
    await rows.add("accounts", user_id=user, email=name, email_key=name, birth_date=birth_date)
    return user


@pytest.fixture
async def friends(rows: Rows) -> Friends:
    viewer, friend, person = [await old_user(rows) for _ in range(3)]
    await rows.follow(viewer, friend)
    await rows.follow(friend, person)
    return Friends(rows, viewer, friend, person)


async def test_those_are_suggested_whom_most_of_the_followed_follow(friends: Friends):
    assert await friends.suggested() == [(friends.person, 1, False)]
    second, popular = await friends.user(), await friends.user()
    await friends.rows.follow(friends.viewer, second)
    for each in (friends.friend, second):
        await friends.rows.follow(each, popular)
    assert await friends.suggested() == [(popular, 2, False), (friends.person, 1, False)]


async def test_followers_are_suggested_too(friends: Friends):
    fan = await friends.user()
    await friends.rows.follow(fan, friends.viewer)
    assert await friends.suggested() == [(fan, 0, True), (friends.person, 1, False)]


async def test_follows_that_wait_are_no_signal(friends: Friends):
    asked, asker, person = [await friends.user() for _ in range(3)]
    await friends.rows.follow(friends.viewer, asked, "pending")
    await friends.rows.follow(asked, person)
    await friends.rows.follow(asker, friends.viewer, "pending")
    await friends.rows.follow(friends.friend, await friends.user(), "pending")
    assert await friends.suggested() == [(friends.person, 1, False)]


async def test_circles_are_no_signal(friends: Friends):
    owner, member = await friends.user(), await friends.user()
    await friends.rows.circle(owner, friends.viewer, member)
    await friends.rows.circle(friends.viewer, owner)
    await friends.rows.circle(friends.friend, member)
    assert await friends.suggested() == [(friends.person, 1, False)]


@pytest.mark.parametrize("status", ["active", "pending"])
async def test_who_is_followed_or_asked_is_not_suggested(friends: Friends, status: str):
    await friends.rows.follow(friends.viewer, friends.person, status)
    assert await friends.suggested() == []


async def test_users_with_a_block_are_not_suggested(friends: Friends):
    blocker = await friends.user()
    await friends.rows.follow(friends.friend, blocker)
    await friends.rows.block(friends.viewer, friends.person)
    await friends.rows.block(blocker, friends.viewer)
    assert await friends.suggested() == []


@pytest.mark.parametrize("kind", ["all", "posts", "stories"])
async def test_muted_users_are_not_suggested_until_the_mute_ends(friends: Friends, kind: str):
    await friends.rows.mute(friends.viewer, friends.person, kind, await friends.rows.now(hours=1))
    assert await friends.suggested() == []
    await friends.change("UPDATE mutes SET until = now() WHERE muted_id = $1", friends.person)
    assert len(await friends.suggested()) == 1


async def test_dismissed_users_are_not_suggested(friends: Friends):
    await friends.rows.add("dismissed_people", user_id=friends.person, dismissed_id=friends.viewer)
    assert len(await friends.suggested()) == 1
    await friends.rows.add("dismissed_people", user_id=friends.viewer, dismissed_id=friends.person)
    assert await friends.suggested() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET created_at = now() - interval '71 hours' WHERE id = $1",
        "UPDATE users SET status = 'suspended' WHERE id = $1",
        "UPDATE accounts SET suggest_me = false WHERE user_id = $1",
        "UPDATE accounts SET birth_date = now() - interval '17 years' WHERE user_id = $1",
    ],
)
@pytest.mark.parametrize("follows", [False, True])
async def test_new_suspended_unwilling_and_young_users_are_not_suggested(friends: Friends, change: str, follows: bool):
    if follows:
        await friends.rows.follow(friends.person, friends.viewer)
    await friends.change(change, friends.person)
    assert await friends.suggested() == []


async def test_a_private_account_is_suggested_only_to_whom_it_follows(friends: Friends):
    await friends.change("UPDATE users SET is_private = true WHERE id = $1", friends.person)
    assert await friends.suggested() == []
    await friends.rows.follow(friends.person, friends.viewer)
    assert await friends.suggested() == [(friends.person, 1, True)]


async def test_follows_of_suspended_users_are_no_signal(friends: Friends):
    await friends.change("UPDATE users SET status = 'suspended' WHERE id = $1", friends.friend)
    assert await friends.suggested() == []


@pytest.mark.parametrize(("years", "sees"), [(17, False), (18, True)])
async def test_minors_get_only_verified_accounts_suggested(friends: Friends, years: int, sees: bool):
    await friends.change(
        "UPDATE accounts SET birth_date = now() - $2::int * interval '1 year' WHERE user_id = $1", friends.viewer, years
    )
    assert (await friends.suggested() != []) == sees
    await friends.change("UPDATE users SET is_verified = true WHERE id = $1", friends.person)
    assert len(await friends.suggested()) == 1


async def test_nobody_is_suggested_without_a_viewer(friends: Friends):
    assert await friends.rows.list(None, "suggested_people", 50) == []
