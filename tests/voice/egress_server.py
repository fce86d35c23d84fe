"""A server that behaves like LiveKit with an egress service: Twirp with protobuf, signed webhooks, files in the store.

Rooms are those of a real LiveKit, which it asks. It appends the extension to the name of a file, as egress does.
"""

import asyncio
import base64
import hashlib
import io
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import av
import numpy
from aiohttp import ClientSession, web
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from livekit.api import AccessToken, TokenVerifier
from livekit.protocol.egress import (
    EgressInfo,
    EgressStatus,
    FileInfo,
    ListEgressRequest,
    ListEgressResponse,
    RoomCompositeEgressRequest,
    StopEgressRequest,
)
from livekit.protocol.models import TokenPagination
from livekit.protocol.webhook import WebhookEvent
from yarl import URL

from storage.bucket import Bucket
from storage.signed_urls import UrlSigner

PAGE = 2
ENDED = (
    EgressStatus.EGRESS_COMPLETE, EgressStatus.EGRESS_FAILED, EgressStatus.EGRESS_ABORTED,
    EgressStatus.EGRESS_LIMIT_REACHED,
)  # fmt: skip


def twirp_error(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status)


def ogg(seconds: int = 1) -> bytes:
    """Return a tone in Opus."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        tone = numpy.sin(numpy.arange(seconds * 48_000) / 20).astype("float32").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(tone, format="flt", layout="mono")
        frame.sample_rate = 48_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


class EgressServer:
    """rooms: returns the names of LiveKit's rooms. webhook_url: None loses the webhooks."""

    def __init__(self, api_key: str, api_secret: str, rooms: Callable[[], Any]) -> None:
        self._key, self._secret = api_key, api_secret
        self._rooms = rooms
        self._numbers = itertools.count(1)
        self._requests: dict[str, RoomCompositeEgressRequest] = {}
        self._runner = web.AppRunner(self._app(), shutdown_timeout=0.1)
        self._session = ClientSession()
        self.infos: dict[str, EgressInfo] = {}
        self.webhook_url: str | None = None
        self.webhook_answers: list[int] = []
        self.refusals: list[web.Response] = []  # of the next starts
        self.loses_answers = False  # of starts, which are done
        self.hangs = asyncio.Event()  # set: starts are never answered, nor done
        self.audio = ogg()

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def of_room(self, room_id: str) -> list[EgressInfo]:
        return [info for info in self.infos.values() if info.room_name == room_id]

    def forget(self, room_id: str) -> None:
        """Lose what is known of the room's recordings."""
        for info in self.of_room(room_id):
            del self.infos[info.egress_id]

    # ------------------------------------------------------------------------------------------ the API

    def _app(self) -> web.Application:
        app = web.Application()
        for name, request, act in (
            ("StartRoomCompositeEgress", RoomCompositeEgressRequest, self._start),
            ("ListEgress", ListEgressRequest, self._list),
            ("StopEgress", StopEgressRequest, self._stop),
        ):
            app.router.add_post(f"/twirp/livekit.Egress/{name}", self._method(request, act))
        return app

    def _method(self, kind: type[Message], act: Callable[[Any], Any]) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            claims = TokenVerifier(self._key, self._secret).verify(token)
            if not (claims.video and claims.video.room_record):
                return twirp_error(403, "permission_denied", "permissions denied")
            assert request.content_type == "application/protobuf"
            found = await act(kind.FromString(await request.read()))
            if isinstance(found, web.Response):
                return found
            return web.Response(body=found.SerializeToString(), content_type="application/protobuf")

        return answer

    async def _start(self, request: RoomCompositeEgressRequest) -> EgressInfo | web.Response:
        if self.hangs.is_set():
            await asyncio.Event().wait()
        if self.refusals:
            return self.refusals.pop(0)
        if request.room_name not in await self._rooms():
            return twirp_error(404, "not_found", "requested room does not exist")
        info = EgressInfo(
            egress_id=f"EG_{next(self._numbers)}", room_name=request.room_name, status=EgressStatus.EGRESS_ACTIVE
        )
        self._requests[info.egress_id] = request
        info.room_composite.CopyFrom(request)
        for output in info.room_composite.file_outputs:
            output.s3.access_key = output.s3.secret = "{redacted}"
        self.infos[info.egress_id] = info
        if self.loses_answers:
            return web.Response(status=200, body=b"\xff", content_type="application/protobuf")
        await self.report(info.egress_id, "egress_started")
        return info

    async def _list(self, request: ListEgressRequest) -> ListEgressResponse:
        found = [
            info
            for info in self.infos.values()
            if (not request.room_name or info.room_name == request.room_name)
            and not (request.active and info.status in ENDED)
        ]
        start = int(request.page_token.token or 0)
        if not request.active or start + PAGE >= len(found):
            return ListEgressResponse(items=found[start:])
        return ListEgressResponse(
            items=found[start : start + PAGE], next_page_token=TokenPagination(token=str(start + PAGE))
        )

    async def _stop(self, request: StopEgressRequest) -> EgressInfo | web.Response:
        info = self.infos.get(request.egress_id)
        if info is None:
            return twirp_error(404, "not_found", "egress does not exist")
        if info.status != EgressStatus.EGRESS_ACTIVE:
            return twirp_error(412, "failed_precondition", "egress cannot be stopped")
        await self.end(info.egress_id)
        return info

    # ------------------------------------------------------------------------------------------ what egress does

    async def end(self, egress_id: str) -> None:
        """Store the file, and report the end."""
        info = self.infos[egress_id]
        output = self._requests[egress_id].file_outputs[0]
        s3, key = output.s3, f"{output.filepath}.ogg"
        signer = UrlSigner(Bucket(s3.endpoint, s3.access_key, s3.secret, s3.bucket, s3.region))
        headers = {"content-type": "audio/ogg"}
        url = URL(signer.sign("PUT", key, datetime.now(UTC), {}, headers), encoded=True)
        async with self._session.put(url, data=self.audio, headers=headers) as answer:
            answer.raise_for_status()
        info.status = EgressStatus.EGRESS_COMPLETE
        info.file_results.append(FileInfo(filename=key, size=len(self.audio)))
        await self.report(egress_id, "egress_ended")

    async def fail(self, egress_id: str, error: str) -> None:
        self.infos[egress_id].status = EgressStatus.EGRESS_FAILED
        self.infos[egress_id].error = error
        await self.report(egress_id, "egress_ended")

    async def report(self, egress_id: str, event: str) -> None:
        if self.webhook_url is not None:
            report = WebhookEvent(event=event, egress_info=self.infos[egress_id], id=f"EV_{next(self._numbers)}")
            self.webhook_answers.append(await self.send(MessageToJson(report)))

    async def send(self, body: str, *, signed: str | None = None, secret: str | None = None) -> int:
        """Send a webhook. signed: the body that the token is for, if another."""
        digest = base64.b64encode(hashlib.sha256((signed or body).encode()).digest()).decode()
        token = AccessToken(self._key, secret or self._secret).with_sha256(digest).with_ttl(timedelta(minutes=5))
        headers = {"Authorization": token.to_jwt(), "Content-Type": "application/webhook+json"}
        assert self.webhook_url is not None
        async with self._session.post(self.webhook_url, data=body, headers=headers) as answer:
            return answer.status
