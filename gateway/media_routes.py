"""Media over HTTP: HLS playlists, segments and avatars. Segments and avatars are redirects: no media bytes pass here.

A video lasts longer than a signed URL, so its URLs here carry a token (`protocol.media_tokens`). Each request checks
again whether the token's viewer may see the file: after a block or a deletion, a video stops at the next segment.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from aiohttp import web
from prometheus_client import Counter

from gateway.addresses import AddressRate
from protocol.media_tokens import MediaTokens, OpenedToken
from storage import media
from storage.database import Database, DatabaseUnavailable
from storage.media import ShownMediaRow
from storage.objects import NoSuchObject, Objects, ObjectsUnavailable
from storage.present_media import HLS, MediaPresenter

RIGHT_KEPT_S = 2.0
MOST_RIGHTS = 10_000
PLAYLIST_BYTES = 256 * 1024  # twenty times that of an hour
MOST_PLAYLIST_BYTES = 16 * 1024 * 1024  # that are kept
AVATAR_KEPT_S = 240  # by browsers: less than a signed URL is valid

REQUESTS = Counter("daira_media_requests_total", "HTTP requests for media", ["outcome"])
FORGOTTEN = Counter("daira_media_forgotten_total", "Entries dropped from the full caches of HTTP requests", ["cache"])

_FILE = re.compile(r"[A-Za-z0-9_-]{1,60}\.(m3u8|m4s|mp4)", re.ASCII)
# The token in the path is the whole right, so every origin may ask, and no site learns the URL.
HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Range",
    "Access-Control-Max-Age": "3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class MediaRoutes:
    """address: of the client that sent a request."""

    def __init__(
        self, database: Database, objects: Objects, presenter: MediaPresenter, tokens: MediaTokens, rate: AddressRate,
        address: Callable[[web.Request], str],
    ) -> None:  # fmt: skip
        self._database = database
        self._objects = objects
        self._presenter = presenter
        self._tokens = tokens
        self._rate = rate
        self._address = address
        self._rights: OrderedDict[OpenedToken, tuple[float, ShownMediaRow | None]] = OrderedDict()
        self._playlists: OrderedDict[str, bytes] = OrderedDict()  # by the object's key
        self._playlist_bytes = 0

    def route(self, app: web.Application) -> None:
        app.router.add_get("/media/{token}/{file}", self._answer)
        app.router.add_options("/media/{token}/{file}", self._allow)

    async def _allow(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers=HEADERS)

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._rate.take(self._address(request)):
            return _refused("limited", 429)
        opened = self._tokens.open(request.match_info["token"])
        if opened is None:
            return _refused("refused", 404)
        try:
            row = await self._right(opened)
            if row is None:
                return _refused("refused", 404)
            if opened.viewer_id is None:
                return self._avatar(row, request.match_info["file"])
            return await self._part(row, request.match_info["file"])
        except (DatabaseUnavailable, ObjectsUnavailable):
            return _refused("unavailable", 503)

    def _avatar(self, row: ShownMediaRow, file: str) -> web.Response:
        url = self._presenter.smallest_url(row) if file == "avatar" else None
        if url is None:
            return _refused("refused", 404)
        return _redirect("avatar", url, f"private, max-age={AVATAR_KEPT_S}")

    async def _part(self, row: ShownMediaRow, file: str) -> web.Response:
        if not _FILE.fullmatch(file) or not any(each["name"] == HLS for each in row["variants"]):
            return _refused("refused", 404)
        if not file.endswith(".m3u8"):
            return _redirect("segment", self._presenter.file_url(row, file), "no-store")
        try:
            playlist = await self._playlist(row["object_key"] + file)
        except NoSuchObject:
            return _refused("refused", 404)
        REQUESTS.labels("playlist").inc()
        return web.Response(body=playlist, content_type="application/vnd.apple.mpegurl", headers=HEADERS)

    async def _right(self, opened: OpenedToken) -> ShownMediaRow | None:
        """The file, if the viewer may see it, or may have seen it RIGHT_KEPT_S ago. Raises DatabaseUnavailable."""
        now = time.monotonic()
        read_at, row = self._rights.get(opened, (-RIGHT_KEPT_S, None))
        if now - read_at >= RIGHT_KEPT_S:
            load = partial(media.load_to_open, media_id=opened.media_id, viewer_id=opened.viewer_id)
            row = await self._database.read(opened.viewer_id, load)
            self._rights[opened] = now, row
            self._rights.move_to_end(opened)
            if len(self._rights) > MOST_RIGHTS:
                self._rights.popitem(last=False)
                FORGOTTEN.labels("rights").inc()
        return row

    async def _playlist(self, key: str) -> bytes:
        """Playlists never change. Raises NoSuchObject, also if the object is no playlist, and ObjectsUnavailable."""
        found = self._playlists.get(key)
        if found is None:
            head = await self._objects.head(key, PLAYLIST_BYTES)
            if head.size > PLAYLIST_BYTES:
                raise NoSuchObject(key)
            found = head.content
            self._playlist_bytes += len(found) - len(self._playlists.get(key, b""))
            self._playlists[key] = found
            while self._playlist_bytes > MOST_PLAYLIST_BYTES:
                self._playlist_bytes -= len(self._playlists.popitem(last=False)[1])
                FORGOTTEN.labels("playlists").inc()
        self._playlists.move_to_end(key)
        return found


def _redirect(outcome: str, url: str, cache: str) -> web.Response:
    REQUESTS.labels(outcome).inc()
    return web.Response(status=302, headers={**HEADERS, "Location": url, "Cache-Control": cache})


def _refused(outcome: str, status: int) -> web.Response:
    REQUESTS.labels(outcome).inc()
    return web.Response(status=status, headers={**HEADERS, "Retry-After": "1"} if status != 404 else HEADERS)
