"""LiveKit's egress, which records the voice of live rooms: it writes one file for each recording into the object store.

A recording is known by the name of its file, which holds its id: egress has ids of its own, which may get lost.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import partial
from typing import Literal, NamedTuple

import structlog
from aiohttp import ClientConnectorError, ClientSession, TCPConnector
from livekit.api import LiveKitAPI, ServerError, ServerErrorCode
from livekit.protocol.egress import (
    EgressInfo,
    EgressStatus,
    EncodedFileOutput,
    EncodedFileType,
    ListEgressRequest,
    RoomCompositeEgressRequest,
    S3Upload,
    StopEgressRequest,
)
from livekit.protocol.models import TokenPagination

from stage.livekit_requests import FAILURES, MOST_AT_ONCE, TIMEOUT_S, LiveKitRequests
from stage.metrics import VOICE_REQUESTS
from stage.voice_server import own_id
from storage.bucket import Bucket
from storage.media import ORIGINAL
from tracing import traces

# Without an egress service, LiveKit answers after 22 s; with one, as soon as the service has accepted.
START_TIMEOUT_S = 6.0
NOT_AVAILABLE = "recording is not available now"
MOST_PAGES = 20  # of running recordings that one check reads

EgressState = Literal["running", "ending", "complete", "failed"]
_STATES: dict[int, EgressState] = {
    EgressStatus.EGRESS_STARTING: "running",
    EgressStatus.EGRESS_ACTIVE: "running",
    EgressStatus.EGRESS_ENDING: "ending",
    EgressStatus.EGRESS_COMPLETE: "complete",
    EgressStatus.EGRESS_LIMIT_REACHED: "complete",
}
_FILE = re.compile(r"private/([0-9]{1,19})/[A-Za-z0-9_-]+/" + ORIGINAL)

log = structlog.get_logger()


class RecordingRefused(Exception):
    """LiveKit does not record; the text is for the user. is_certain: it will not begin later either."""

    def __init__(self, text: str, *, is_certain: bool) -> None:
        super().__init__(text)
        self.is_certain = is_certain


class Egress(NamedTuple):
    """A recording as LiveKit knows it. error: for operators."""

    id: str
    room_id: int
    recording_id: int
    state: EgressState
    error: str


class Recorder:
    """Needs a running loop."""

    def __init__(self, url: str, api_key: str, api_secret: str, bucket: Bucket) -> None:
        self._session = ClientSession(connector=TCPConnector(limit=MOST_AT_ONCE))
        self._requests = LiveKitRequests("egress")
        self._egress = LiveKitAPI(url, api_key, api_secret, session=self._session).egress
        self._bucket = bucket

    async def close(self) -> None:
        await self._session.close()

    async def ping(self) -> None:
        """Raises one of FAILURES if LiveKit has no egress."""
        async with asyncio.timeout(TIMEOUT_S):
            await self._egress.list_egress(ListEgressRequest(room_name="0"))

    async def start(self, room_id: int, object_key: str) -> None:
        """Record all voices of the room into one file. Raises RecordingRefused."""
        endpoint, access_key, secret, bucket, region = self._bucket
        file = EncodedFileOutput(
            file_type=EncodedFileType.OGG,
            filepath=object_key + ORIGINAL,
            disable_manifest=True,
            s3=S3Upload(
                endpoint=endpoint, access_key=access_key, secret=secret, bucket=bucket, region=region,
                force_path_style=True,
            ),
        )  # fmt: skip
        request = RoomCompositeEgressRequest(room_name=str(room_id), audio_only=True, file_outputs=[file])
        is_asked = False
        if not self._requests.breaker.admits():
            VOICE_REQUESTS.labels("start_egress", "refused").inc()
            raise RecordingRefused(NOT_AVAILABLE, is_certain=True)
        try:
            with traces.asking("egress start_egress", {"peer.service": "egress"}):
                async with asyncio.timeout(START_TIMEOUT_S):
                    # Without Redis, LiveKit has no egress: it refuses this at once, but a start after 22 s.
                    await self._egress.list_egress(ListEgressRequest(room_name=str(room_id)))
                    is_asked = True
                    await self._egress.start_room_composite_egress(request)
        except FAILURES as error:
            self._requests.note(error)
            VOICE_REQUESTS.labels("start_egress", "failed").inc()
            log.warning("LiveKit does not record a room", room_id=room_id, error=f"{type(error).__name__}: {error}")
            raise _refusal(error, is_asked) from error
        self._requests.breaker.succeeded()
        VOICE_REQUESTS.labels("start_egress", "ok").inc()

    async def of_room(self, room_id: int) -> list[Egress] | None:
        """The recordings of the room that LiveKit still knows, also those that have ended; None without an answer."""
        request = ListEgressRequest(room_name=str(room_id))
        found = await self._requests.settled("list_egress", partial(self._egress.list_egress, request))
        return None if found is None else own_among(found.items)

    async def running(self) -> list[Egress]:
        """The running recordings that LiveKit reports, in at most MOST_PAGES pages."""
        running: list[Egress] = []
        token = ""
        for _ in range(MOST_PAGES):
            request = ListEgressRequest(active=True, page_token=TokenPagination(token=token) if token else None)
            found = await self._requests.settled("list_egress", partial(self._egress.list_egress, request))
            if found is None:
                break
            running += own_among(found.items)
            token = found.next_page_token.token
            if not token:
                break
        return running

    async def stop(self, egress_id: str) -> None:
        request = StopEgressRequest(egress_id=egress_id)
        await self._requests.settled("stop_egress", partial(self._egress.stop_egress, request))


def _refusal(error: Exception, is_asked: bool) -> RecordingRefused:
    is_certain = not is_asked or isinstance(error, ClientConnectorError)
    if isinstance(error, ServerError):
        if error.code == ServerErrorCode.NOT_FOUND:
            return RecordingRefused("nobody is connected to the voice of the room", is_certain=True)
        is_certain = is_certain or error.code not in (ServerErrorCode.DEADLINE_EXCEEDED, ServerErrorCode.CANCELED)
    return RecordingRefused(NOT_AVAILABLE, is_certain=is_certain)


def own_among(infos: Iterable[EgressInfo]) -> list[Egress]:
    """Those that this module has started; LiveKit may be shared with others."""
    return [found for info in infos if (found := own_egress(info)) is not None]


def own_egress(info: EgressInfo) -> Egress | None:
    room_id = own_id(info.room_name)
    match = next(
        (found for output in info.room_composite.file_outputs if (found := _FILE.match(output.filepath))), None
    )
    if room_id is None or match is None:
        return None
    state = _STATES.get(info.status, "failed")
    return Egress(info.egress_id, room_id, int(match[1]), state, info.error or EgressStatus.Name(info.status))
