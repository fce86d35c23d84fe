"""A user's device at LiveKit, with the official client: it speaks and listens over real media."""

import asyncio
from collections.abc import Callable
from typing import Any

from livekit import rtc

from tests.patience import WAIT_S

EVENTS = (
    "disconnected", "participant_disconnected", "participant_permissions_changed",
    "track_subscribed", "track_unsubscribed", "local_track_published",
)  # fmt: skip


class Device:
    def __init__(self) -> None:
        self._room = rtc.Room()
        self._news = asyncio.Event()
        self.ended: Any = None  # why it was disconnected
        self._room.on("disconnected", self._on_end)
        for event in EVENTS:
            self._room.on(event, lambda *_: self._news.set())

    def _on_end(self, reason: Any) -> None:
        self.ended = rtc.DisconnectReason.Name(reason)

    async def enter(self, media: dict[str, Any]) -> None:
        """Connect. media: an answer of room.media_token."""
        async with asyncio.timeout(WAIT_S):
            await self._room.connect(media["url"], media["token"])

    async def speak(self) -> None:
        """Publish a microphone. LiveKit does not answer a user without the right to publish."""
        track = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(48_000, 1))
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self._room.local_participant.publish_track(track, options)

    @property
    def may_speak(self) -> bool:
        return self._room.local_participant.permissions.can_publish

    def hears(self, user_id: str) -> bool:
        speaker = self._room.remote_participants.get(user_id)
        return speaker is not None and any(each.subscribed for each in speaker.track_publications.values())

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def leave(self) -> None:
        await self._room.disconnect()
