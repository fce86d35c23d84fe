"""Object storage on any S3 endpoint: uploads in parts, ranges, lists and deletions of objects.

Clients send and fetch bytes themselves, by signed URLs (`storage.object_urls`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import aioboto3
import structlog
from aiohttp import ClientError as HttpError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.breaker import Breaker
from storage.bucket import Bucket
from storage.bulkhead import Bulkhead, BulkheadFull
from storage.metrics import OBJECT_FAILURES, OBJECT_SECONDS, OBJECTS_UP
from tracing import traces

DEADLINE_S = 3.0
TRIAL_DEADLINE_S = 1.0  # of the request that finds out whether the store is back
FINISH_DEADLINE_S = 8.0  # to put hundreds of MB together, or to copy them; below the deadline of a call
MOST_AT_ONCE = 32
MOST_WAITING = 256
PAGE = 1_000  # of a list, and most keys that one request deletes

log = structlog.get_logger()


class ObjectsUnavailable(Exception):
    """The S3 endpoint does not answer, or refuses the request."""


class NoSuchObject(Exception):
    """There is no such object, or no such unfinished upload."""


class Part(NamedTuple):
    """A part of an unfinished upload, as the store has it."""

    number: int
    etag: str
    size: int


class StoredObject(NamedTuple):
    key: str
    size: int
    modified_at: datetime


class UnfinishedUpload(NamedTuple):
    key: str
    upload_id: str
    begun_at: datetime


S3: traces.Attributes = {"peer.service": "s3"}


class Head(NamedTuple):
    """The first bytes of an object, and its whole size."""

    content: bytes
    size: int


class Objects:
    """One bucket. All methods raise ObjectsUnavailable, within DEADLINE_S: while the store is down, at once."""

    def __init__(self, bucket: Bucket) -> None:
        self.endpoint = bucket.endpoint
        self.bucket = bucket.name
        self._region = bucket.region
        # AWS requires the region of a new bucket, except for its default region.
        in_region: dict[str, object] = {"CreateBucketConfiguration": {"LocationConstraint": bucket.region}}
        self._place = {} if bucket.region in ("us-east-1", "auto") else in_region
        self._session = aioboto3.Session(aws_access_key_id=bucket.access_key, aws_secret_access_key=bucket.secret_key)
        self._closing = AsyncExitStack()
        self._client: Any = None
        self._breaker = Breaker("objects")
        self._bulkhead = Bulkhead("objects", most=MOST_AT_ONCE, most_waiting=MOST_WAITING)

    async def connect(self) -> None:
        config = Config(
            connect_timeout=2,
            read_timeout=FINISH_DEADLINE_S,
            retries={"max_attempts": 0},
            max_pool_connections=MOST_AT_ONCE,
            s3={"addressing_style": "path"},
            # Not every store knows the checksums that botocore adds by default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client = await self._closing.enter_async_context(
            self._session.client("s3", endpoint_url=self.endpoint, region_name=self._region, config=config)
        )
        OBJECTS_UP.set(1)

    async def close(self) -> None:
        await self._closing.aclose()

    async def ping(self) -> None:
        try:
            async with self._request("ping", tries=True):
                await self._client.head_bucket(Bucket=self.bucket)
        except NoSuchObject as error:
            raise ObjectsUnavailable(f"there is no bucket {self.bucket}: run `daira migrate`") from error

    # ------------------------------------------------------------------------------------------ the bucket

    async def ensure_bucket(self) -> None:
        known = self._client.exceptions
        async with self._request("create_bucket", tries=True):
            try:
                await self._client.create_bucket(Bucket=self.bucket, **self._place)
            except (known.BucketAlreadyOwnedByYou, known.BucketAlreadyExists):
                # Servers differ in how they refuse a bucket that is already ours.
                await self._client.head_bucket(Bucket=self.bucket)

    async def let_browsers_in(self, origins: Sequence[str]) -> bool:
        """Set the bucket's CORS, so that pages of these origins may upload. Returns False if the store cannot.

        All origins may read: a browser that follows a redirect from the gateway sends `Origin: null`, and the signature
        of the URL is the right to read.
        """
        every = {"AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "Content-Range"], "MaxAgeSeconds": 3_600}
        rules = [
            {"AllowedMethods": ["PUT"], "AllowedOrigins": [*origins], **every},
            {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"], **every},
        ]
        try:
            async with self._request("put_bucket_cors", tries=True):
                await self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": rules})
        except NotSupported:
            return False
        return True

    async def expire_unfinished_uploads(self, days: int) -> bool:
        """Let the store delete parts of uploads that nobody finishes. Returns False if the store cannot."""
        rule = {
            "ID": "unfinished uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
        }
        try:
            async with self._request("put_bucket_lifecycle", tries=True):
                await self._client.put_bucket_lifecycle_configuration(
                    Bucket=self.bucket, LifecycleConfiguration={"Rules": [rule]}
                )
        except NotSupported:
            return False
        return True

    # ------------------------------------------------------------------------------------------ uploads in parts

    async def begin_upload(self, key: str, content_type: str) -> str:
        """Return the id of a new upload."""
        async with self._request("begin_upload"):
            begun = await self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
        upload_id: str = begun["UploadId"]
        return upload_id

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that the store has, by number: at most 1,000. Raises NoSuchObject for an upload that has ended."""
        async with self._request("list_parts"):
            found = await self._client.list_parts(Bucket=self.bucket, Key=key, UploadId=upload_id)
        return [Part(each["PartNumber"], each["ETag"].strip('"'), each["Size"]) for each in found.get("Parts", ())]

    async def finish_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts: then its signed URLs are worthless. Raises NoSuchObject, as `parts` does."""
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        async with self._request("finish_upload", deadline_s=FINISH_DEADLINE_S):
            await self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Repeating it changes nothing."""
        try:
            async with self._request("abort_upload"):
                await self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except NoSuchObject:
            return

    async def unfinished_uploads(self) -> AsyncIterator[list[UnfinishedUpload]]:
        """Pages of at most 1,000, by key. Raises NotSupported if the store cannot list them."""
        marks: dict[str, str] = {}
        while True:
            try:
                async with self._request("list_uploads"):
                    found = await self._client.list_multipart_uploads(Bucket=self.bucket, MaxUploads=PAGE, **marks)
            except NoSuchObject:
                return  # so rclone answers for a bucket that never had one
            yield [
                UnfinishedUpload(each["Key"], each["UploadId"], each["Initiated"]) for each in found.get("Uploads", ())
            ]
            following = {"KeyMarker": found.get("NextKeyMarker"), "UploadIdMarker": found.get("NextUploadIdMarker")}
            # A store that ignores the marks would answer the same page for ever.
            if not found.get("IsTruncated") or following == marks or None in following.values():
                return
            marks = following

    # ------------------------------------------------------------------------------------------ objects

    async def head(self, key: str, length: int) -> Head:
        """Read the first `length` bytes. Raises NoSuchObject, also for an object without bytes."""
        # Some stores answer a range with 200 instead of 206, and state it as well.
        async with self._request("read"):
            found = await self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{length - 1}")
            content = b""
            async with found["Body"]:
                while len(content) < length and (more := await found["Body"].read(length - len(content))):
                    content += more
        stated: str = found.get("ContentRange", "")
        size = int(stated.rpartition("/")[2]) if stated else int(found["ContentLength"])
        return Head(content, size)

    async def copy(self, key: str, to: str) -> None:
        """Copy inside the store. Raises NoSuchObject."""
        async with self._request("copy", deadline_s=FINISH_DEADLINE_S):
            await self._client.copy_object(
                Bucket=self.bucket, Key=to, CopySource={"Bucket": self.bucket, "Key": key}, MetadataDirective="COPY"
            )

    async def page(self, prefix: str, after: str = "") -> list[StoredObject]:
        """Objects whose keys begin with `prefix`, by key, from the one after `after`: at most 1,000."""
        async with self._request("list"):
            found = await self._client.list_objects_v2(
                Bucket=self.bucket, Prefix=prefix, StartAfter=after, MaxKeys=PAGE
            )
        return [StoredObject(each["Key"], each["Size"], each["LastModified"]) for each in found.get("Contents", ())]

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete at most 1,000 objects. Those that are gone do not matter."""
        if not keys:
            return
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        async with self._request("delete"):
            answer = await self._client.delete_objects(Bucket=self.bucket, Delete=listed)
        if failed := answer.get("Errors"):
            raise ObjectsUnavailable(f"{len(failed)} objects were not deleted: {failed[0].get('Message')}")

    async def delete_below(self, prefix: str) -> int:
        """Delete all objects whose keys begin with `prefix`. Returns how many there were."""
        deleted, after = 0, ""
        while found := await self.page(prefix, after):
            await self.delete([each.key for each in found])
            deleted, after = deleted + len(found), found[-1].key
        return deleted

    @asynccontextmanager
    async def _request(
        self, operation: str, *, tries: bool = False, deadline_s: float = DEADLINE_S
    ) -> AsyncIterator[None]:
        """Bound, count and translate one request. tries: also while others are refused."""
        if not tries and not self._breaker.admits():
            OBJECT_FAILURES.labels(operation, "open").inc()
            raise ObjectsUnavailable("the store does not answer")
        is_trial = self._breaker.is_open and not tries
        began = time.perf_counter()
        try:
            async with self._bulkhead.place():
                if self._breaker.is_open and not (is_trial or tries):  # since it waits for its place
                    raise ObjectsUnavailable("the store does not answer")
                with traces.asking(f"s3 {operation}", S3):
                    async with asyncio.timeout(TRIAL_DEADLINE_S if is_trial else deadline_s):
                        yield
        except BulkheadFull as error:
            OBJECT_FAILURES.labels(operation, "full").inc()
            raise ObjectsUnavailable(str(error)) from error
        except ClientError as error:
            status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500 and status != _NOT_IMPLEMENTED:
                raise self._failed(operation, error) from error
            self._answered()
            raise _refusal(operation, status, error) from error
        except (BotoCoreError, HttpError, OSError) as error:  # TimeoutError among them
            raise self._failed(operation, error) from error
        self._answered()
        OBJECT_SECONDS.labels(operation).observe(time.perf_counter() - began)

    def _answered(self) -> None:
        if self._breaker.is_open:
            log.info("object storage answers again", endpoint=self.endpoint)
        self._breaker.succeeded()
        OBJECTS_UP.set(1)

    def _failed(self, operation: str, error: Exception) -> ObjectsUnavailable:
        cause = str(error) or type(error).__name__
        if not self._breaker.is_open:
            log.warning("object storage does not answer", endpoint=self.endpoint, operation=operation, error=cause)
        self._breaker.failed()
        OBJECTS_UP.set(0)
        OBJECT_FAILURES.labels(operation, "unavailable").inc()
        return ObjectsUnavailable(cause)


class NotSupported(ObjectsUnavailable):
    """The store does not know this request."""


_NOT_IMPLEMENTED = 501
# rclone takes settings of a bucket for its creation.
_UNKNOWN = {"NotImplemented", "MethodNotAllowed", "BucketAlreadyExists", "BucketAlreadyOwnedByYou"}


def _refusal(operation: str, status: int, error: ClientError) -> Exception:
    code: str = error.response["Error"].get("Code", "")
    if status == 404 and code != "NoSuchBucket":
        return NoSuchObject(code)
    if code in _UNKNOWN or status == _NOT_IMPLEMENTED:
        return NotSupported(str(error))
    OBJECT_FAILURES.labels(operation, "refused").inc()
    return ObjectsUnavailable(str(error))
