"""The Rust peer's publisher: rooms and push over one Redis channel, as MessagePack."""

import os

import msgspec
import uvloop

from bench.realtime.peers.publishing import obey
from bench.realtime.tick import next_tick
from storage.redis_servers import servers_of
from storage.shards import Shards

CHANNEL = "rust-peer"

_encode = msgspec.msgpack.Encoder().encode


async def main() -> None:
    redis = Shards(servers_of(os.environ["REDIS_URL"]), "", ())  # one link, which gathers commands into one write
    await redis.start()

    async def to_room(name: str) -> None:
        await to_rooms([name])

    async def to_users(user_ids: list[str]) -> None:
        await to_rooms([f"user:{user_id}" for user_id in user_ids])

    async def to_rooms(names: list[str]) -> None:
        await redis.publish(0, CHANNEL, _encode((names, next_tick())))

    await obey(to_room, to_users)
    await redis.stop()


if __name__ == "__main__":
    uvloop.run(main())
