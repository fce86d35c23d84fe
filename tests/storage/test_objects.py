"""The bucket is created once and then reused."""

import pytest

from storage.objects import Objects, ObjectsUnavailable
from tests.cluster import Cluster


async def test_a_bucket_is_created_once_and_reused(cluster: Cluster):
    objects = Objects(*cluster.settings(s3_bucket="test-bucket").s3)
    await objects.connect()
    with pytest.raises(ObjectsUnavailable):
        await objects.ping()
    await objects.ensure_bucket()
    await objects.ensure_bucket()
    await objects.ping()
    await objects.close()


async def test_wrong_keys_are_reported(cluster: Cluster):
    endpoint, access_key, *_ = cluster.settings().s3
    objects = Objects(endpoint, access_key, "wrong" * 8, "test-bucket", "us-east-1")
    await objects.connect()
    with pytest.raises(ObjectsUnavailable):
        await objects.ensure_bucket()
    await objects.close()
