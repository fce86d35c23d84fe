"""Cursors of paged lists: opaque to clients, signed, bound to the viewer and to the list they continue."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from protocol import errors

_SIGNATURE_BYTES = 12


class Cursors:
    """Seals the position where a page ended, and opens it for the same viewer and list.

    keys: secrets of any length, the same on every node. The first one seals, all open.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def seal(self, viewer_id: int, scope: str, place: str) -> str:
        """scope: method and subject of the list, e.g. "post.list:42"."""
        signature = _sign(self._keys[0], viewer_id, scope, place.encode())
        return urlsafe_b64encode(signature + place.encode()).decode().rstrip("=")

    def open(self, viewer_id: int, scope: str, cursor: str | None) -> str | None:
        """The position; None, for the first page, without a cursor. Raises INVALID_ARGUMENT for any other cursor."""
        if cursor is None:
            return None
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            place = sealed[_SIGNATURE_BYTES:].decode()
        except ValueError:
            raise errors.invalid("cursor", "does not belong to this list") from None
        expected = (_sign(key, viewer_id, scope, place.encode()) for key in self._keys)
        if not any(hmac.compare_digest(sealed[:_SIGNATURE_BYTES], signature) for signature in expected):
            raise errors.invalid("cursor", "does not belong to this list")
        return place


def _sign(key: bytes, viewer_id: int, scope: str, place: bytes) -> bytes:
    message = f"{viewer_id}\n{scope}\n".encode() + place
    return hmac.new(key, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
