"""The database's schema: revisions, functions, and the two roles that own nothing.

Revisions hold tables, policies and triggers, each as it was when it was written. `functions/` holds the current text of
all functions, which every migration applies after the revisions, file by file in alphabetic order. A revision declares
with an empty body each new function that its policies or triggers call, or that a body after RETURN calls in an earlier
file: PostgreSQL resolves those at once. A revision that changes the arguments or the result of a function drops it.
"""

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import stamina
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import Transaction

APP_ROLE, WORKER_ROLE = "daira_app", "daira_worker"
FUNCTIONS = Path(__file__).parent / "functions"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def newest_version() -> str:
    """The newest revision and a digest of the functions' text, as `<revision>+<digest>`."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    return f"{revision}+{hashlib.sha256(_functions().encode()).hexdigest()[:12]}"


async def current_version(tx: "Transaction | asyncpg.Connection[asyncpg.Record]") -> str | None:
    """The version that the database was last migrated to, or None."""
    version: str | None = await tx.fetchval("SELECT obj_description(to_regclass('alembic_version'))")
    return version


async def ensure_partitions(tx: Transaction) -> None:
    """Create the partitions for this month and the next three."""
    await tx.execute("SELECT ensure_partitions()")


async def privileges_too_wide(tx: Transaction) -> str | None:
    """Why the connected role must not serve calls, because row policies would not apply to it; None if it may."""
    row = await tx.fetchrow(
        """SELECT current_user AS role, rolsuper OR rolbypassrls AS bypasses,
            EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid) AS owns
        FROM pg_roles WHERE rolname = current_user"""
    )
    assert row is not None
    if row["bypasses"]:
        return f"the role {row['role']} bypasses row policies"
    return f"the role {row['role']} owns tables" if row["owns"] else None


async def migrate(owner_url: str, app_url: str, worker_url: str) -> str:
    """Bring roles, tables and functions up to date. Safe to run from many places at once. Returns the version."""
    await _ensure_roles(owner_url, app_url, worker_url)
    engine = create_async_engine(
        owner_url.replace("postgresql://", "postgresql+asyncpg://", 1).replace(
            "postgres://", "postgresql+asyncpg://", 1
        )
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('daira_migrate'))"))
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            if await current_version(driver) != newest_version():
                await connection.run_sync(_upgrade)
                await driver.execute(_functions())  # by the driver: a prepared statement cannot hold several commands
                await driver.execute(
                    f"""GRANT SELECT ON alembic_version TO {APP_ROLE}, {WORKER_ROLE};
                    COMMENT ON TABLE alembic_version IS '{newest_version()}'"""
                )
            await driver.execute("SELECT ensure_partitions()")
    finally:
        await engine.dispose()
    return newest_version()


def _functions() -> str:
    """All functions with their rights. A function without a GRANT is only for triggers and other functions."""
    start = f"""SET LOCAL check_function_bodies = off;  -- a quoted body may call functions of later files
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {APP_ROLE}, {WORKER_ROLE};"""
    return "\n".join([start, *(path.read_text("utf-8") for path in sorted(FUNCTIONS.glob("*.sql")))])


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


# Roles belong to the whole server, so databases that are migrated concurrently can collide here.
@stamina.retry(on=(asyncpg.InternalServerError, asyncpg.UniqueViolationError), attempts=5, wait_initial=0.05)
async def _ensure_roles(owner_url: str, app_url: str, worker_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
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
