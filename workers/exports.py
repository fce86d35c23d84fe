"""Exports of accounts: an archive of everything about a user, made on disk and put into the bucket in parts.

An archive is kept for 7 days. If a worker dies, another one restarts its export ten minutes later.
"""

import asyncio
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import Counter, Histogram

from protocol.account_export import AccountExported
from protocol.timestamps import to_wire
from storage import exports
from storage.export_archives import ARCHIVE, Archive
from storage.exports import ClaimedExport
from storage.objects import NoSuchObject
from storage.personal_data import PERSONAL
from workers.job import Tools
from workers.polling_loop import run_polling

POLL_S = 5.0
KEPT = timedelta(days=7)
PART = 64 * 1024 * 1024
EXPIRED_AT_ONCE = 100
MESSAGES = {
    "ar": "ملف بياناتك جاهز. يمكنك تنزيله خلال 7 أيام.",
    "en": "The archive of your data is ready. You can download it within 7 days.",
}

EXPORTS = Counter("daira_exports_total", "Exports of accounts that have ended", ["outcome"])
EXPORT_SECONDS = Histogram("daira_export_seconds", "Time to make an export", buckets=(1, 5, 15, 60, 300, 900, 3_600))
EXPIRED = Counter("daira_exports_expired_total", "Archives that were deleted after their time")

log = structlog.get_logger()


class Unwanted(Exception):
    """Nobody wants the export any more: another worker has finished it, or its user is erased."""


async def make_exports(tools: Tools, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    await run_polling("exports", partial(export_next, tools), POLL_S, stop)


async def export_next(tools: Tools) -> bool:
    """Delete expired archives, and make the export that has waited longest. Returns False if none waits."""
    async with tools.database.transaction() as tx:
        expired = await exports.expire(tx, EXPIRED_AT_ONCE)
    if expired:
        EXPIRED.inc(expired)
        tools.outbox.wake_relay()
    async with tools.database.transaction() as tx:
        claimed = await exports.claim(tx)
    if claimed is None:
        return expired == EXPIRED_AT_ONCE
    began = time.monotonic()
    try:
        await _export(tools, claimed)
        outcome = "ready"
    except Unwanted:
        outcome = "unwanted"
    EXPORTS.labels(outcome).inc()
    EXPORT_SECONDS.observe(time.monotonic() - began)
    return True


async def _export(tools: Tools, export: ClaimedExport) -> None:
    """Raises Unwanted."""
    with tempfile.TemporaryDirectory(prefix="daira-export-", dir=tools.processing.scratch) as name:
        folder = Path(name)
        path = folder / ARCHIVE
        archive = Archive(path)
        try:
            await _add_rows(tools, export, archive)
            await _add_files(tools, export, archive, folder / "file")
            about = {"id": str(export.user_id), "username": export.username}
            await asyncio.to_thread(
                partial(archive.finish, tools.export_key, user=about, created_at=to_wire(tools.now()))
            )
        finally:
            archive.close()
        key = export.object_key + ARCHIVE
        size = (await asyncio.to_thread(path.stat)).st_size
        await _store(tools, export, path, size, key)
    message = MESSAGES["ar" if export.locale.startswith("ar") else "en"]
    async with tools.database.transaction() as tx:
        expires_at = await exports.finish(tx, export.id, size, KEPT, message)
    tools.outbox.wake_relay()
    if expires_at is None:  # the user was erased in the meantime
        await tools.objects.delete([key])
        raise Unwanted
    push = AccountExported(id=f"account.exported:{export.id}", expires_at=to_wire(expires_at))
    await tools.broadcaster.publish_to_users([export.user_id], push)


async def _renew(tools: Tools, export: ClaimedExport) -> None:
    """Keep the claim while the work goes on. Raises Unwanted."""
    async with tools.database.transaction() as tx:
        if not await exports.renew(tx, export.id):
            raise Unwanted


async def _add_rows(tools: Tools, export: ClaimedExport, archive: Archive) -> None:
    for table in PERSONAL:
        if table.mine is not None:
            await _renew(tools, export)
            async with tools.database.transaction() as tx:
                await archive.add_rows(f"{table.table}.json", exports.rows(tx, export.user_id, table.table))


async def _add_files(tools: Tools, export: ClaimedExport, archive: Archive, scratch: Path) -> None:
    """All objects of the user's files, one after the other."""
    above = 0
    while True:
        async with tools.database.transaction() as tx:
            files = await exports.files(tx, export.user_id, above)
        if not files:
            return
        for media_id, prefix in files:
            await _renew(tools, export)
            await _add_objects(tools, archive, media_id, prefix, scratch)
        above = files[-1][0]


async def _add_objects(tools: Tools, archive: Archive, media_id: int, prefix: str, scratch: Path) -> None:
    after = ""
    while page := await tools.objects.page(prefix, after):
        for stored in page:
            try:
                await tools.object_files.download(stored.key, scratch)
            except NoSuchObject:
                continue  # deleted since
            await archive.add_file(f"media/{media_id}/{stored.key.removeprefix(prefix)}", scratch)
        after = page[-1].key


async def _store(tools: Tools, export: ClaimedExport, path: Path, size: int, key: str) -> None:
    upload_id = await tools.objects.begin_upload(key, "application/zip")
    parts = []
    try:
        for number, start in enumerate(range(0, size, PART), 1):
            await _renew(tools, export)
            length = min(PART, size - start)
            parts.append(await tools.object_files.upload_part(path, start, length, key, upload_id, number))
    except Unwanted:
        await tools.objects.abort_upload(key, upload_id)
        raise
    await tools.objects.finish_upload(key, upload_id, parts)
