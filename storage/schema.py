"""Versions of the database's schema, and which code may serve on them.

A version is the newest revision and a digest of the functions. Code serves on a database that was migrated to the
code's version, and still serves after later migrations (so that two versions can serve side by side in a rolling
deploy, and the older one after a roll-back), until a revision requires newer code by its `oldest_code`.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

from storage.database import Transaction

APP_ROLE, WORKER_ROLE = "daira_app", "daira_worker"
FUNCTIONS = Path(__file__).parent / "functions"
MIGRATIONS = Path(__file__).parent / "migrations"
FIRST_TO_ROLL = "0019"  # the oldest code that can serve beside other versions


@dataclass(frozen=True)
class Revision:
    """One step of the schema. `oldest_code` is the oldest revision whose code runs on it, or None: as before it."""

    number: str
    file: Path  # its SQL
    oldest_code: str | None

    @property
    def later_file(self) -> Path:
        """Statements that must run outside a transaction, after it; the file may be missing."""
        return self.file.with_suffix(".later.sql")


@dataclass(frozen=True)
class Standing:
    """What a database was migrated to. `version` is None before the first migration."""

    version: str | None
    oldest_code: str
    is_finished: bool
    earlier: frozenset[str]  # all finished versions, the current one among them

    @property
    def revision(self) -> str:
        return (self.version or "").partition("+")[0]

    def why_not(self, code: str) -> str | None:
        """Why code of that version must not serve on it; None if it may."""
        if self.version is None:
            return "the database has no schema of this kind: run `daira migrate`"
        if code.partition("+")[0] < self.oldest_code:
            return (
                f"the schema is at version {self.version}, which needs code of revision {self.oldest_code} or later, "
                f"and this code is {code}: run newer code"
            )
        if code in self.earlier:
            return None
        if self.revision > code.partition("+")[0]:
            return f"the schema is at version {self.version} and never was at {code}: run newer code"
        if code == self.version:
            return f"the migration to version {code} has not finished: run `daira migrate`"
        return f"the schema is at version {self.version}, but {code} is needed: run `daira migrate`"


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def revisions() -> list[Revision]:
    """All revisions, the oldest first."""
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return [
        Revision(each.revision, Path(each.path).with_suffix(".sql"), getattr(each.module, "oldest_code", None))
        for each in reversed(list(scripts))
    ]


def newest_version() -> str:
    """The newest revision and a digest of the functions' text, as `<revision>+<digest>`."""
    return _version_of(MIGRATIONS, FUNCTIONS)


@cache
def _version_of(migrations: Path, functions_folder: Path) -> str:
    """Reading all files blocks the loop for 50 ms. The folders are those of this module, which tests replace."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return f"{revision}+{hashlib.sha256(functions().encode()).hexdigest()[:12]}"


def functions() -> str:
    """All functions with their rights. A function without a GRANT is only for triggers and other functions."""
    start = f"""SET LOCAL check_function_bodies = off;  -- a quoted body may call functions of later files
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {APP_ROLE}, {WORKER_ROLE};"""
    return "\n".join([start, *(path.read_text("utf-8") for path in sorted(FUNCTIONS.glob("*.sql")))])


async def standing(tx: "Transaction | asyncpg.Connection[asyncpg.Record]") -> Standing:
    rows = []
    if await tx.fetchval("SELECT to_regclass('schema_versions') IS NOT NULL"):
        rows = await tx.fetch(
            """SELECT version, oldest_code, finished_at IS NOT NULL AS is_finished
            FROM schema_versions ORDER BY migrated_at DESC"""
        )
    if not rows:
        return Standing(None, FIRST_TO_ROLL, False, frozenset())
    finished = frozenset(row["version"] for row in rows if row["is_finished"])
    return Standing(rows[0]["version"], rows[0]["oldest_code"], rows[0]["is_finished"], finished)


async def current_version(tx: "Transaction | asyncpg.Connection[asyncpg.Record]") -> str | None:
    """The version that the database was last migrated to, or None."""
    return (await standing(tx)).version


async def why_not_served(tx: Transaction) -> str | None:
    """Why this code must not serve on the database; None if it may."""
    return (await standing(tx)).why_not(newest_version())


def connection_name() -> str:
    """The `application_name` of this code's connections, by which migrations see which versions run."""
    return f"daira {newest_version()}"


async def connect(url: str, timeout_s: float = 60.0) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of that name outside the pools, such as the owner's. The caller closes it."""
    named = {"application_name": connection_name()}
    return await asyncpg.connect(url, timeout=timeout_s, server_settings=named)


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
