"""Migrations of tables with a million rows while others write: `make migrations`.

Writers give up after waiting a second for a lock, so PostgreSQL itself tells that a migration held one for too long.
"""

import asyncio
import re
import shutil
import time

import asyncpg
import pytest

from storage import schema
from tests.cluster import Cluster
from tests.storage.releases import OwnDatabase, Release, first_release

pytestmark = [pytest.mark.chaos, pytest.mark.migrations, pytest.mark.timeout(600)]

ROWS = 1_000_000
LONGEST_WAIT_MS = 1_000
LONGEST_WAIT_FOR_ALL_MS = (
    5_000  # while all revisions since the first that can roll, and all functions, are laid at once
)
STUB = """CREATE OR REPLACE FUNCTION ensure_partitions(months_ahead integer DEFAULT 3)
    RETURNS void LANGUAGE sql AS '';"""
VALUES = {
    "bigint": "i", "integer": "i", "smallint": "1", "double precision": "i", "boolean": "false", "text": "'x' || i",
    "bigint[]": "ARRAY[i]", "text[]": "ARRAY[i::text]", "bytea": "i::text::bytea", "jsonb": "'{}'",
    "timestamp with time zone": "now()", "date": "now()::date",
}  # fmt: skip


class Table:
    """A table of a million rows. No trigger runs and no reference is checked: what counts are its locks."""

    def __init__(self, name: str, superuser: "asyncpg.Connection[asyncpg.Record]", longest_wait_ms: int) -> None:
        self.name = name
        self._longest_wait_ms = longest_wait_ms
        self._superuser = superuser
        self.longest_wait_s = 0.0

    async def fill(self) -> None:
        checks = await self._superuser.fetch(
            """SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
            WHERE conrelid = $1::text::regclass AND contype = 'c'""",
            self.name,
        )
        columns = await self._superuser.fetch(
            """SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
            WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                AND attnotnull AND NOT atthasdef ORDER BY attnum""",
            self.name,
        )
        for check in checks:
            await self._superuser.execute(f"ALTER TABLE {self.name} DROP CONSTRAINT {check['name']}")
        await self._superuser.execute(
            f"""INSERT INTO {self.name} ({", ".join(column["name"] for column in columns)})
            SELECT {", ".join(VALUES[column["type"]] for column in columns)} FROM generate_series(1, {ROWS}) AS i"""
        )
        for check in checks:
            valid = check["definition"].removesuffix(" NOT VALID")
            await self._superuser.execute(f"ALTER TABLE {self.name} ADD CONSTRAINT {check['name']} {valid} NOT VALID")

    async def write(self, url: str, stop: asyncio.Event) -> int:
        """Write row after row until `stop`. Returns the number of writes that waited too long for a lock."""
        connection = await asyncpg.connect(url)
        await connection.execute(f"SET session_replication_role = replica; SET lock_timeout = {self._longest_wait_ms}")
        column = await connection.fetchval(
            """SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
                AND atttypid IN ('bigint'::regtype, 'integer'::regtype) ORDER BY attnum LIMIT 1""",
            self.name,
        )
        given_up = row = 0
        while not stop.is_set():
            row = row % ROWS + 1
            began = time.monotonic()
            try:
                await connection.execute(f"UPDATE {self.name} SET {column} = {column} WHERE {column} = {row}")
            except asyncpg.LockNotAvailableError:
                given_up += 1
            except asyncpg.CheckViolationError:
                pass  # the row is made up; the writer had its lock
            self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - began)
        await connection.close()
        return given_up


class World:
    """A database at the oldest revision that can be rolled, without its functions' bodies."""

    def __init__(self, database: OwnDatabase, cluster: Cluster, checkout: Release) -> None:
        self.database = database
        self.checkout = checkout
        self._url = cluster.servers.postgres_url("postgres", database.name)

    async def __aenter__(self) -> "World":
        base = self.checkout.next()
        for file in base.versions.glob("r*"):
            if file.name[1:5] > schema.FIRST_TO_ROLL:
                file.unlink()
        shutil.rmtree(base.functions)
        base.functions.mkdir()
        (base.functions / "stub.sql").write_text(STUB)
        await self.database.create()
        base.use()
        await self.database.migrate()
        self.superuser = await asyncpg.connect(self._url)
        await self.superuser.execute("SET session_replication_role = replica")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.superuser.close()
        await self.database.drop()

    async def migrate_all(self, release: Release) -> int:
        """Migrate while all tables that the new revisions touch are written. Returns how many writes gave up."""
        new = [file.read_text() for file in release.versions.glob("r*.sql") if file.name[1:5] > schema.FIRST_TO_ROLL]
        named = set(re.findall(r"(?:ALTER TABLE|\bON|REFERENCES|UPDATE)\s+(\w+)", "\n".join(new)))
        existing = await self.superuser.fetch("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")
        names = sorted(named & {row["relname"] for row in existing})
        return await self.migrate(release, *names, longest_wait_ms=LONGEST_WAIT_FOR_ALL_MS)

    async def migrate(self, release: Release, *names: str, longest_wait_ms: int = LONGEST_WAIT_MS) -> int:
        """Migrate while these tables are written. Returns how many writes gave up."""
        touched = [Table(name, self.superuser, longest_wait_ms) for name in names]
        for table in touched:
            await table.fill()
        stop = asyncio.Event()
        writers = [asyncio.create_task(table.write(self._url, stop)) for table in touched]
        release.use()
        try:
            await self.database.migrate()
        finally:
            stop.set()
            given_up = await asyncio.gather(*writers)
        for table in touched:
            print(f"{table.name}: longest wait of a writer {table.longest_wait_s * 1000:.0f} ms")
        return sum(given_up)


@pytest.fixture
async def world(idle_cluster: Cluster, tmp_path, monkeypatch):
    checkout = first_release(tmp_path, monkeypatch)
    async with World(OwnDatabase(idle_cluster), idle_cluster, checkout) as running:
        yield running


async def test_no_revision_of_this_checkout_holds_writers_up(world: World):
    assert await world.migrate_all(world.checkout) == 0


async def test_a_good_migration_of_a_million_users_holds_no_writer_up(world: World):
    world.checkout.add_revision(
        """ALTER TABLE users ADD COLUMN motto text NOT NULL DEFAULT '';
        ALTER TABLE users ADD CONSTRAINT motto_length CHECK (length(motto) <= 100) NOT VALID;""",
        later="CREATE INDEX CONCURRENTLY IF NOT EXISTS users_motto ON users (motto, display_name, created_at);\n\n"
        "ALTER TABLE users VALIDATE CONSTRAINT motto_length;",
    )
    assert await world.migrate(world.checkout, "users") == 0
    assert await world.superuser.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'motto_length'")


@pytest.mark.parametrize(
    "sql",
    [
        # Each rewrites or reads all rows while nobody can write.
        "ALTER TABLE users ADD COLUMN key uuid DEFAULT gen_random_uuid();",
        "CREATE INDEX users_names ON users (md5(repeat(username, 500)), md5(repeat(display_name, 500)), created_at);",
        "ALTER TABLE users ALTER COLUMN follower_count TYPE bigint;",
        "UPDATE users SET bio = username;",
    ],
)
async def test_a_bad_migration_is_noticed(world: World, sql):
    world.checkout.add_revision(sql)
    assert await world.migrate(world.checkout, "users") > 0
