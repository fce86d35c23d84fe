"""Migrations: bring roles, tables and functions up to date while processes of this and the last version serve.

Revisions hold tables, policies and triggers, each as it was when it was written. `functions/` holds the current text of
all functions, which every migration applies after the revisions, file by file in alphabetic order. A revision declares
with an empty body each new function that its policies or triggers call, or that a body after RETURN calls in an earlier
file: PostgreSQL resolves those at once.

Revisions and functions are applied in one transaction, because triggers must not run with empty bodies. It waits at
most 0.2 s for each lock, because writers queue behind it; then it is rolled back and repeated. Afterwards come the
statements of `.later.sql` files, each outside a transaction: indexes that are built concurrently, constraints that are
validated, rows that are filled in. They may be interrupted, so each must be safe to repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import asyncpg
import stamina
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage import schema
from storage.schema import APP_ROLE, WORKER_ROLE, Standing

LOCK_TIMEOUT_MS = 200  # below PostgreSQL's deadlock_timeout
PATIENCE_S = 120.0  # for all repetitions together
TURN_EVERY_S = 0.1
LONG_S = 1.0
LONG_SHOWN = 3

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


_LOCKING = """
    SELECT DISTINCT virtualtransaction AS transaction,
        format('process %s (%s, %s)', pid, usename, application_name) AS what
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE granted AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
        AND datname = current_database() AND pid <> pg_backend_pid()
