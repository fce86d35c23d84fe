"""`daira check media`: objects without files, and files without objects."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from gateway.settings import Settings
from gateway.stores import KEEP_PARTS_DAYS, open_database
from storage import media_checks
from storage.database import Database
from storage.media_checks import CheckedFile
from storage.objects import PAGE, NotSupported, Objects

if TYPE_CHECKING:
    from rich.progress import Progress

# A worker stores objects before it commits the row that names them.
YOUNG = timedelta(hours=1)
OLD_UPLOAD = timedelta(days=KEEP_PARTS_DAYS)
BATCH = 200  # files
AT_ONCE = 10

log = structlog.get_logger()

Report = Callable[[str], None]


async def compare_media(settings: Settings, progress: "Progress", report: Report, *, repair: bool) -> int:
    """Report each difference. Returns how many there are.

    repair: delete objects and unfinished uploads without files, and let files without their objects fail.

    Raises ObjectsUnavailable.
    """
    objects = Objects(settings.bucket)
    await objects.connect()
    try:
        async with open_database(settings.worker_database, 1, serves=False) as database:
            stray = await _stray_objects(database, objects, progress, report, repair=repair)
            stray += await _stray_uploads(database, objects, report, repair=repair)
            return stray + await _lost_files(database, objects, progress, report, repair=repair)
    finally:
        await objects.close()


async def _stray_objects(
    database: Database, objects: Objects, progress: "Progress", report: Report, *, repair: bool
) -> int:
    found = 0
    bar = progress.add_task("objects", total=None)
    before = datetime.now(UTC) - YOUNG
    for prefix in (media_checks.PRIVATE, media_checks.PUBLIC):
        after = ""
        while page := await objects.page(prefix, after):
            old = [each.key for each in page if each.modified_at < before]
            async with database.transaction() as tx:
                stray = await media_checks.unknown_keys(tx, old)
            for key in stray:
                report(f"object {key} belongs to no file")
            if repair:
                await objects.delete(stray)
            found += len(stray)
            progress.advance(bar, len(page))
            after = page[-1].key
    return found


async def _stray_uploads(database: Database, objects: Objects, report: Report, *, repair: bool) -> int:
    """Uploads in parts that began long ago and that no file waits for. A store that cannot list them has none."""
    found, before = 0, datetime.now(UTC) - OLD_UPLOAD
    try:
        async for page in objects.unfinished_uploads():
            old = [each for each in page if each.begun_at < before]
            async with database.transaction() as tx:
                unknown = await media_checks.unknown_uploads(tx, [each.upload_id for each in old])
            for upload in (each for each in old if each.upload_id in unknown):
                found += 1
                report(f"unfinished upload of {upload.key} belongs to no file")
                if repair:
                    await objects.abort_upload(upload.key, upload.upload_id)
    except NotSupported:
        log.info("the object store cannot list unfinished uploads", endpoint=objects.endpoint)
    return found


async def _lost_files(
    database: Database, objects: Objects, progress: "Progress", report: Report, *, repair: bool
) -> int:
    found, after = 0, 0
    async with database.transaction() as tx:
        bar = progress.add_task("files", total=await media_checks.count(tx))
    files = [CheckedFile(0, "", frozenset())]
    while files:
        async with database.transaction() as tx:
            files = await media_checks.files_after(tx, after, BATCH)
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            missing = await asyncio.gather(*(_missing(objects, file) for file in some))
            for file, keys in zip(some, missing, strict=True):
                if not keys:
                    continue
                found += 1
                report(f"file {file.id} lacks {', '.join(keys)}")
                if repair:
                    async with database.transaction() as tx:
                        await media_checks.fail_lost(tx, file)
        progress.advance(bar, len(files))
        after = files[-1].id if files else after
    return found


async def _missing(objects: Objects, file: CheckedFile) -> list[str]:
    """The keys that the store lacks. A video may have more objects than one page."""
    missing, after = {*file.keys}, ""
    while missing and (page := await objects.page(file.object_key, after)):
        missing -= {each.key for each in page}
        after = page[-1].key
        if len(page) < PAGE:
            break
    return sorted(missing)
