"""Functions of the database are those of storage/functions/, whatever stood there before."""

import re
import shutil
from pathlib import Path

import asyncpg
import pytest

from storage import dumps, migrating, schema
from tests.cluster import Cluster

ALL = """
    SELECT oid::regprocedure::text AS name, pg_get_functiondef(oid) AS definition, proacl::text AS rights
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1
"""
OLDER = """
    CREATE OR REPLACE FUNCTION viewer_id() RETURNS bigint LANGUAGE sql RETURN 7;
    CREATE OR REPLACE FUNCTION tie_allowed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    GRANT EXECUTE ON FUNCTION mint_id TO daira_app, PUBLIC;
    REVOKE EXECUTE ON FUNCTION relations FROM daira_worker;
"""


@pytest.fixture
async def owner(cluster: Cluster):
    connection = await cluster.owner()
    yield connection
    await connection.close()


async def functions(owner: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str, list[str]]]:
    return [(row["name"], row["definition"], sorted(row["rights"].split(","))) for row in await owner.fetch(ALL)]


async def test_a_backup_is_named_as_a_connection_of_this_code(cluster: Cluster):
    """Runbooks end old transactions of strangers."""
    async with dumps.snapshot(cluster.servers.postgres_url("daira_owner")) as found:
        assert await found._connection.fetchval("SHOW application_name") == schema.connection_name()


async def test_every_function_is_in_a_file_and_every_file_is_applied(owner):
    texts = [path.read_text() for path in schema.FUNCTIONS.iterdir()]
    written = [name for text in texts for name in re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)", text, re.M)]
    assert sorted(written) == sorted(name.partition("(")[0] for name, _, _ in await functions(owner))


async def test_a_new_file_is_applied_whatever_its_functions_call(owner, monkeypatch, tmp_path):
    copy = Path(shutil.copytree(schema.FUNCTIONS, tmp_path / "functions"))
    calls_later = "CREATE OR REPLACE FUNCTION early() RETURNS integer LANGUAGE sql AS $$ SELECT late() $$;"
    (copy / "aaa.sql").write_text(calls_later)
    (copy / "zzz.sql").write_text("CREATE OR REPLACE FUNCTION late() RETURNS integer LANGUAGE sql RETURN 7;")
    monkeypatch.setattr(schema, "FUNCTIONS", copy)
    await owner.execute("BEGIN")
    await owner.execute(schema.functions())
    assert await owner.fetchval("SELECT early()") == 7
    await owner.execute("ROLLBACK")


async def test_functions_and_rights_become_what_the_files_say(owner):
    before = await functions(owner)
    await owner.execute("BEGIN")
    await owner.execute(OLDER)
    assert len([each for each in await functions(owner) if each not in before]) == 4
    await owner.execute(schema.functions())
    assert await functions(owner) == before
    await owner.execute("ROLLBACK")


async def test_a_database_at_the_newest_version_is_left_alone(cluster: Cluster, owner):
    newest = schema.newest_version()
    assert await schema.current_version(owner) == newest
    before = await owner.fetch("SELECT oid, xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1")
    roles = (cluster.servers.postgres_url(role) for role in ("daira_owner", "daira_app", "daira_worker"))
    assert await migrating.migrate(*roles) == newest
    assert before == await owner.fetch(
        "SELECT oid, xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    )
