"""Cursors of paged lists: opaque to clients, signed, bound to the viewer and to the list they continue."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from protocol import errors

_SIGNATURE_BYTES = 12


class Cursors:
    """Seals the place where a page ended and opens it again for the same viewer and list.

    key: secret of any length, the same on every node.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, viewer_id: int, scope: str, place: str) -> str:
        """scope: method and subject of the list, e.g. "post.list:42"."""
        signature = self._sign(viewer_id, scope, place.encode())
        return urlsafe_b64encode(signature + place.encode()).decode().rstrip("=")

    def open(self, viewer_id: int, scope: str, cursor: str | None) -> str | None:
        """None stays None: the first page. Raises INVALID_ARGUMENT for what we did not seal for this viewer."""
        if cursor is None:
            return None
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            place = sealed[_SIGNATURE_BYTES:].decode()
        except ValueError:
            raise errors.invalid("cursor", "is not one of this list") from None
        expected = self._sign(viewer_id, scope, place.encode())
        if not hmac.compare_digest(sealed[:_SIGNATURE_BYTES], expected):
            raise errors.invalid("cursor", "is not one of this list")
        return place

    def _sign(self, viewer_id: int, scope: str, place: bytes) -> bytes:
        message = f"{viewer_id}\n{scope}\n".encode() + place
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
