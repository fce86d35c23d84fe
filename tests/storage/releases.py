"""A database of its own, and copies of the schema's files that tests change into later releases."""

import shutil
from pathlib import Path

import asyncpg
import pytest

from storage import migrating, schema
from tests.cluster import Cluster

ROLES = ("daira_owner", "daira_app", "daira_worker")

REVISION = '''"""A revision of a test."""

from storage.migrations.sql_file import run_sql_beside

revision = "{number}"
down_revision = "{last}"
{oldest_code}

def upgrade() -> None:
    run_sql_beside(__file__)
'''


class Release:
    """The schema's files of one release: `use()` makes them those of this process' code."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def next(self) -> "Release":
        """A copy, to be changed."""
        copy = self._folder.with_name(f"{self._folder.name}+")
        shutil.copytree(self._folder, copy)
        return Release(copy, self._monkeypatch)

    def add_revision(self, sql: str, *, later: str = "", oldest_code: str | None = None) -> str:
        """Add one after the newest. Returns its number."""
        last = max(path.name[1:5] for path in self.versions.glob("r*.py"))
        number = f"{int(last) + 1:04}"
        line = f'oldest_code = "{oldest_code}"\n' if oldest_code else ""
        file = self.versions / f"r{number}_of_a_test.py"
        file.write_text(REVISION.format(number=number, last=last, oldest_code=line))
        file.with_suffix(".sql").write_text(sql)
        if later:
            file.with_suffix(".later.sql").write_text(later)
        return number

    @property
    def versions(self) -> Path:
        return self._folder / "migrations" / "versions"

    @property
    def functions(self) -> Path:
        return self._folder / "functions"

    def use(self) -> str:
        """Returns the version."""
        self._monkeypatch.setattr(schema, "FUNCTIONS", self._folder / "functions")
        self._monkeypatch.setattr(schema, "MIGRATIONS", self._folder / "migrations")
        return schema.newest_version()


def first_release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The files of the checkout."""
    shutil.copytree(schema.FUNCTIONS, folder / "release" / "functions")
    shutil.copytree(schema.MIGRATIONS, folder / "release" / "migrations")
    return Release(folder / "release", monkeypatch)


class OwnDatabase:
    """A database of the cluster's server that holds nothing yet."""

    def __init__(self, cluster: Cluster) -> None:
        self.name = cluster.unique("release")
        self.urls = [cluster.servers.postgres_url(role, self.name) for role in ROLES]
        self._cluster = cluster

    async def create(self) -> None:
        owner = await self._cluster.owner()
        await owner.execute(f"CREATE DATABASE {self.name}")
        await owner.close()
        self.owner = await asyncpg.connect(self.urls[0])

    async def drop(self) -> None:
        await self.owner.close()
        # The owner may not end what others still run, such as a superuser's vacuum.
        superuser = await asyncpg.connect(self._cluster.servers.postgres_url("postgres"))
        await superuser.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        await superuser.close()

    async def migrate(self, *, alone: bool = False) -> str:
        """To the release in use. Returns the database's version."""
        return await migrating.migrate(*self.urls, alone=alone)

    async def why_not(self) -> str | None:
        """Why the release in use may not serve."""
        return (await schema.standing(self.owner)).why_not(schema.newest_version())
