"""Object storage on any S3 endpoint."""

from contextlib import AsyncExitStack
from typing import Any

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class ObjectsUnavailable(Exception):
    """The S3 endpoint does not answer, or refuses the request."""


class Objects:
    """One bucket."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str) -> None:
        self.endpoint = endpoint
        self.bucket = bucket
        self._session = aioboto3.Session(aws_access_key_id=access_key, aws_secret_access_key=secret_key)
        self._closing = AsyncExitStack()
        self._client: Any = None

    async def connect(self) -> None:
        config = Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self._client = await self._closing.enter_async_context(
            self._session.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", config=config)
        )

    async def close(self) -> None:
        await self._closing.aclose()

    async def ensure_bucket(self) -> None:
        """Raises ObjectsUnavailable."""
        known = self._client.exceptions
        try:
            await self._client.create_bucket(Bucket=self.bucket)
        except (known.BucketAlreadyOwnedByYou, known.BucketAlreadyExists):
            await self.ping()  # servers differ in how they refuse a bucket that is already ours
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectsUnavailable(str(error)) from error

    async def ping(self) -> None:
        """Raises ObjectsUnavailable."""
        try:
            await self._client.head_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectsUnavailable(str(error)) from error
