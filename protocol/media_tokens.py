"""Tokens in URLs of media at the gateway: each names a file, and the viewer whose right is checked at each request.

A token gives no right by itself: a viewer who may no longer see the file opens nothing with it.
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

LIFETIME_S = 4 * 3600  # longer than a video
WINDOW_S = 3600  # tokens of one window are the same, so that an answer that is repeated has the same URLs

_body = Struct(">QQI")  # file, viewer, expiry in s since 1970
_SIGNATURE_BYTES = 16
_LENGTH = _body.size + _SIGNATURE_BYTES


class OpenedToken(NamedTuple):
    """viewer_id: None in the token of an avatar, which everybody may see."""

    media_id: int
    viewer_id: int | None


class MediaTokens:
    """keys: secrets of any length, the same on every node. The first one seals, all open."""

    def __init__(self, keys: Sequence[bytes], now: Callable[[], float] = time.time) -> None:
        self._keys = tuple(keys)
        self._now = now

    def seal(self, media_id: int, viewer_id: int) -> str:
        window = int(self._now()) // WINDOW_S
        return self._seal(media_id, viewer_id, (window + 1) * WINDOW_S + LIFETIME_S)

    def seal_avatar(self, media_id: int) -> str:
        """Without an expiry."""
        return self._seal(media_id, 0, 0)

    def open(self, token: str) -> OpenedToken | None:
        """None for a token that was not sealed here, or that has expired."""
        try:
            sealed = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        body, signature = sealed[: _body.size], sealed[_body.size :]
        if len(sealed) != _LENGTH or not any(hmac.compare_digest(signature, _sign(key, body)) for key in self._keys):
            return None
        media_id, viewer_id, expires_at = _body.unpack(body)
        if viewer_id == 0:
            return OpenedToken(media_id, None)
        return OpenedToken(media_id, viewer_id) if self._now() < expires_at else None

    def _seal(self, media_id: int, viewer_id: int, expires_at: int) -> str:
        body = _body.pack(media_id, viewer_id, expires_at)
        return urlsafe_b64encode(body + _sign(self._keys[0], body)).decode()  # 36 bytes: no padding


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
