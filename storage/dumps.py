"""Dumps of the whole database, by PostgreSQL's own programs, and what a database must hold after a dump was loaded."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from storage import schema

LAST_WORDS = 5  # lines of a program that failed
CONNECT_TIMEOUT_S = 5.0
_TABLES = """
    SELECT c.oid::regclass::text AS name FROM pg_class c
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
"""


class DumpFailed(Exception):
    """pg_dump or pg_restore failed; the message has its last words."""


class DumpSnapshot:
    """The database as it was at one moment, for pg_dump and for counting at once."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", name: str, tables: list[str]) -> None:
        self._connection = connection
        self.name = name
        self.tables = tables

    async def version(self) -> str:
        """PostgreSQL's."""
        return str(await self._connection.fetchval("SHOW server_version"))

    async def schema(self) -> str:
        """The version of the schema."""
        return str(await schema.current_version(self._connection))

    async def count_rows(self) -> dict[str, int]:
        """By table."""
        return {table: int(await self._connection.fetchval(f"SELECT count(*) FROM {table}")) for table in self.tables}


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[DumpSnapshot]:
    """The database as it is now, until the end of the block."""
    connection = await schema.connect(url, CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = [row["name"] for row in await connection.fetch(_TABLES)]
            yield DumpSnapshot(connection, await connection.fetchval("SELECT pg_export_snapshot()"), tables)
    finally:
        await connection.close()


async def is_empty(url: str) -> bool:
    """Whether the database has no tables."""
    async with snapshot(url) as found:
        return not found.tables


async def dump(programs: Path, url: str, of: DumpSnapshot, folder: Path, jobs: int, step: Callable[[], None]) -> None:
    """Write the snapshot into a new folder. step: called for each table. Raises DumpFailed."""
    options = ["--format=directory", f"--jobs={jobs}", f"--snapshot={of.name}", f"--file={folder}", "--no-owner"]
    options += ["--exclude-schema=vectors", "--exclude-extension=vector"]  # only superusers may load extensions
    await _run(programs / "pg_dump", url, options, "dumping contents of table", step)


async def load(programs: Path, url: str, folder: Path, jobs: int, step: Callable[[], None]) -> None:
    """Load a dump into an empty database, whose roles exist. step: called for each table. Raises DumpFailed."""
    options = ["--format=directory", f"--jobs={jobs}", "--exit-on-error", "--no-owner", str(folder)]
    await _run(programs / "pg_restore", url, options, "processing data for table", step)


async def finish_loading(url: str) -> None:
    """Update the planner's statistics, and reset the positions of worker groups: they are of another event log."""
    connection = await schema.connect(url, CONNECT_TIMEOUT_S)
    try:
        await connection.execute("ANALYZE")
        if await connection.fetchval("SELECT to_regclass('log_offsets') IS NOT NULL"):
            await connection.execute("DELETE FROM log_offsets")
    finally:
        await connection.close()


async def _run(program: Path, url: str, options: list[str], marks: str, step: Callable[[], None]) -> None:
    """Run a program until it ends. step: called for each line that contains `marks`."""
    parts = urlsplit(url)
    # Not in the arguments, which all users of the machine see.
    secret = {"PGPASSWORD": unquote(parts.password)} if parts.password else {}
    address = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
    process = await asyncio.create_subprocess_exec(
        program, "--verbose", f"--dbname={address}", *options,
        env={**os.environ, **secret, "LC_ALL": "C", "PGCONNECT_TIMEOUT": f"{CONNECT_TIMEOUT_S:.0f}"},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    last: list[str] = []
    try:
        async for line in process.stderr:
            text = line.decode(errors="replace").rstrip()
            last = [*last, text][-LAST_WORDS:]
            if marks in text:
                step()
        if await process.wait():
            raise DumpFailed(f"{program} failed: " + " / ".join(last))
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
