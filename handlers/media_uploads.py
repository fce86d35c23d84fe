"""Uploads: clients send files straight to the object store, in parts, by signed URLs.

Each upload is a multipart upload of the store, also one of a single part. Its URLs end with it: once it is completed,
none of them can replace the bytes that were checked.
"""

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from domain.upload_rules import PART_BYTES, part_sizes
from handlers.call import Call
from handlers.media import own_file, present
from media.declared_types import is_as_declared, kind_of
from media.sniff import HEAD_BYTES, describe, sniff
from protocol import errors
from protocol.limits import WRITE
from protocol.media import (
    CompletedPart,
    CompleteUpload,
    CreateUpload,
    Media,
    MediaKind,
    MediaRef,
    RenewUpload,
    StoredPart,
    StoredParts,
    Upload,
    UploadPart,
)
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import idempotency, media
from storage.database import Transaction
from storage.idempotency import AnswerPlace
from storage.media import MediaRow, NewMedia, Quota
from storage.objects import NoSuchObject, ObjectsUnavailable, Part

_RETRY_QUOTA_MS = 3_600_000


# Its handlers wait for the store, so they open their transactions themselves, after it has answered.
@methods.rpc("media.create_upload", limit=None, counts=(WRITE,), overlaps=True)
async def create_upload(call: Call, request: CreateUpload) -> Upload:
    """Begin an upload: reserve its size, and return where to send its parts. The same idempotency key returns the first
    answer.
    """
    kind = _check(call, request)
    database, viewer_id = call.services.database, call.viewer.id
    place = request.idempotency_key and AnswerPlace(viewer_id, call.method, request.idempotency_key)
    if place:
        async with database.transaction(viewer_id, budget=call.budget) as tx:
            if first := await _first_answer(tx, place, request):
                return first
    await call.services.limits.hit(WRITE.name, viewer_id)
    media_id = call.services.ids.mint()
    object_key = f"private/{media_id}/{secrets.token_urlsafe(16)}/"
    key = object_key + media.ORIGINAL
    upload_id = await call.services.objects.begin_upload(key, request.content_type)
    new = NewMedia(
        media_id,
        kind,
        request.content_type,
        request.filename,
        request.size_bytes,
        bytes.fromhex(request.sha256) if request.sha256 else None,
        request.duration_ms if kind == "video" else None,
        request.alt or "",
        request.is_sensitive,
        object_key,
        upload_id,
    )
    upload = _sign(call, new, upload_id, range(1, len(part_sizes(request.size_bytes)) + 1))
    is_kept = False
    try:
        async with database.transaction(viewer_id, budget=call.budget) as tx:
            # A duplicate may have been answered in the meantime.
            if place and (first := await _first_answer(tx, place, request)):
                return first
            await _reserve(call, tx, new)
            if place:
                await idempotency.keep_answer(tx, place, idempotency.hash_of(request), idempotency.encode(upload))
        is_kept = True
    finally:
        if not is_kept:
            await _abort(call, key, upload_id)
    return upload


@methods.rpc("media.renew_upload", overlaps=True)
async def renew_upload(call: Call, request: RenewUpload) -> Upload:
    """Sign new URLs for parts of the caller's unfinished upload, and keep it for another day."""
    file = await _unfinished(call, request.media_id)
    count = len(part_sizes(file["size_bytes"]))
    for index, number in enumerate(request.part_numbers):
        if number > count:
            raise errors.invalid(f"part_numbers[{index}]", f"the file has {count} parts")
    key, upload_id = file["object_key"] + media.ORIGINAL, file["upload_id"] or ""
    sent = await _sent(call, file)
    if sent.is_whole:
        raise errors.failed_precondition("all parts have been sent: complete the upload")
    replacement = await call.services.objects.begin_upload(key, file["content_type"]) if sent.is_lost else None
    is_renewed = False
    try:
        async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
            is_renewed = await media.renew(tx, file["id"], upload_id, replacement)
    finally:
        if replacement and not is_renewed:
            await _abort(call, key, replacement)
    if not is_renewed:
        raise errors.stale_version()
    return _sign(call, _declared(file), replacement or upload_id, sorted({*request.part_numbers}))


@methods.rpc("media.parts", reads=True)
async def list_parts(call: Call, request: MediaRef) -> StoredParts:
    """Return the parts that the store has of the caller's unfinished upload, so that an app resumes after a restart."""
    file = await _unfinished(call, request.media_id)
    sent = await _sent(call, file)
    return StoredParts(
        media_id=request.media_id,
        items=[StoredPart(part.number, part.etag, part.size) for part in sent.parts],
        part_count=len(part_sizes(file["size_bytes"])),
        part_size_bytes=PART_BYTES,
    )


@methods.rpc("media.complete_upload", overlaps=True)
async def complete_upload(call: Call, request: CompleteUpload) -> Media:
    """Check that all bytes are there and of the declared type, and process them. Repeating it changes nothing.

    A file of another type is refused and deleted. `sha256` is checked by the worker before it processes the file: not
    every store computes it, and the bytes do not pass through the gateway.
    """
    file = await own_file(call, request.media_id)
    if file["status"] == "failed":
        raise _refused(file) if file["error_code"] == "type" else errors.failed_precondition("the upload has failed")
    if file["status"] != "uploading":
        return present(call, file)
    sent = await _sent(call, file)
    if not sent.is_whole:
        _check_parts(file, sent.parts, request.parts)
        await _finish(call, file, sent.parts)
    try:
        head = await call.services.objects.head(file["object_key"] + media.ORIGINAL, HEAD_BYTES)
    except NoSuchObject:
        raise errors.failed_precondition("the store has lost the parts: renew the upload and send them") from None
    found = sniff(head.content)
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        if found is None or not is_as_declared(found, file["content_type"]):
            reason = f"the file is {describe(head.content)}, not {file['content_type']}"
            await media.drop(tx, file["id"], "type", reason)
        else:
            await media.complete(tx, file["id"], found.content_type)
        file = await media.load_own(tx, file["id"], call.viewer.id) or file
    call.services.outbox.wake_relay()
    if file["error_code"] == "type":
        raise _refused(file)
    return present(call, file)


