"""Whole objects between the store and files on disk, for workers. No object is held in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientError, ClientResponse, ClientResponseError, ClientSession, ClientTimeout
from yarl import URL

from storage.objects import S3, NoSuchObject, ObjectsUnavailable, Part
from storage.signed_urls import UrlSigner
from tracing import traces

CHUNK = 1024 * 1024
# No bound on the whole: it takes as long as its bytes need. A store that sends or takes nothing for so long is down.
TIMEOUT = ClientTimeout(total=None, sock_connect=2, sock_read=15)


class Downloaded(NamedTuple):
    sha256: bytes
    size: int
    content_type: str | None


class ObjectFiles:
    """Needs a running loop. All methods raise ObjectsUnavailable."""

    def __init__(self, signer: UrlSigner) -> None:
        self._signer = signer
        self._session = ClientSession(timeout=TIMEOUT)

    async def close(self) -> None:
        await self._session.close()

    async def download(self, key: str, path: Path) -> Downloaded:
        """Write the object into the file. Raises NoSuchObject."""
        digest, size = hashlib.sha256(), 0
        async with self._request("GET", key) as answer:
            with path.open("wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK):
                    # In a thread, so that the loop serves other work.
                    await asyncio.gather(asyncio.to_thread(digest.update, chunk), asyncio.to_thread(file.write, chunk))
                    size += len(chunk)
        return Downloaded(digest.digest(), size, answer.headers.get("content-type"))

    async def upload(self, path: Path, key: str, content_type: str) -> None:
        """Make the object of the file's bytes."""
        with path.open("rb") as file:
            async with self._request("PUT", key, file, {"content-type": content_type}):
                return

    async def upload_part(self, path: Path, start: int, length: int, key: str, upload_id: str, number: int) -> Part:
        """Send these bytes of the file as that part, counted from 1."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        async with self._request(
            "PUT", key, _chunks(path, start, length), {"content-length": str(length)}, query
        ) as answer:
            return Part(number, answer.headers["ETag"].strip('"'), length)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        key: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> AsyncIterator[ClientResponse]:
        url = URL(self._signer.sign(method, key, datetime.now(UTC), query or {}, headers or {}), encoded=True)
        try:
            with traces.asking(f"s3 {method}", S3):
                async with self._session.request(method, url, data=body, headers=headers) as answer:
                    if answer.status == 404:
                        raise NoSuchObject(key)
                    if answer.status != 200:
                        raise ObjectsUnavailable(f"{answer.status}: {(await answer.text())[:200]}")
                    yield answer
        except (ClientError, TimeoutError) as error:
            # This one's text has the signed URL.
            text = "" if isinstance(error, ClientResponseError) else str(error)
            raise ObjectsUnavailable(text or type(error).__name__) from None


async def _chunks(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, length))
            length -= len(chunk)
            yield chunk
