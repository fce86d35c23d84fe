"""LiveKit's webhook: it reports what becomes of recordings. Workers' sidecars serve it."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from livekit.api import TokenVerifier, WebhookReceiver
from livekit.protocol.webhook import WebhookEvent
from prometheus_client import Counter

from stage.recorder import Egress, own_egress
from storage.reach import OUT_OF_REACH

PATH = "/livekit"
MOST_BYTES = 256 * 1024
DEADLINE_S = 10.0

WEBHOOKS = Counter("daira_livekit_webhooks_total", "Requests of LiveKit's webhook", ["outcome"])

React = Callable[[Egress], Awaitable[None]]


class LiveKitWebhook:
    """React: called with each report of one of our recordings, which may be repeated or late."""

    def __init__(self, api_key: str, api_secret: str, react: React) -> None:
        self._receiver = WebhookReceiver(TokenVerifier(api_key, api_secret))
        self._react = react

    def route(self, app: web.Application) -> None:
        app.router.add_post(PATH, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await _read(request)
        if body is None:
            return _answered("too_large", 413)
        event = self._verified(body, request.headers.get("Authorization", ""))
        if event is None:
            return _answered("refused", 401)
        egress = own_egress(event.egress_info) if event.event in ("egress_updated", "egress_ended") else None
        if egress is None:
            return _answered("ignored", 200)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._react(egress)
        except OUT_OF_REACH:
            return _answered("unavailable", 503)  # LiveKit repeats it; otherwise the keeper finds out
        return _answered("ok", 200)

    def _verified(self, body: bytes, token: str) -> WebhookEvent | None:
        """The event, if LiveKit has signed exactly this body."""
        try:
            return self._receiver.receive(body.decode(), token)
        except Exception:  # each check of the package raises another type
            return None


async def _read(request: web.Request) -> bytes | None:
    """The body; None if it is too large."""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _answered(outcome: str, status: int) -> web.Response:
    WEBHOOKS.labels(outcome).inc()
    return web.Response(status=status)
