"""Who may send a user messages, comment and mention, by the database function alone."""

import pytest

from tests.storage.functions.rows import Rows

ADMITTED = {
    "everyone": {"follower", "asker", "stranger", "unrelated"},
    "followers": {"follower"},
    "followed": {"stranger"},
    "nobody": set(),
}


async def admitted(rows: Rows, owner: int, people: dict[str, int], what: str) -> set[str]:
    return {name for name, user in people.items() if await rows.ask(None, "admits", owner, user, what)}


@pytest.mark.parametrize("audience", ADMITTED)
@pytest.mark.parametrize("what", ["messages", "comments", "mentions"])
async def test_settings_choose_the_audience_of_each_kind(rows: Rows, what: str, audience: str):
    owner = await rows.user()
    people = await rows.audience(owner, "unrelated")
    columns = dict.fromkeys(("messages_from", "comments_from", "mentions_from"), "everyone")
    columns[f"{what}_from"] = audience
    await rows.add("accounts", user_id=owner, email=str(owner), email_key=str(owner), **columns)
    for kind in ("messages", "comments", "mentions"):
        expected = ADMITTED[audience if kind == what else "everyone"]
        assert await admitted(rows, owner, people, kind) == expected, kind
    assert await rows.ask(None, "admits", owner, owner, what)
    assert await admitted(rows, owner, people, "something else") == set()


@pytest.mark.parametrize("what", ["messages", "comments", "mentions"])
async def test_blocks_and_ended_accounts_admit_nobody(rows: Rows, what: str):
    owner, blocked, blocker = await rows.users(3)
    suspended = await rows.user(status="suspended")
    await rows.block(owner, blocked)
    await rows.block(blocker, owner)
    assert not await rows.ask(None, "admits", owner, blocked, what)
    assert not await rows.ask(None, "admits", owner, blocker, what)
    assert not await rows.ask(None, "admits", suspended, owner, what)
    assert await rows.ask(None, "admits", owner, suspended, what)


@pytest.mark.parametrize(("audience", "expected"), [("everyone", {"stranger"}), ("nobody", set())])
async def test_minors_get_messages_only_of_users_whom_they_follow(rows: Rows, audience: str, expected: set[str]):
    for years, of_minors in ((18, False), (17, True)):
        owner = await rows.user()
        people = await rows.audience(owner)
        born = await rows.connection.fetchval(f"SELECT (now() - interval '{years} years')::date")
        await rows.add("accounts", user_id=owner, email=str(owner), email_key=str(owner), birth_date=born,
                       messages_from=audience)  # fmt: skip
        assert await admitted(rows, owner, people, "messages") == (
            expected if of_minors else ADMITTED[audience] & {*people}
        )
        assert await admitted(rows, owner, people, "comments") == {*people}