@methods.rpc("media.abort_upload")
async def abort_upload(call: Call, request: MediaRef) -> Media:
    """Delete the caller's file, if nothing uses it. Repeating it changes nothing."""
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        await media.drop(tx, int(request.media_id), "aborted", "you have deleted the file")
        file = await media.load_own(tx, int(request.media_id), call.viewer.id)
    call.services.outbox.wake_relay()
    if file is None:
        raise errors.not_found("media")
    if file["status"] != "failed":
        raise errors.failed_precondition("the file is in use: delete the post, comment or message that uses it")
    return present(call, file)


class _Sent(NamedTuple):
    """The parts that the store has. is_whole: they have become the object. is_lost: the store has ended the upload."""

    parts: list[Part]
    is_whole: bool = False
    is_lost: bool = False


async def _sent(call: Call, file: MediaRow) -> _Sent:
    key = file["object_key"] + media.ORIGINAL
    try:
        return _Sent(await call.services.objects.parts(key, file["upload_id"] or ""))
    except NoSuchObject:
        pass
    try:
        # An earlier call has completed it at the store, and did not come further.
        await call.services.objects.head(key, 1)
    except NoSuchObject:
        return _Sent([], is_lost=True)
    sizes = enumerate(part_sizes(file["size_bytes"]), 1)
    return _Sent([Part(number, "", size) for number, size in sizes], is_whole=True)


def _check(call: Call, request: CreateUpload) -> MediaKind:
    """Return the kind of the file. Raises INVALID_ARGUMENT."""
    kind = kind_of(request.content_type)
    if kind is None:
        raise errors.invalid("content_type", "is not a type that can be shown")
    largest = call.services.upload_rules.largest[kind]
    if request.size_bytes > largest:
        raise errors.invalid("size_bytes", f"at most {largest} bytes for {kind}")
    return kind


async def _first_answer(tx: Transaction, place: AnswerPlace, request: CreateUpload) -> Upload | None:
    first = await idempotency.first_answer(tx, place, idempotency.hash_of(request))
    return None if first is None else msgspec.msgpack.decode(first, type=Upload)


async def _reserve(call: Call, tx: Transaction, new: NewMedia) -> None:
    rules = call.services.upload_rules
    verdict = await media.create(tx, new, Quota(rules.quota_bytes, rules.quota_video_ms))
    match verdict:
        case "created":
            return
        case "bytes":
            raise errors.exhausted(f"your files would take more than {rules.quota_bytes} bytes", _RETRY_QUOTA_MS)
        case "video":
            raise errors.exhausted(
                f"your videos would take more than {rules.quota_video_ms // 1_000} seconds", _RETRY_QUOTA_MS
            )
        case None:
            raise errors.unauthenticated()


class _Declared(NamedTuple):
    id: int
    object_key: str
    size_bytes: int
    content_type: str


def _declared(file: MediaRow) -> _Declared:
    return _Declared(file["id"], file["object_key"], file["size_bytes"], file["content_type"])


def _sign(call: Call, file: NewMedia | _Declared, upload_id: str, numbers: Iterable[int]) -> Upload:
    urls, sizes, key = call.services.object_urls, part_sizes(file.size_bytes), file.object_key + media.ORIGINAL
    parts = [
        UploadPart(
            part_number=number,
            method="PUT",
            url=urls.part_url(key, upload_id, number, sizes[number - 1], file.content_type),
            headers={"content-type": file.content_type},
            size_bytes=sizes[number - 1],
        )
        for number in numbers
    ]
    return Upload(str(file.id), parts, to_wire(urls.parts_expire_at()))


async def _abort(call: Call, key: str, upload_id: str) -> None:
    """If it fails, the store deletes the parts once they are old, or `daira check media` finds them."""
    with suppress(ObjectsUnavailable):
        await call.services.objects.abort_upload(key, upload_id)


async def _unfinished(call: Call, media_id: str) -> MediaRow:
    """Raises NOT_FOUND; FAILED_PRECONDITION once the upload is completed or has failed."""
    file = await own_file(call, media_id)
    if file["status"] != "uploading":
        raise errors.failed_precondition(f"the upload has ended: the file is {file['status']}")
    return file


def _check_parts(file: MediaRow, stored: list[Part], stated: list[CompletedPart] | None) -> None:
    """Raises FAILED_PRECONDITION for parts that are missing, INVALID_ARGUMENT for stated ones that the store lacks."""
    sizes = {part.number: part.size for part in stored}
    for number, size in enumerate(part_sizes(file["size_bytes"]), 1):
        if sizes.get(number) != size:
            raise errors.failed_precondition(f"part {number} has not been sent: renew it")
    etags = {part.number: part.etag for part in stored}
    for index, part in enumerate(stated or ()):
        if etags.get(part.part_number) != part.etag.strip('"'):
            raise errors.invalid(f"parts[{index}].etag", "is not the etag of the stored part")


async def _finish(call: Call, file: MediaRow, parts: list[Part]) -> None:
    whole = parts[: len(part_sizes(file["size_bytes"]))]
    try:
        await call.services.objects.finish_upload(file["object_key"] + media.ORIGINAL, file["upload_id"] or "", whole)
    except NoSuchObject:
        return  # another call has done it


def _refused(file: MediaRow) -> errors.CallError:
    return errors.invalid("content_type", file["error_text"] or "")
