"""Backs up the database and the bucket into a folder, and restores them.

The database is dumped from one snapshot, then objects are copied: no file of the snapshot lacks its objects, unless
they were deleted in the meantime. What is in Redis and in the event log is not in a backup.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import checks, media_check, processes
from gateway.backup_folder import FORMAT, BackupBroken, BackupFolder, Manifest, NotEmpty, ObjectEntry
from gateway.embedded import EmbeddedServers, postgres_programs
from gateway.settings import Settings
from gateway.stores import open_shards
from storage import dumps, migrating
from storage.object_files import ObjectFiles
from storage.objects import NoSuchObject, Objects, StoredObject
from storage.signed_urls import UrlSigner

if TYPE_CHECKING:
    from rich.progress import Progress

AT_ONCE = 8  # objects
BATCH = 1_000  # objects


def write_metrics(file: Path) -> None:
    """Say that a backup has succeeded now, to node_exporter's textfile collector, which must not see half a file."""
    written = file.with_suffix(".new")
    written.write_text(
        "# HELP daira_backup_finished_seconds When the last backup succeeded, s since 1970\n"
        "# TYPE daira_backup_finished_seconds gauge\n"
        f"daira_backup_finished_seconds {time.time():.0f}\n"
    )
    written.chmod(0o644)
    written.replace(file)


async def make_backup(
    settings: Settings, folder: BackupFolder, progress: "Progress", *, objects: bool, jobs: int
) -> Manifest:
    """Raises BackupBroken for a folder that is not empty, DumpFailed, ObjectsUnavailable."""
    url = settings.owner_database
    folder.create()
    async with dumps.snapshot(url) as snapshot:
        made_at = datetime.now(UTC)
        rows = await snapshot.count_rows()
        bar = progress.add_task("tables", total=len(rows))
        await dumps.dump(_programs(settings), url, snapshot, folder.database, jobs, lambda: progress.advance(bar, 1))
        postgres, schema = await snapshot.version(), await snapshot.schema()
    count = size = 0
    bar = progress.add_task("objects", total=None)
    folder.list_objects([])
    async with _bucket(settings) as (pages, files):
        async for page in pages:
            entries = await _copy(files, folder, page) if objects else [ObjectEntry(e.key, e.size) for e in page]
            folder.list_objects(entries)
            count, size = count + len(entries), size + sum(entry.size for entry in entries)
            progress.advance(bar, len(page))
    manifest = Manifest(
        format=FORMAT,
        made_at=made_at.isoformat(timespec="seconds"),
        daira=version("daira"),
        schema=schema,
        postgres=postgres,
        rows=rows,
        objects=count,
        object_bytes=size,
        has_objects=objects,
        files=await asyncio.to_thread(folder.sums),
    )
    await asyncio.to_thread(folder.seal, manifest)
    return manifest


async def restore_backup(settings: Settings, folder: BackupFolder, progress: "Progress", *, jobs: int) -> int:
    """Returns how many differences there are between rows and counts, and files and objects.

    Raises NotEmpty, BackupBroken, DumpFailed, ObjectsUnavailable.
    """
    manifest = folder.manifest()
    if faults := await find_faults(folder, progress):
        raise BackupBroken(f"{faults[0]} (faults: {len(faults)}). See `daira check backup {folder.path}`")
    async with _servers(settings):
        await _refuse_unless_empty(settings)
        url = settings.owner_database
        await migrating.ensure_roles(url, settings.app_database, settings.worker_database)
        bar = progress.add_task("tables", total=len(manifest.rows))
        await dumps.load(_programs(settings), url, folder.database, jobs, lambda: progress.advance(bar, 1))
        async with dumps.snapshot(url) as snapshot:
            rows = await snapshot.count_rows()
        if rows != manifest.rows:
            wrong = sorted(name for name in rows | manifest.rows if rows.get(name) != manifest.rows.get(name))
            raise BackupBroken(f"the number of rows is not that of the backup, in {', '.join(wrong)}")
        await dumps.finish_loading(url)
        await processes.migrate(settings)
        if manifest.has_objects:
            await _upload(settings, folder, manifest.objects, progress)
        differences = await checks.compare_counts(settings, progress, repair=False)
        return differences + await media_check.compare_media(settings, progress, checks.print_difference, repair=False)


async def find_faults(folder: BackupFolder, progress: "Progress") -> list[str]:
    """Return differences from the manifest. Raises BackupBroken if there is no manifest."""
    bar = progress.add_task("bytes", total=folder.size())
    return await asyncio.to_thread(folder.faults, lambda size: progress.advance(bar, size))


async def _refuse_unless_empty(settings: Settings) -> None:
    """Raise NotEmpty if the database has tables, or Redis has data, whose events and feeds are of other posts."""
    if not await dumps.is_empty(settings.owner_database):
        raise NotEmpty("the database has tables: restore into a new, empty one, which `daira migrate` has not seen")
    async with open_shards(settings) as shards:
        if await shards.has_data():
            raise NotEmpty(
                f"Redis has data of an earlier database, with the prefix {settings.prefix}: choose a new DAIRA_PREFIX, "
                "which also gives the event log new streams or topics"
            )


@asynccontextmanager
async def _servers(settings: Settings) -> AsyncIterator[None]:
    """The embedded servers, if they are used: `daira up` would bring the empty database up to date."""
    if settings.postgres_url:
        yield
        return
    servers = EmbeddedServers(settings.data_dir)
    await servers.start()
    try:
        yield
    finally:
        await servers.stop()


@asynccontextmanager
async def _bucket(settings: Settings) -> AsyncIterator[tuple[AsyncIterator[list[StoredObject]], ObjectFiles]]:
    """Pages of all objects, and what copies them."""
    objects = Objects(settings.bucket)
    files = ObjectFiles(UrlSigner(settings.bucket))

    async def pages() -> AsyncIterator[list[StoredObject]]:
        after = ""
        while page := await objects.page("", after):
            yield page
            after = page[-1].key

    await objects.connect()
    try:
        yield pages(), files
    finally:
        await files.close()
        await objects.close()


async def _copy(files: ObjectFiles, folder: BackupFolder, page: Sequence[StoredObject]) -> list[ObjectEntry]:
    """Copy the objects into the folder, except those that were deleted in the meantime."""

    async def copy(key: str) -> ObjectEntry | None:
        path = folder.object_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            async with at_once:
                copied = await files.download(key, path)
        except NoSuchObject:
            path.unlink(missing_ok=True)
            return None
        return ObjectEntry(key, copied.size, copied.content_type, copied.sha256.hex())

    at_once = asyncio.Semaphore(AT_ONCE)
    return [entry for entry in await asyncio.gather(*(copy(each.key) for each in page)) if entry]


async def _upload(settings: Settings, folder: BackupFolder, total: int, progress: "Progress") -> None:
    bar = progress.add_task("objects", total=total)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def upload(entry: ObjectEntry) -> None:
        async with at_once:
            content_type = entry.content_type or "application/octet-stream"
            await files.upload(folder.object_path(entry.key), entry.key, content_type)
        progress.advance(bar, 1)

    async with _bucket(settings) as (_, files):
        entries = folder.objects()
        while batch := [*islice(entries, BATCH)]:
            await asyncio.gather(*(upload(entry) for entry in batch))


def _programs(settings: Settings) -> Path:
    """The folder of pg_dump and pg_restore."""
    found = shutil.which("pg_dump") if settings.postgres_url else None
    return settings.postgres_programs or (Path(found).parent if found else postgres_programs())
