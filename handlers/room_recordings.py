"""Recordings of live rooms: start, stop, list. Workers follow what LiveKit makes of them."""

import secrets

from domain.room_rules import MODERATORS
from handlers.call import Call
from handlers.live_rooms import show_room
from handlers.room_access import allow, locked, note, standing
from protocol import errors
from protocol.limits import Limit
from protocol.live_rooms import Room, RoomRef
from protocol.media import MediaError
from protocol.room_recordings import RecordRoom, RoomRecording, RoomRecordings
from protocol.rpc import methods
from protocol.timestamps import to_wire
from stage.recorder import Recorder, RecordingRefused
from storage import live_rooms, media, present, recordings
from storage.database import Transaction


@methods.rpc("room.record", limit=Limit("room_record", "60/hour", "room.record by user"))
async def record_room(call: Call, request: RecordRoom) -> Room:
    """Start or stop recording a live room. Everybody in it is shown that it is recorded. Repeating it changes nothing.

    The recording stops with the room.
    """
    if not request.on:
        return await _stop(call, request.room_id)
    recorder = call.services.recorder
    if recorder is None:
        raise errors.failed_precondition("recording is not set up on this server")
    return await _start(call, request.room_id, recorder)


@methods.rpc("room.recordings", reads=True)
async def list_recordings(call: Call, request: RoomRef, tx: Transaction) -> RoomRecordings:
    """All recordings of a room."""
    room = await standing(call, tx, request.room_id)
    rows = await recordings.of_room(tx, room["id"])
    files = (await media.of_targets(tx, "room", [room["id"]])).get((room["id"], None), [])
    shown = {row["id"]: each for row, each in zip(files, call.show_media(files), strict=True)}
    is_moderator = room["role"] in MODERATORS
    return RoomRecordings(
        items=[
            RoomRecording(
                id=str(row["id"]),
                state=row["state"],
                started_at=to_wire(row["created_at"]),
                ended_at=present.optional_time(row["ended_at"]),
                media=shown.get(row["id"]),
                error=MediaError(row["error_code"], row["error_text"] or "")
                if row["error_code"] and is_moderator
                else None,
            )
            for row in rows
        ]
    )


async def _start(call: Call, room_id: str, recorder: Recorder) -> Room:
    services = call.services
    recording_id = services.ids.mint()
    object_key = f"private/{recording_id}/{secrets.token_urlsafe(16)}/"
    async with services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        room = await locked(call, tx, room_id)
        allow("record", room)
        is_running = await recordings.is_running(tx, room["id"])
        if not is_running:
            # Before LiveKit is asked: if this node dies then, a worker finds the recording by its row.
            await recordings.begin(tx, recording_id, room["id"], call.viewer.id, object_key)
            await note(call, tx, "room.record", room["id"], on=True)
        shown = await show_room(call, tx, room["id"])
    if is_running:
        return shown
    services.outbox.wake_relay()
    try:
        await recorder.start(room["id"], object_key)
    except RecordingRefused as refusal:
        async with services.database.transaction(call.viewer.id, budget=call.budget) as tx:
            await live_rooms.lock(tx, room["id"])
            if refusal.is_certain:
                await recordings.fail(tx, recording_id, "refused", str(refusal))
            else:
                # The room is shown as recorded until a worker has found that LiveKit has not begun, or has stopped it.
                await recordings.stop(tx, room["id"])
        services.outbox.wake_relay()
        raise errors.failed_precondition(str(refusal)) from None
    return shown


async def _stop(call: Call, room_id: str) -> Room:
    services = call.services
    async with services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        room = await locked(call, tx, room_id)
        allow("stop_recording", room)
        if await recordings.is_running(tx, room["id"]):
            await recordings.stop(tx, room["id"])
            await note(call, tx, "room.record", room["id"], on=False)
        shown = await show_room(call, tx, room["id"])
    services.outbox.wake_relay()
    return shown
