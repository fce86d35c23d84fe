"""URLs by which clients send and fetch the bytes of media themselves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from storage.signed_urls import LIFETIME_S, UrlSigner

# URLs to read are signed for the start of such a window, so that they are the same for all viewers and caches hold the
# object under one name. They are valid for 5 to 10 minutes.
WINDOW_S = 300
MOST_REMEMBERED = 20_000


class ObjectUrls:
    """Signs for the address that clients reach. A signed URL does not ask the store, so it works while that is down."""

    def __init__(self, signer: UrlSigner, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._signer = signer
        self._now = now
        self._signed = lru_cache(maxsize=MOST_REMEMBERED)(self._sign_read)

    def read_url(self, key: str) -> str:
        """A URL that reads the object until `reads_expire_at`."""
        return self._signed(key, self._window())

    def reads_expire_at(self) -> datetime:
        return datetime.fromtimestamp(self._window() + LIFETIME_S, UTC)

    def part_url(self, key: str, upload_id: str, number: int, size: int, content_type: str) -> str:
        """A URL that sends one part, of exactly that size and type, until its upload has ended."""
        return self._signer.sign(
            "PUT",
            key,
            self._now(),
            {"partNumber": str(number), "uploadId": upload_id},
            {"content-length": str(size), "content-type": content_type},
        )

    def parts_expire_at(self) -> datetime:
        return self._now() + timedelta(seconds=LIFETIME_S)

    def _window(self) -> int:
        return int(self._now().timestamp()) // WINDOW_S * WINDOW_S

    def _sign_read(self, key: str, window: int) -> str:
        return self._signer.sign("GET", key, datetime.fromtimestamp(window, UTC))
