"""Uploads as apps do them: calls, and plain HTTP to the URLs that they return."""

import asyncio
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from tests.people import Person

PNG = b"\x89PNG\r\n\x1a\n"
MB = 1_000_000


def png(size: int) -> bytes:
    """Bytes that begin as a PNG image does."""
    return PNG + bytes(number % 251 for number in range(size - len(PNG)))


def mp4(size: int) -> bytes:
    """Bytes that begin as an MP4 video does, each part other than the next."""
    head = (16).to_bytes(4, "big") + b"ftypisom\0\0\0\0"
    return head + b"".join(bytes([number % 251]) * 4_096 for number in range(size // 4_096 + 1))[: size - len(head)]


async def begin(person: Person, body: bytes, **more: Any) -> Any:
    """more: fields of the call."""
    fields = {"filename": "cat.png", "content_type": "image/png", "size_bytes": len(body), **more}
    return await person.call("media.create_upload", **fields)


async def put(part: dict[str, Any], body: bytes, **headers: str) -> tuple[int, str]:
    """Send a part. Returns the status, and the store's ETag or its error."""
    async with (
        ClientSession() as session,
        session.put(URL(part["url"], encoded=True), data=body, headers={**part["headers"], **headers}) as answer,
    ):
        return answer.status, answer.headers.get("ETag", "").strip('"') or await answer.text()


async def send(upload: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    """Send all parts of the upload at once. Returns them as media.complete_upload takes them."""
    sizes = [part["size_bytes"] for part in upload["parts"]]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    answers = await asyncio.gather(
        *(
            put(part, body[start : start + part["size_bytes"]])
            for part, start in zip(upload["parts"], starts, strict=True)
        )
    )
    assert [status for status, _ in answers] == [200] * len(sizes), answers
    numbers = [part["part_number"] for part in upload["parts"]]
    return [{"part_number": number, "etag": etag} for number, (_, etag) in zip(numbers, answers, strict=True)]


async def upload(person: Person, body: bytes, **more: Any) -> Any:
    """Upload a file. Returns it as media.complete_upload does."""
    begun = await begin(person, body, **more)
    await send(begun, body)
    return await person.call("media.complete_upload", media_id=begun["media_id"])


async def fetch(url: str) -> tuple[int, bytes]:
    async with ClientSession() as session, session.get(URL(url, encoded=True)) as answer:
        return answer.status, await answer.read()
