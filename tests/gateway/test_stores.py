"""Errors of a process that cannot reach its stores."""

import pytest

from gateway.stores import open_stores
from storage.redis import RedisError
from tests.cluster import Cluster


@pytest.mark.parametrize("name", ["redis_url", "realtime_redis_url"])
async def test_an_unreachable_redis_is_named_without_its_password(cluster: Cluster, monkeypatch, name):
    monkeypatch.setattr("gateway.stores.START_TIMEOUT_S", 2)  # the other Redis is reached in time
    settings = cluster.settings(**{name: "redis://:a-secret@127.0.0.1:1/0"})
    with pytest.raises(RedisError, match=rf"127\.0\.0\.1:1/0 is out of reach, see DAIRA_{name.upper()}") as caught:
        async with open_stores(settings):
            raise AssertionError("it was reached")
    assert "a-secret" not in str(caught.value)
