"""The write side of row policies: every table × every write × every viewer, against the table in `policies`."""

from contextlib import suppress

import asyncpg
import pytest

from protocol.events import EVENTS
from storage.schema import WORKER_ROLE
from tests.storage.policies import OF_VIEWERS
from tests.storage.policies.events import OF_NO_VIEWER, OUTBOX
from tests.storage.policies.rules import Rules
from tests.storage.policies.workers import OF_WORKERS
from tests.storage.policies.world import OWNER_ROLE, VIEWERS, World


def cases(table: dict[str, Rules]) -> list[object]:
    return [pytest.param(*write, id=f"{name}: {write[1]}") for name, rules in table.items() for write in rules.writes]


@pytest.mark.parametrize(("allowed", "statement"), cases(OF_VIEWERS))
async def test_a_write_is_allowed_only_to_the_viewers_in_the_table(world: World, allowed: str, statement: str):
    assert {viewer for viewer in VIEWERS if await world.writes(statement, viewer)} == set(allowed.split())


@pytest.mark.parametrize(("allowed", "statement"), cases(OF_WORKERS))
async def test_a_write_is_allowed_to_workers_only_as_in_the_table(world: World, allowed: str, statement: str):
    assert await world.writes(statement, "nobody", WORKER_ROLE) == (allowed == "worker")


@pytest.mark.parametrize(("allowed", "statement"), cases(OF_VIEWERS) + cases(OF_WORKERS))
async def test_a_refused_write_is_valid_for_the_owner_of_the_tables(world: World, allowed: str, statement: str):
    """Otherwise a misspelt statement would count as refused."""
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        done = await connection.execute(world.filled(statement))
    assert not done.endswith(" 0"), "it finds no row: add one to _BELONGINGS in tests/storage/policies/world.py"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ({new}, {blocked}, {owner}, 'pending')",
        "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ({new}, {owner}, {blocked}, 'pending')",
        "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {owner}, {blocked})",
    ],
)
async def test_a_block_forbids_relations_in_both_directions(world: World, statement: str):
    assert not await world.writes(statement, "owner")
    assert not await world.writes(statement, "blocked")


async def test_a_follow_of_a_private_account_stays_pending_until_accepted(world: World):
    statement = (
        "INSERT INTO follows (id, follower_id, followee_id, status) VALUES ({new}, {stranger}, {owner}, 'active')"
    )
    status = None
    async with world.viewing("stranger") as connection:
        with suppress(asyncpg.InsufficientPrivilegeError):
            status = await connection.fetchval(world.filled(f"{statement} RETURNING status"))
    assert status in (None, "pending")


async def test_a_circle_with_the_id_of_a_deleted_one_opens_no_posts(world: World):
    async with world.viewing("stranger") as connection:
        await connection.execute(
            world.filled("INSERT INTO circles (id, owner_id, name) VALUES ({lost_circle}, {stranger}, 'mine')")
        )
        await connection.execute(
            world.filled("INSERT INTO circle_members (circle_id, owner_id, user_id)"
                         " VALUES ({lost_circle}, {stranger}, {stranger})")
        )  # fmt: skip
        assert not await connection.fetch("SELECT FROM posts WHERE id = $1", world.ids["lost_post"])


@pytest.mark.parametrize("topic", EVENTS)
def test_every_event_has_a_row(topic: str):
    """A new event needs a policy on the outbox, which says which viewer may write it."""
    verdicts = {bool(allowed) for allowed, statement in OUTBOX["outbox"].writes if f"'{topic}'" in statement}
    assert verdicts == {False} if topic in OF_NO_VIEWER else True in verdicts, (
        f"add a write of {topic} that a viewer may do to tests/storage/policies/events.py"
    )
