"""Messages about recordings of live rooms."""

from typing import Literal

import msgspec

from protocol.fields import Id, Request
from protocol.media import Media, MediaError

RecordingState = Literal["recording", "stopping", "saved", "failed"]


class RecordRoom(Request, frozen=True):
    room_id: Id
    on: bool


class RoomRecording(msgspec.Struct, frozen=True):
    """media: of a saved recording, processed like an upload. error: why it failed, for the host and cohosts."""

    id: str
    state: RecordingState
    started_at: str
    ended_at: str | None
    media: Media | None
    error: MediaError | None


class RoomRecordings(msgspec.Struct, frozen=True):
    """Newest first, at most 50."""

    items: list[RoomRecording]
