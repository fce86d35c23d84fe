"""One attempt at a file: fetch it, process it in a child, store the results, publish them in one transaction.

Results get names of their own attempt, and the row names them only once all are stored. So nothing is half-published;
objects of an attempt that ended early can be recognised, and are removed.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from prometheus_client import Counter, Histogram

from media.jobs import CONTENT_TYPES, OUTPUT, Failure, MediaVariant, Processed, Step
from media.processing import ProcessingUnavailable, make_job, needing_space, process
from media.scratch import Scratch
from protocol.media import MediaFailed, MediaProgressed, MediaReady, MediaUpdated
from storage import media, media_work
from storage.cancellation import end
from storage.database import Transaction
from storage.media import ORIGINAL, MediaRow, VariantRow
from storage.media_work import LEASE, MOST_ATTEMPTS, Learnt, MediaWork
from storage.objects import NoSuchObject
from storage.reach import OUT_OF_REACH
from tracing import traces
from workers.job import Tools
from workers.media_pushes import MediaPush, push_media

SOURCE = "source"
RENEW_EVERY_S = LEASE.total_seconds() / 3
WAIT = timedelta(seconds=5)
MOST_SLOW_ATTEMPTS = 2
STORED_AT_ONCE = 4

ENDED = Counter("daira_media_attempts_total", "Attempts at files, by how they ended", ["kind", "step", "outcome"])
SECONDS = Histogram(
    "daira_media_attempt_seconds",
    "Duration of attempts that succeeded: fetching, processing, storing and publishing",
    ["kind", "step"],
    buckets=(0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1_800, 7_200),
)

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another worker has the file, or the file is gone."""