"""


class MigrationRefused(Exception):
    """The migration would break processes that run, or cannot get a lock; nothing was changed."""


class FunctionsLost(MigrationRefused):
    """Functions that processes may call would be gone, or no longer granted."""


async def migrate(owner_url: str, app_url: str, worker_url: str, *, alone: bool = False) -> str:
    """Bring the database up to date, unless newer code has migrated it. Safe to run from many places at once.

    alone: no other process runs, so functions that this code does not have may go.

    Returns the version of the schema: newer than the code's after a roll-back. Raises MigrationRefused.
    """
    await ensure_roles(owner_url, app_url, worker_url)
    owner = await schema.connect(owner_url)
    engine = create_async_engine(
        "postgresql+asyncpg://" + owner_url.partition("://")[2],
        connect_args={"server_settings": {"application_name": schema.connection_name()}},
    )
    try:
        await _take_turn(owner)
        found = await schema.standing(owner)
        code = schema.newest_version()
        if found.revision > code.partition("+")[0]:
            if why := found.why_not(code):
                raise MigrationRefused(why)
        elif found.version != code or not found.is_finished:
            await _bring_to(code, found, owner, engine, alone=alone)
        await _patiently(owner, lambda: _with_timeout(owner, "SELECT ensure_partitions()"))
        if await owner.fetchval("SELECT to_regproc('ensure_vectors') IS NOT NULL"):  # older schemas lack it
            await _patiently(owner, lambda: _with_timeout(owner, "SELECT ensure_vectors()"))
        return str(await schema.current_version(owner))
    finally:
        await engine.dispose()
        await owner.close()


async def _bring_to(code: str, found: Standing, owner: Owner, engine: AsyncEngine, *, alone: bool) -> None:
    try:
        await _patiently(owner, lambda: _upgrade(code, found, engine, alone=alone))
    except FunctionsLost:
        if code in found.earlier:
            return  # a roll-back: the functions of the newer version serve this one too
        raise
    # Those of earlier versions have run, but one that was interrupted may be of any revision since the last finished.
    last = max((version.partition("+")[0] for version in found.earlier), default="")
    for revision in schema.revisions():
        if revision.number > last and revision.later_file.exists():
            for statement in revision.later_file.read_text("utf-8").split("\n\n"):
                await _patiently(owner, lambda statement=statement: _run_later(owner, statement))  # type: ignore[misc]
    await owner.execute("UPDATE schema_versions SET finished_at = now() WHERE version = $1", code)


async def _upgrade(code: str, found: Standing, engine: AsyncEngine, *, alone: bool) -> None:
    """Apply the pending revisions and all functions, in one transaction."""
    pending = [each for each in schema.revisions() if each.number > found.revision]
    oldest_code = max([each.oldest_code for each in pending if each.oldest_code], default=found.oldest_code)
    async with engine.begin() as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, asyncpg.Connection)
        if oldest_code > found.oldest_code:
            await _refuse_beside_older(driver, oldest_code)
        before = await _granted_functions(driver)
        await connection.run_sync(_run_revisions)
        await driver.execute(schema.functions())  # by the driver: a prepared statement cannot hold several commands
        lost = sorted(before - await _granted_functions(driver))
        if lost and oldest_code == found.oldest_code and not alone:
            raise FunctionsLost(
                f"processes of version {found.version} may call functions that would be gone: {', '.join(lost)}. Keep "
                "them until a revision whose oldest_code does not call them"
            )
        await driver.execute(
            f"""CREATE TABLE IF NOT EXISTS schema_versions (
                version text PRIMARY KEY,
                oldest_code text NOT NULL,
                migrated_at timestamptz NOT NULL,
                finished_at timestamptz
            );
            GRANT SELECT ON schema_versions, alembic_version TO {APP_ROLE}, {WORKER_ROLE}"""
        )
        await driver.execute(
            """INSERT INTO schema_versions (version, oldest_code, migrated_at) VALUES ($1, $2, clock_timestamp())
            ON CONFLICT (version) DO UPDATE SET oldest_code = $2, migrated_at = clock_timestamp()""",
            code,
            oldest_code,
        )


def _run_revisions(connection: Connection) -> None:
    config = schema.alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _run_later(owner: Owner, statement: str) -> None:
    """Run one statement outside a transaction. Those that block no writers may wait for locks as long as they need."""
    if "CONCURRENTLY" not in statement and "VALIDATE CONSTRAINT" not in statement:
        return await _with_timeout(owner, statement)
    # An index whose building was interrupted stays as an invalid one, which IF NOT EXISTS would take for it.
    for row in await owner.fetch(
        """SELECT indexrelid::regclass::text AS name FROM pg_index JOIN pg_class ON oid = indexrelid
        WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = 'public'::regnamespace"""
    ):
        await owner.execute(f"DROP INDEX CONCURRENTLY {row['name']}")
    await owner.execute(statement)
    return None


async def _with_timeout(owner: Owner, statement: str) -> None:
    await owner.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    try:
        await owner.execute(statement)
    finally:
        await owner.execute("RESET lock_timeout")


async def _patiently(owner: Owner, work: Callable[[], Awaitable[None]]) -> None:
    """Repeat the work while it cannot get a lock. Raises MigrationRefused after two minutes."""
    try:
        async for attempt in stamina.retry_context(
            on=(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError),
            attempts=None, timeout=PATIENCE_S, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5,
        ):  # fmt: skip
            with attempt:
                await work()
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        raise MigrationRefused(
            f"no lock on a table within {LOCK_TIMEOUT_MS} ms, again and again for {PATIENCE_S:.0f} s. Wait for the end "
            f"of long transactions, or end them: {await _long_transactions(owner)}"
        ) from error


async def _long_transactions(owner: Owner) -> str:
    """Those that hold locks on tables for longer than a second. Their ages are not shown to every role."""
    earlier = {row["transaction"] for row in await owner.fetch(_LOCKING)}
    await asyncio.sleep(LONG_S)
    rows = [row for row in await owner.fetch(_LOCKING) if row["transaction"] in earlier]
    return ", ".join(row["what"] for row in rows[:LONG_SHOWN]) or "none is open now"


async def _refuse_beside_older(driver: Owner, oldest_code: str) -> None:
    """Raise MigrationRefused while processes of older code than that revision are connected."""
    rows = await driver.fetch(
        """SELECT application_name AS name, count(*) AS connections FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'daira %'
            AND split_part(split_part(application_name, ' ', 2), '+', 1) < $1
        GROUP BY 1 ORDER BY 1""",
        oldest_code,
    )
    if rows:
        found = ", ".join(f"{row['name']} ({row['connections']} connections)" for row in rows)
        raise MigrationRefused(
            f"the new schema needs code of revision {oldest_code} or later, but older processes run: {found}. Replace "
            "them first by the release before this one. PgBouncer's idle connections keep the name of their last user: "
            "once no older process runs, run RECONNECT on its console"
        )


async def _granted_functions(driver: Owner) -> set[str]:
    """The functions that processes may call, as `name(arguments) returns to role`."""
    rows = await driver.fetch(
        """SELECT format('%s returns %s to %s', p.oid::regprocedure, pg_get_function_result(p.oid), role) AS signature
        FROM pg_proc p, unnest($1::text[]) AS role
        WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
            AND has_function_privilege(role, p.oid, 'EXECUTE')""",
        [APP_ROLE, WORKER_ROLE],
    )
    return {row["signature"] for row in rows}


async def _take_turn(owner: Owner) -> None:
    """Wait for other migrations. By polling: an index that is built concurrently waits for all open statements."""
    while True:
        if await owner.fetchval("SELECT pg_try_advisory_lock(hashtext('daira_migrate'))"):
            return
        await asyncio.sleep(TURN_EVERY_S)


# Roles belong to the whole server, so databases that are migrated concurrently can collide here.
@stamina.retry(on=(asyncpg.InternalServerError, asyncpg.UniqueViolationError), attempts=5, wait_initial=0.05)
async def ensure_roles(owner_url: str, app_url: str, worker_url: str) -> None:
    """Create the roles of processes, with the passwords of their URLs."""
    connection = await schema.connect(owner_url)
    try:
        for role, url in ((APP_ROLE, app_url), (WORKER_ROLE, worker_url)):
            login = unquote(urlsplit(url).username or role)
            password = unquote(urlsplit(url).password or "")
            for name in dict.fromkeys((role, login)):
                if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
                    await connection.execute(
                        await connection.fetchval("SELECT format('CREATE ROLE %I', $1::text)", name)
                    )
            if password:
                statement = "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
                await connection.execute(await connection.fetchval(statement, login, password))
            if login != role:
                statement = "SELECT format('GRANT %I TO %I', $1::text, $2::text)"
                await connection.execute(await connection.fetchval(statement, role, login))
    finally:
        await connection.close()
