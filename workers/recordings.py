"""Recordings of live rooms: stop them at LiveKit, and make a media of each file, or a failure with a reason.

LiveKit reports by webhooks what becomes of a recording. Webhooks get lost, so a loop compares all open recordings with
LiveKit, and stops those at LiveKit that have no open row. All steps can be repeated, in any order.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog
from prometheus_client import Counter

from protocol.events import RoomChangedEvent, RoomClosedEvent
from stage.recorder import Egress, Recorder
from storage import recordings, room_turns
from storage.objects import NoSuchObject
from storage.recordings import EXTENSION, RecordingRow
from workers.job import Job, Tools, consumes
from workers.polling_loop import run_polling

LOOK_EVERY_S = 5.0
CHECK_EVERY_S = 10.0  # each recording
FIND_ORPHANS_EVERY_S = 30.0
BATCH = 100
BEGIN_WITHIN = timedelta(seconds=30)  # LiveKit gives up after 23 s
END_WITHIN = timedelta(hours=1)  # for uploads of egress, and outages of LiveKit
LONGEST = timedelta(minutes=59)  # the media worker refuses sound of more than an hour

RECORDINGS = Counter("daira_recordings_total", "Recordings of live rooms that have ended", ["outcome"])

log = structlog.get_logger()


@consumes(RoomChangedEvent, group="recordings")
async def follow_recording(job: Job, event: RoomChangedEvent) -> None:
    if event.change == "recording":
        await settle_room(job.tools, event.room_id)


@consumes(RoomClosedEvent, group="recordings")
async def end_recordings(job: Job, event: RoomClosedEvent) -> None:
    await settle_room(job.tools, event.room_id)


async def keep_recordings(tools: Tools, stop: asyncio.Event) -> None:
    """Compare open recordings with LiveKit, until `stop` is set."""
    find_at = 0.0

    async def turn() -> bool:
        nonlocal find_at
        async with tools.database.transaction() as tx:
            rows = await recordings.claim_due(tx, CHECK_EVERY_S, BATCH)
        for room_id in {row["room_id"] for row in rows}:
            await _settle(tools, room_id, [row for row in rows if row["room_id"] == room_id])
        if time.monotonic() > find_at:
            find_at = time.monotonic() + FIND_ORPHANS_EVERY_S
            await stop_orphans(tools)
        return len(rows) == BATCH

    await run_polling("recordings-keeper", turn, LOOK_EVERY_S, stop)


async def settle_room(tools: Tools, room_id: int) -> None:
    """Compare the stopping recordings of one room with LiveKit."""
    async with tools.database.transaction() as tx:
        rows = [row for row in await recordings.open_ones(tx, room_id) if row["state"] == "stopping"]
    await _settle(tools, room_id, rows)


async def stop_orphans(tools: Tools) -> None:
    """Stop what LiveKit records without an open row, such as a start that was refused and began after all."""
    if tools.recorder is None:
        return
    running = await tools.recorder.running()
    for start in range(0, len(running), BATCH):
        some = running[start : start + BATCH]
        async with tools.database.transaction() as tx:
            known = await recordings.open_among(tx, [egress.recording_id for egress in some])
        for egress in some:
            if egress.recording_id not in known:
                log.warning("stopped a recording that no room has requested", room_id=egress.room_id)
                await tools.recorder.stop(egress.id)


async def react_to_report(tools: Tools, egress: Egress) -> None:
    """React to what LiveKit's webhook reports of one of our recordings."""
    async with tools.database.transaction() as tx:
        rows = await recordings.open_ones(tx, egress.room_id)
    for row in rows:
        if row["id"] == egress.recording_id and tools.recorder is not None:
            await _settle_one(tools, tools.recorder, row, egress)


async def _settle(tools: Tools, room_id: int, rows: Sequence[RecordingRow]) -> None:
    recorder = tools.recorder
    if recorder is None:
        for row in rows:
            await _fail(tools, row, "switched_off", "Recording was switched off on this server.")
        return
    found = await recorder.of_room(room_id) if rows else []
    for row in rows:
        if found is None:
            await _fail_if_late(tools, row)
        else:
            egress = next((each for each in found if each.recording_id == row["id"]), None)
            await _settle_one(tools, recorder, row, egress)


async def _settle_one(tools: Tools, recorder: Recorder, row: RecordingRow, egress: Egress | None) -> None:
    is_too_long = tools.now() - row["created_at"] > LONGEST
    if egress is not None and egress.state in ("running", "ending"):
        await _fail_if_late(tools, row)
    match egress.state if egress else None:
        case "running" if row["state"] == "stopping" or is_too_long:
            assert egress is not None
            await recorder.stop(egress.id)
        case "complete":
            await _save(tools, row)
        case "failed":
            assert egress is not None
            log.error("LiveKit failed to record a room", room_id=row["room_id"], error=egress.error)
            await _fail(tools, row, "egress_failed", "LiveKit could not record the room.")
        case None if tools.now() - row["created_at"] > BEGIN_WITHIN:
            await _save(tools, row)  # LiveKit has forgotten it, but may have stored it


async def _fail_if_late(tools: Tools, row: RecordingRow) -> None:
    if row["ended_at"] is not None and tools.now() - row["ended_at"] > END_WITHIN:
        log.error("LiveKit has not ended a recording in time", room_id=row["room_id"])
        await _fail(tools, row, "too_slow", "LiveKit did not end the recording in time.")


async def _save(tools: Tools, row: RecordingRow) -> None:
    """Put the file where the media worker finds it, and hand it over. Raises ObjectsUnavailable."""
    stored, original = recordings.original_key(row) + EXTENSION, recordings.original_key(row)
    try:
        await tools.objects.copy(stored, original)
        size = (await tools.objects.head(original, 1)).size
    except NoSuchObject:
        log.error("the file of a recording is not in the object store", room_id=row["room_id"], key=stored)
        await _fail(tools, row, "lost", "The recording is empty or was lost.")
        return
    async with tools.database.transaction() as tx:
        await room_turns.lock(tx, row["room_id"])
        is_saved = await recordings.save(tx, row, size)
    if is_saved:
        RECORDINGS.labels("saved").inc()
        tools.outbox.wake_relay()
        await tools.objects.delete([stored])
    else:
        await _fail(tools, row, "no_host", "The account of the room's host was deleted.")


async def _fail(tools: Tools, row: RecordingRow, code: str, reason: str) -> None:
    async with tools.database.transaction() as tx:
        await room_turns.lock(tx, row["room_id"])
        has_failed = await recordings.fail(tx, row["id"], code, reason)
    if has_failed:
        RECORDINGS.labels(code).inc()
        tools.outbox.wake_relay()
