"""Which users are online, by the locations of their sockets."""

from types import SimpleNamespace

import pytest

from channels import locations
from channels.locations import LIFETIME_S, Locations
from channels.redis_keys import RedisKeys
from storage.shards import Shards

USERS = range(1, 21)


async def test_users_are_online_until_their_locations_expire(shards: Shards, monkeypatch: pytest.MonkeyPatch):
    places = Locations(shards, RedisKeys(shards))
    await places.renew("here", [(user_id, "pid") for user_id in USERS])
    assert await places.online([*USERS, 99]) == {*USERS}
    assert await places.online([]) == set()
    later = locations.time.time() + LIFETIME_S + 1
    monkeypatch.setattr(locations, "time", SimpleNamespace(time=lambda: later))
    await places.renew("there", [(7, "pid")])
    assert await places.online([*USERS]) == {7}
