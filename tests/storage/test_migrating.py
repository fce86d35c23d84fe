"""Two releases serve on one database: while the newer one is rolled out, and after it was rolled back."""

import asyncio

import asyncpg
import pytest

from storage import migrating
from storage.migrating import MigrationRefused
from tests.cluster import Cluster
from tests.storage.releases import OwnDatabase, Release, first_release

NEW_FUNCTION = """CREATE OR REPLACE FUNCTION answer() RETURNS integer LANGUAGE sql RETURN 42;
GRANT EXECUTE ON FUNCTION answer TO daira_app;"""


@pytest.fixture
async def database(idle_cluster: Cluster):
    own = OwnDatabase(idle_cluster)
    await own.create()
    yield own
    await own.drop()


@pytest.fixture
def first(tmp_path, monkeypatch) -> Release:
    return first_release(tmp_path, monkeypatch)


async def test_two_releases_serve_beside_each_other_and_after_a_roll_back(database, first):
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    (second.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    assert "no schema" in await database.why_not()
    assert await database.migrate() == older
    assert await database.why_not() is None
    newer = second.use()
    assert f"the schema is at version {older}, but {newer} is needed: run `daira migrate`" == await database.why_not()
    assert await database.migrate() == newer
    assert await database.why_not() is None
    first.use()
    assert await database.why_not() is None
    assert await database.migrate() == newer, "migrating by the older release leaves the newer one's schema"
    second.use()
    assert await database.why_not() is None
    assert await database.owner.fetchval("SELECT answer()") == 42


async def test_a_roll_back_keeps_functions_that_only_the_newer_release_has(database, first):
    second = first.next()
    (second.functions / "answer.sql").write_text(NEW_FUNCTION)
    first.use()
    await database.migrate()
    newer = second.use()
    await database.migrate()
    older = first.use()
    assert older.partition("+")[0] == newer.partition("+")[0]
    assert await database.migrate() == newer
    may = "SELECT has_function_privilege('daira_app', 'answer()', 'EXECUTE')"
    assert await database.owner.fetchval(may)
    assert await database.migrate(alone=True) == older
    assert not await database.owner.fetchval(may)


async def test_a_roll_back_restores_the_text_of_functions_that_both_releases_have(database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    second = first.next()
    (second.functions / "answer.sql").write_text(NEW_FUNCTION.replace("42", "43"))
    for release, answer in ((first, 42), (second, 43), (first, 42)):
        release.use()
        await database.migrate()
        assert await database.owner.fetchval("SELECT answer()") == answer
        assert await database.why_not() is None


async def test_a_function_that_processes_may_call_cannot_be_taken_away(database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    await database.migrate()
    second = first.next()
    (second.functions / "answer.sql").unlink()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    with pytest.raises(MigrationRefused, match=r"answer\(\) returns integer to daira_app"):
        await database.migrate()
    found = "SELECT column_name FROM information_schema.columns WHERE column_name = 'motto'"
    assert await database.owner.fetchval(found) is None
    first.use()
    assert await database.migrate() == older


async def test_a_contract_waits_for_the_end_of_older_processes_and_then_refuses_them(database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    await database.migrate()
    process = await asyncpg.connect(database.urls[1], server_settings={"application_name": f"daira {older}"})
    second = first.next()
    number = second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    await database.migrate()
    third = second.next()
    third.add_revision("DROP FUNCTION answer();", oldest_code=number)
    (third.functions / "answer.sql").unlink()
    third.use()
    with pytest.raises(
        MigrationRefused, match=rf"revision {number} .* older processes run: daira {older[:4]}\+.*1 conn"
    ):
        await database.migrate()
    await process.close()
    newest = await database.migrate()
    assert await database.why_not() is None
    second.use()
    assert await database.why_not() is None
    first.use()
    assert f"the schema is at version {newest}, which needs code of revision {number}" in await database.why_not()
    with pytest.raises(MigrationRefused, match="run newer code"):
        await database.migrate()


async def test_code_that_a_database_has_skipped_does_not_serve_on_it(database, first):
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    await database.migrate()
    first.use()
    assert "never was at" in await database.why_not()
    with pytest.raises(MigrationRefused, match="never was at"):
        await database.migrate()


async def test_a_migration_gives_way_to_writers(database, first, monkeypatch):
    monkeypatch.setattr(migrating, "PATIENCE_S", 1.0)
    first.use()
    await database.migrate()
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    newer = second.use()
    reader = await asyncpg.connect(database.urls[1])
    try:
        await reader.execute("BEGIN; SELECT id FROM users")
        with pytest.raises(MigrationRefused, match=rf"process {reader.get_server_pid()} \(daira_app"):
            await database.migrate()
        monkeypatch.setattr(migrating, "PATIENCE_S", 60.0)
        migration = asyncio.create_task(database.migrate())
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        while not await database.owner.fetchval(waits, database.name):
            await asyncio.sleep(0.01)
        await reader.execute("COMMIT")
        assert await migration == newer
    finally:
        await reader.close()


async def test_later_statements_run_outside_a_transaction_and_are_repeated_after_an_interruption(database, first):
    older = first.use()
    await database.migrate()
    await database.owner.execute(
        """INSERT INTO users (id, username, username_key, display_name)
        SELECT i, 'user' || i, 'user' || i, 'User' FROM generate_series(1, 2) AS i"""
    )
    second = first.next()
    second.add_revision(
        "ALTER TABLE users ADD COLUMN motto text DEFAULT 'twice';",
        later="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_motto ON users (motto);\n\n"
        "UPDATE users SET bio = motto WHERE motto IS NOT NULL;",
    )
    newer = second.use()
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.migrate()
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_motto'::regclass"
    assert await database.owner.fetchval(is_valid) is False
    assert await database.why_not() == f"the migration to version {newer} has not finished: run `daira migrate`"
    assert (first.use(), await database.why_not()) == (older, None)
    await database.owner.execute("UPDATE users SET motto = id")
    second.use()
    assert await database.migrate() == newer
    assert await database.why_not() is None
    assert await database.owner.fetchval(is_valid) is True
    assert await database.owner.fetchval("SELECT bio FROM users WHERE id = 2") == "2"
