"""Times by the server that the scripts run on, and the clock of a shard, which tests may set."""

from pathlib import Path

from channels import recovery
from channels.redis_keys import RedisKeys
from storage.shards import Shards

# µs, in the year 2128: a clock set to it is ahead of the server's time, so each tick adds exactly 1.
AHEAD = 5_000_000_000_000_000
SHARD = 0  # the only one of a single server
CLOCK_LUA = Path(recovery.__file__).parent / "lua" / "clock.lua"


async def server_time(shards: Shards) -> float:
    """Return s since 1970."""
    seconds, microseconds = await shards.call(SHARD, "TIME")
    return int(seconds) + int(microseconds) / 1_000_000


async def set_clock(shards: Shards, last: int, since: int = AHEAD) -> None:
    """The next tick is `last` + 1; the data are whole since `since`."""
    await shards.call(SHARD, "HSET", RedisKeys(shards).clock(SHARD), "last", last, "since", since)
