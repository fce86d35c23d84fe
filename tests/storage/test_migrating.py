"""Two releases serve on one database: while the newer one is rolled out, and after it was rolled back."""

import asyncio

import asyncpg
import pytest

from storage import migrating
from storage.migrating import MigrationRefused
from tests.storage.releases import Release, first_release

NEW_FUNCTION = """CREATE OR REPLACE FUNCTION answer() RETURNS integer LANGUAGE sql RETURN 42;
GRANT EXECUTE ON FUNCTION answer TO daira_app;"""


@pytest.fixture
def first(tmp_path, monkeypatch) -> Release:
    return first_release(tmp_path, monkeypatch)


async def test_two_releases_serve_beside_each_other_and_after_a_roll_back(own_database, first):
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    (second.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    assert "no schema" in await own_database.why_not()
    assert await own_database.migrate() == older
    assert await own_database.why_not() is None
    newer = second.use()
    assert (
        f"the schema is at version {older}, but {newer} is needed: run `daira migrate`" == await own_database.why_not()
    )
    assert await own_database.migrate() == newer
    assert await own_database.why_not() is None
    first.use()
    assert await own_database.why_not() is None
    assert await own_database.migrate() == newer, "migrating by the older release leaves the newer one's schema"
    second.use()
    assert await own_database.why_not() is None
    assert await own_database.owner.fetchval("SELECT answer()") == 42


async def test_a_roll_back_keeps_functions_that_only_the_newer_release_has(own_database, first):
    second = first.next()
    (second.functions / "answer.sql").write_text(NEW_FUNCTION)
    first.use()
    await own_database.migrate()
    newer = second.use()
    await own_database.migrate()
    older = first.use()
    assert older.partition("+")[0] == newer.partition("+")[0]
    assert await own_database.migrate() == newer
    may = "SELECT has_function_privilege('daira_app', 'answer()', 'EXECUTE')"
    assert await own_database.owner.fetchval(may)
    assert await own_database.migrate(alone=True) == older
    assert not await own_database.owner.fetchval(may)


async def test_a_roll_back_restores_the_text_of_functions_that_both_releases_have(own_database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    second = first.next()
    (second.functions / "answer.sql").write_text(NEW_FUNCTION.replace("42", "43"))
    for release, answer in ((first, 42), (second, 43), (first, 42)):
        release.use()
        await own_database.migrate()
        assert await own_database.owner.fetchval("SELECT answer()") == answer
        assert await own_database.why_not() is None


async def test_a_function_that_processes_may_call_cannot_be_taken_away(own_database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    await own_database.migrate()
    second = first.next()
    (second.functions / "answer.sql").unlink()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    with pytest.raises(MigrationRefused, match=r"answer\(\) returns integer to daira_app"):
        await own_database.migrate()
    found = "SELECT column_name FROM information_schema.columns WHERE column_name = 'motto'"
    assert await own_database.owner.fetchval(found) is None
    first.use()
    assert await own_database.migrate() == older


async def test_a_contract_waits_for_the_end_of_older_processes_and_then_refuses_them(own_database, first):
    (first.functions / "answer.sql").write_text(NEW_FUNCTION)
    older = first.use()
    await own_database.migrate()
    process = await asyncpg.connect(own_database.urls[1], server_settings={"application_name": f"daira {older}"})
    second = first.next()
    number = second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    await own_database.migrate()
    third = second.next()
    third.add_revision("DROP FUNCTION answer();", oldest_code=number)
    (third.functions / "answer.sql").unlink()
    third.use()
    with pytest.raises(
        MigrationRefused, match=rf"revision {number} .* older processes run: daira {older[:4]}\+.*1 conn"
    ):
        await own_database.migrate()
    await process.close()
    newest = await own_database.migrate()
    assert await own_database.why_not() is None
    second.use()
    assert await own_database.why_not() is None
    first.use()
    assert f"the schema is at version {newest}, which needs code of revision {number}" in await own_database.why_not()
    with pytest.raises(MigrationRefused, match="run newer code"):
        await own_database.migrate()


async def test_code_that_a_database_has_skipped_does_not_serve_on_it(own_database, first):
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    second.use()
    await own_database.migrate()
    first.use()
    assert "never was at" in await own_database.why_not()
    with pytest.raises(MigrationRefused, match="never was at"):
        await own_database.migrate()


async def test_a_migration_gives_way_to_writers(own_database, first, monkeypatch):
    monkeypatch.setattr(migrating, "PATIENCE_S", 1.0)
    first.use()
    await own_database.migrate()
    second = first.next()
    second.add_revision("ALTER TABLE users ADD COLUMN motto text;")
    newer = second.use()
    reader = await asyncpg.connect(own_database.urls[1])
    try:
        await reader.execute("BEGIN; SELECT id FROM users")
        with pytest.raises(MigrationRefused, match=rf"process {reader.get_server_pid()} \(daira_app"):
            await own_database.migrate()
        monkeypatch.setattr(migrating, "PATIENCE_S", 60.0)
        migration = asyncio.create_task(own_database.migrate())
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        while not await own_database.owner.fetchval(waits, own_database.name):
            await asyncio.sleep(0.01)
        await reader.execute("COMMIT")
        assert await migration == newer
    finally:
        await reader.close()


async def test_later_statements_run_outside_a_transaction_and_are_repeated_after_an_interruption(own_database, first):
    older = first.use()
    await own_database.migrate()
    await own_database.owner.execute(
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
        await own_database.migrate()
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_motto'::regclass"
    assert await own_database.owner.fetchval(is_valid) is False
    assert await own_database.why_not() == f"the migration to version {newer} has not finished: run `daira migrate`"
    assert (first.use(), await own_database.why_not()) == (older, None)
    await own_database.owner.execute("UPDATE users SET motto = id")
    second.use()
    assert await own_database.migrate() == newer
    assert await own_database.why_not() is None
    assert await own_database.owner.fetchval(is_valid) is True
    assert await own_database.owner.fetchval("SELECT bio FROM users WHERE id = 2") == "2"
