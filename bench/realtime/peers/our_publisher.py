"""Publishes as our workers do: through the broadcaster, from a process of its own."""

import uvloop

from bench.realtime.peers.publishing import obey
from bench.realtime.tick import next_tick
from gateway.settings import Settings
from gateway.stores import open_stores
from rooms import names


async def main() -> None:
    async with open_stores(Settings()) as stores:

        async def to_room(post_id: str) -> None:
            await stores.broadcaster.publish(names.post(int(post_id)), next_tick())

        async def to_users(user_ids: list[str]) -> None:
            await stores.broadcaster.publish_to_users(list(map(int, user_ids)), next_tick())

        await obey(to_room, to_users)


if __name__ == "__main__":
    uvloop.run(main())
