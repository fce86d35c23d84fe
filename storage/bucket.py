"""Where the bucket for all objects is, and the keys that open it."""

from typing import NamedTuple


class Bucket(NamedTuple):
    """endpoint: URL of the S3 endpoint."""

    endpoint: str
    access_key: str
    secret_key: str
    name: str
    region: str
