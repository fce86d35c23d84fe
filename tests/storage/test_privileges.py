"""The two roles have exactly the privileges of the written table: a new table, column or function needs a row."""

from typing import Any

import pytest

from storage.schema import APP_ROLE, WORKER_ROLE
from tests.storage.policies import OF_VIEWERS
from tests.storage.policies.answers import FUNCTIONS, INTERNAL, TO_WORKERS
from tests.storage.policies.rules import Rules
from tests.storage.policies.workers import OF_WORKERS
from tests.storage.policies.world import OWNER_ROLE, VIEWERS, World

VERBS = {"INSERT": "INSERT INTO", "UPDATE": "UPDATE", "DELETE": "DELETE FROM"}
HARMLESS = {"INSERT": "INSERT INTO {} DEFAULT VALUES", "UPDATE": "UPDATE {} SET {} = NULL", "DELETE": "DELETE FROM {}"}
TABLES = """
    SELECT relname AS name, c.oid, relispartition AS is_partition, relrowsecurity AS is_protected
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND relname NOT IN ('alembic_version', 'schema_versions')
"""
WRITES = "tests/storage/policies/ (people.py, rooms.py or events.py for the app, workers.py for workers)"
ANSWERS = "add a row to tests/storage/policies/answers.py: to FUNCTIONS, or to INTERNAL if it is granted to no user"
ROLES = pytest.mark.parametrize(("role", "rules"), [(APP_ROLE, OF_VIEWERS), (WORKER_ROLE, OF_WORKERS)])


async def tables(world: World, *, partitions: bool) -> dict[str, Any]:
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        rows = await connection.fetch(TABLES)
    return {row["name"]: row for row in rows if row["is_partition"] == partitions}


async def columns(world: World, role: str, table: Any, privilege: str) -> set[str]:
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        rows = await connection.fetch(
            """SELECT attname FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
            AND has_column_privilege($2, attrelid, attnum, $3)""",
            table["oid"], role, privilege,
        )  # fmt: skip
    return {row["attname"] for row in rows}


async def may(world: World, role: str, table: Any, privilege: str) -> bool:
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        return bool(
            await connection.fetchval("SELECT has_table_privilege($1, $2::oid, $3)", role, table["oid"], privilege)
        )


async def test_every_table_has_a_row(world: World):
    found = (await tables(world, partitions=False)).keys()
    assert OF_VIEWERS.keys() == found, f"add the table's rules to {WRITES}"


async def test_every_table_denies_by_default(world: World):
    assert [name for name, table in (await tables(world, partitions=False)).items() if not table["is_protected"]] == []


@ROLES
async def test_column_grants_match_the_table(world: World, role: str, rules: dict[str, Rules]):
    nothing = Rules("", "", False, ())
    for name, table in (await tables(world, partitions=False)).items():
        expected = rules.get(name, nothing)
        text = f"{name}: {role}'s grants and its rules in {WRITES} differ"
        assert await columns(world, role, table, "INSERT") == set(expected.inserts.split()), text
        assert await columns(world, role, table, "UPDATE") == set(expected.updates.split()), text
        assert await may(world, role, table, "DELETE") == expected.deletes, text
        assert not await may(world, role, table, "TRUNCATE, REFERENCES, TRIGGER, MAINTAIN"), name


@ROLES
async def test_partitions_are_accessible_only_through_their_parent(world: World, role: str, rules: dict[str, Rules]):
    for name, table in (await tables(world, partitions=True)).items():
        for privilege in ("SELECT", "INSERT", "UPDATE"):
            assert not await columns(world, role, table, privilege), name
        assert not await may(world, role, table, "DELETE, TRUNCATE"), name


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", OF_VIEWERS)
async def test_every_granted_write_is_tested_and_every_other_refused(world: World, name: str, verb: str):
    rules = OF_VIEWERS[name]
    granted = {"INSERT": bool(rules.inserts), "UPDATE": bool(rules.updates), "DELETE": rules.deletes}[verb]
    if granted:
        tried = [allowed for allowed, statement in rules.writes if f"{VERBS[verb]} {name} " in statement]
        assert any(tried), f"no viewer is allowed to {verb} {name}"
        assert any(set(allowed.split()) != set(VIEWERS) for allowed in tried), f"no viewer is refused to {verb} {name}"
        return
    column = min(await columns(world, OWNER_ROLE, (await tables(world, partitions=False))[name], "SELECT"))
    for viewer in VIEWERS:
        assert not await world.writes(HARMLESS[verb].format(name, column), viewer)


async def test_no_write_policy_is_unconditional(world: World):
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        wide = await connection.fetch(
            """SELECT tablename, policyname FROM pg_policies WHERE roles && ARRAY ['public', 'daira_app']::name[]
            AND cmd <> 'SELECT' AND (coalesce(with_check, qual) = 'true' OR cmd = 'UPDATE' AND with_check IS NULL)"""
        )
    assert wide == []


# ---------------------------------------------------------------------------------------------- functions


async def functions(world: World, condition: str, *arguments: object) -> set[str]:
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        rows = await connection.fetch(
            f"SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND {condition}", *arguments
        )
    return {row["proname"] for row in rows}


@pytest.mark.parametrize(("role", "written"), [(APP_ROLE, FUNCTIONS.keys()), (WORKER_ROLE, TO_WORKERS)])
async def test_function_grants_match_the_table(world: World, role: str, written: set[str]):
    assert await functions(world, "has_function_privilege($1, oid, 'EXECUTE')", role) == set(written), ANSWERS


async def test_every_function_has_a_row(world: World):
    assert await functions(world, "true") == INTERNAL | FUNCTIONS.keys(), ANSWERS


async def test_security_definer_functions_set_their_search_path(world: World):
    """Otherwise a caller's temporary table could replace one of the database's tables."""
    condition = "prosecdef AND NOT coalesce('search_path=public, pg_temp' = ANY (proconfig), false)"
    assert await functions(world, condition) == set()


async def test_a_new_function_is_granted_to_no_role(world: World):
    async with world.viewing("nobody", OWNER_ROLE) as connection:
        await connection.execute("CREATE FUNCTION fresh() RETURNS integer LANGUAGE sql RETURN 1")
        for role in (APP_ROLE, WORKER_ROLE):
            assert not await connection.fetchval("SELECT has_function_privilege($1, 'fresh()', 'EXECUTE')", role)


@pytest.mark.parametrize(
    ("answered", "query"), [pytest.param(*each, id=each[1]) for rows in FUNCTIONS.values() for each in rows]
)
async def test_a_function_answers_exactly_the_viewers_in_the_table(world: World, answered: str, query: str):
    found = set()
    for viewer in VIEWERS:
        async with world.viewing(viewer) as connection:
            *acts, look = world.filled(query, viewer).split(";")
            for act in acts:
                await connection.execute(act)
                await connection.execute("SELECT set_config('app.user_id', $1, true)", str(world.ids["owner"]))
            if await connection.fetchval(look):
                found.add(viewer)
    assert found == set(answered.split())