class Attempt:
    def __init__(self, tools: Tools, scratch: Scratch, work: MediaWork) -> None:
        self._tools = tools
        self._scratch = scratch
        self._work = work
        self._step: Step = "first" if work.status == "processing" else "second"
        self._stem = f"{secrets.token_hex(4)}_"

    async def run(self) -> None:
        """Process the file. It ends as ready or failed, or is given back for another attempt."""
        outcome = "cancelled"
        try:
            with traces.work(f"{self._step} step of {self._work.kind}"):
                outcome = await self._try()
        except LeaseLost:
            outcome = "lost"
        except (*OUT_OF_REACH, ProcessingUnavailable) as error:
            outcome = "unavailable"
            log.warning("media waits for a service", media_id=self._work.id, error=f"{type(error).__name__}: {error}")
            await self._give_back(WAIT, counts=False)
        except asyncio.CancelledError:
            await self._give_back(timedelta(), counts=False)
            raise
        except Exception:
            outcome = "error"
            log.exception("an attempt at a file failed", media_id=self._work.id, step=self._step)
            await self._give_back(WAIT, counts=True)
        finally:
            ENDED.labels(self._work.kind, self._step, outcome).inc()

    async def _try(self) -> str:
        """Returns how it ended. Raises LeaseLost, or that a service is missing."""
        try:
            if self._work.attempts > MOST_ATTEMPTS:
                await self._remove(keep=self._published_stems())
                raise Failure("gave_up", "The file could not be processed.")  # nobody said how it ended
            await self._hold_lease_during(self._process())
        except Failure as failure:
            if failure.code == "too_slow" and self._work.attempts < MOST_SLOW_ATTEMPTS:
                await self._give_back(timedelta(), counts=True)
            else:
                await self._fail(failure)
            return failure.code
        return "published"

    async def _hold_lease_during(self, work: Coroutine[None, None, None]) -> None:
        working, renewing = asyncio.create_task(work), asyncio.create_task(self._renew_lease())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LeaseLost
            await working
        finally:
            await end(working, renewing)

    async def _renew_lease(self) -> None:
        """Returns when the lease is lost. Without the database, it is kept as long as nobody else can take it."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            with suppress(*OUT_OF_REACH):
                async with self._tools.database.transaction() as tx:
                    if not await media_work.renew(tx, self._work):
                        return

    async def _process(self) -> None:
        began = asyncio.get_running_loop().time()
        await self._remove(keep=self._published_stems())
        is_kept = False
        try:
            with needing_space():
                async with self._scratch.folder() as folder:
                    await self._fetch(folder / SOURCE)
                    job = make_job(self._work.kind, self._step, SOURCE, self._tools.processing, self._stem)
                    processed = await process(job, folder, self._report_progress)
                    await self._store(folder / OUTPUT, processed.files)
            is_kept = True  # if the answer to the commit is lost, the row may name these objects
            row = await self._publish(processed)
        except (LeaseLost, Failure):
            is_kept = False
            raise
        finally:
            if not is_kept:
                with suppress(*OUT_OF_REACH):  # the next attempt removes them
                    await self._tools.objects.delete_below(self._work.object_key + self._stem)
        SECONDS.labels(self._work.kind, self._step).observe(asyncio.get_running_loop().time() - began)
        await self._push(row, MediaReady if self._step == "first" else MediaUpdated)

    # -------------------------------------------------------------------------------------------- objects

    def _published_stems(self) -> set[str]:
        return {variant["file"].partition("_")[0] for variant in self._work.variants}

    async def _remove(self, *, keep: set[str]) -> None:
        """Remove results of attempts that ended early. No other attempt holds the lease now."""
        key, objects = self._work.object_key, self._tools.objects
        after = key
        while found := await objects.page(key, after):
            after = found[-1].key
            names = [each.key.removeprefix(key) for each in found]
            await objects.delete(
                [key + name for name in names if name != ORIGINAL and name.partition("_")[0] not in keep]
            )

    async def _fetch(self, path: Path) -> None:
        """The second step of a video begins with the MP4 of the first."""
        file = ORIGINAL
        if self._work.kind == "video" and self._step == "second":
            file = next(variant["file"] for variant in self._work.variants if variant["name"] == "mp4")
        try:
            found = await self._tools.object_files.download(self._work.object_key + file, path)
        except NoSuchObject:
            raise Failure("lost", "The file has been lost. Please upload it again.") from None
        if file == ORIGINAL and self._work.sha256 not in (None, found.sha256):
            raise Failure("wrong_sha256", "The file is not the one that was announced: its SHA-256 is another.")

    async def _store(self, folder: Path, files: Sequence[str]) -> None:
        waiting = list(reversed(files))

        async def store_some() -> None:
            while waiting:
                file = waiting.pop()
                content_type = CONTENT_TYPES[file.rpartition(".")[2]]
                await self._tools.object_files.upload(folder / file, self._work.object_key + file, content_type)

        storing = [asyncio.create_task(store_some()) for _ in range(STORED_AT_ONCE)]
        try:
            await asyncio.gather(*storing)
        finally:
            await end(*storing)  # nothing is stored after what is removed then

    # -------------------------------------------------------------------------------------------- rows

    async def _publish(self, processed: Processed) -> MediaRow:
        """One transaction: the row with all its variants. A trigger lets what was uploaded be deleted."""
        variants = [_variant_row(variant) for variant in processed.variants]
        async with self._tools.database.transaction() as tx:
            if not await media_work.hold(tx, self._work):
                raise LeaseLost
            if self._step == "second":
                row = await media_work.publish_more(tx, self._work, variants, processed.duration_ms)
            else:
                await self._reserve(tx, processed.duration_ms)
                row = await media_work.publish(
                    tx, self._work, _learnt(processed), variants, has_second_step=processed.has_second_step
                )
        self._tools.outbox.wake_relay()  # and the lane of second steps
        return row

    async def _reserve(self, tx: Transaction, duration_ms: int | None) -> None:
        """Count a video that is longer than was declared. Raises Failure if the owner's quota has no room for it."""
        if self._work.kind == "video" and duration_ms is not None:
            quota_ms = self._tools.video_quota_ms
            if not await media.reserve_video(tx, self._work.id, duration_ms, quota_ms):
                raise Failure("quota", "The video is longer than what is left of the quota.")

    async def _fail(self, failure: Failure) -> None:
        """End the file with that reason. Without its second step it stays as the first has left it."""
        async with self._tools.database.transaction() as tx:
            if not await media_work.hold(tx, self._work):
                raise LeaseLost
            if self._step == "second":
                await media_work.publish_more(tx, self._work, [], None)
                row = None
            else:
                row = await media_work.fail(tx, self._work, failure.code, failure.text)
        self._tools.outbox.wake_relay()
        log.info("media failed", media_id=self._work.id, step=self._step, code=failure.code)
        if row is not None:
            await self._push(row, MediaFailed)

    async def _give_back(self, after: timedelta, *, counts: bool) -> None:
        with suppress(*OUT_OF_REACH):  # then the lease expires
            async with self._tools.database.transaction() as tx:
                await media_work.give_back(tx, self._work, after, counts=counts)

    # -------------------------------------------------------------------------------------------- pushes

    async def _push(self, row: MediaRow, kind: MediaPush) -> None:
        with suppress(*OUT_OF_REACH):  # committed already: clients see it when they load the file
            await push_media(self._tools, row, kind, self._step)

    async def _report_progress(self, percent: int) -> None:
        if self._step == "first":
            push = MediaProgressed(
                id=f"{MediaProgressed.event}:{self._work.id}:{self._stem}{percent}",
                media_id=str(self._work.id),
                percent=percent,
            )
            with suppress(*OUT_OF_REACH):
                await self._tools.broadcaster.publish_to_users([self._work.owner_id], push)


def _learnt(processed: Processed) -> Learnt:
    bits = processed.perceptual_hash
    return Learnt(
        processed.width,
        processed.height,
        processed.duration_ms,
        processed.blurhash,
        processed.waveform,
        None if bits is None else bits.to_bytes(8, "big", signed=True),
    )


def _variant_row(variant: MediaVariant) -> VariantRow:
    return VariantRow(
        name=variant.name,
        file=variant.file,
        content_type=variant.content_type,
        width=variant.width,
        height=variant.height,
        size_bytes=variant.size_bytes,
    )
