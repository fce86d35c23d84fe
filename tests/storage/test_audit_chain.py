"""The chain of hashes over the audit trail notices every change, also by a superuser."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from storage.audit_chain import ChainHead, Verified, verify
from tests.cluster import Cluster
from tests.patience import WAIT_S

WORDS = ("a", "اسم:3", '{"b": [1, 2]}', "x" * 300)


class Trail:
    """Some audit rows that are sealed, and a superuser who ignores triggers."""

    def __init__(self, cluster: Cluster, superuser: Any) -> None:
        self._cluster = cluster
        self.superuser = superuser
        self.ids: list[int] = []

    async def add(self, word: str) -> int:
        row_id: int = self._cluster.stores.ids.mint()
        await self.superuser.execute(
            """INSERT INTO audit (id, action, resource, changes, ip)
            VALUES ($1, 'test', $2::text, jsonb_build_object('x', $2::text), $2::text)""",
            row_id, word,
        )  # fmt: skip
        return row_id

    async def sealed(self) -> None:
        waiting = "SELECT count(*) FROM audit_unsealed WHERE audit_id = ANY ($1)"
        async with asyncio.timeout(WAIT_S):
            while await self.superuser.fetchval(waiting, self.ids):
                await self.superuser.execute("SELECT seal_audit(1000)")  # 0 while a worker seals

    async def verify(self, earlier: ChainHead | None = None) -> Verified:
        owner = await self._cluster.owner()
        try:
            return await verify(owner, earlier)
        finally:
            await owner.close()

    async def place(self, row_id: int) -> int:
        return int(await self.superuser.fetchval("SELECT place FROM audit_chain WHERE audit_id = $1", row_id))


@pytest.fixture
async def trail(cluster: Cluster) -> AsyncIterator[Trail]:
    superuser = await asyncpg.connect(cluster.servers.postgres_url("postgres"))
    trail = Trail(cluster, superuser)
    trail.ids = [await trail.add(word) for word in WORDS]
    await trail.sealed()
    await superuser.execute("SET session_replication_role = replica")  # no triggers
    yield trail
    await superuser.close()


async def test_an_untouched_trail_is_whole(trail: Trail):
    found = await trail.verify()
    assert found.broken is None
    assert found.head.place >= await trail.place(trail.ids[-1])


@pytest.mark.parametrize(
    "change",
    [
        "actor_id = 1", "action = 'tests'", "resource = resource || 'x'", "changes = '{}'",
        "recorded_at = recorded_at + interval '1 microsecond'",
    ],
)  # fmt: skip
async def test_a_changed_row_is_found(trail: Trail, change: str):
    row_id = trail.ids[1]
    before = await trail.superuser.fetchrow("SELECT * FROM audit WHERE id = $1", row_id)
    await trail.superuser.execute(f"UPDATE audit SET {change} WHERE id = $1", row_id)
    try:
        assert (await trail.verify()).broken == f"audit row {row_id} (place {await trail.place(row_id)}) was changed"
    finally:
        await trail.superuser.execute(
            "UPDATE audit SET actor_id = $2, action = $3, resource = $4, changes = $5, recorded_at = $6 WHERE id = $1",
            row_id, *(before[column] for column in ("actor_id", "action", "resource", "changes", "recorded_at")),
        )  # fmt: skip
    assert (await trail.verify()).broken is None


async def test_a_deleted_row_is_found(trail: Trail):
    row_id = trail.ids[2]
    row = await trail.superuser.fetchrow("DELETE FROM audit WHERE id = $1 RETURNING audit", row_id)
    try:
        assert (await trail.verify()).broken == f"audit row {row_id} (place {await trail.place(row_id)}) was deleted"
    finally:
        await trail.superuser.execute("INSERT INTO audit SELECT ($1::audit).*", row["audit"])
    assert (await trail.verify()).broken is None


async def test_a_row_that_was_added_without_the_application_is_found(trail: Trail):
    row_id = await trail.add("forged")
    assert (await trail.verify()).broken == f"audit row {row_id} was added without the application"
    await trail.superuser.execute("DELETE FROM audit WHERE id = $1", row_id)


async def test_a_row_that_was_deleted_before_it_was_sealed_is_found(trail: Trail):
    lost = trail._cluster.stores.ids.mint()
    await trail.superuser.execute("INSERT INTO audit_unsealed (audit_id) VALUES ($1)", lost)
    assert (await trail.verify()).broken == f"audit row {lost} was deleted before it was sealed"
    await trail.superuser.execute("DELETE FROM audit_unsealed WHERE audit_id = $1", lost)


async def test_a_chain_with_a_gap_is_found(trail: Trail):
    place = await trail.place(trail.ids[0])
    row = await trail.superuser.fetchrow("DELETE FROM audit_chain WHERE place = $1 RETURNING *", place)
    try:
        assert (await trail.verify()).broken == f"place {place} of the chain is gone"
    finally:
        await trail.superuser.execute("INSERT INTO audit_chain VALUES ($1, $2, $3, $4)", *row)


async def test_a_head_that_was_kept_shows_a_chain_that_was_cut_or_written_anew(trail: Trail):
    head = (await trail.verify()).head
    assert ChainHead.parse(str(head)) == head
    assert (await trail.verify(head)).broken is None
    longer, other = ChainHead(head.place + 10**9, head.hash), ChainHead(head.place, b"\0" * 32)
    assert "but it had" in ((await trail.verify(longer)).broken or "")
    assert (await trail.verify(other)).broken == f"the chain up to place {head.place} was written anew"


@pytest.mark.parametrize("role", ["daira_app", "daira_worker", "daira_owner"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {} = 'x' WHERE {} = {}", "DELETE FROM {0} WHERE {2} = {3}", "TRUNCATE {0}"]
)
async def test_no_role_changes_the_trail(cluster: Cluster, trail: Trail, role: str, statement: str):
    connection = await asyncpg.connect(cluster.servers.postgres_url(role))
    try:
        for table, column, key in (("audit", "action", "id"), ("audit_chain", "hash", "audit_id")):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(table, column, key, trail.ids[0]))
    finally:
        await connection.close()


async def test_address_and_browser_can_be_erased(cluster: Cluster, trail: Trail):
    owner = await cluster.owner()
    await owner.execute("UPDATE audit SET ip = NULL, user_agent = NULL WHERE id = $1", trail.ids[0])
    await owner.close()
    assert (await trail.verify()).broken is None
