"""DAIRA's publisher: it publishes through the broadcaster from its own process, as workers do."""

import asyncio
import time

import uvloop

from bench.realtime.peers.publishing import obey
from bench.realtime.tick import next_tick
from channels.members import Members
from domain.post_channels import POST
from gateway.channel_kinds import KINDS
from gateway.settings import Settings
from gateway.stores import open_stores
from presence.reports import Chosen
from presence.tracker import Tracker

TICK_S = 0.002


async def main() -> None:
    async with open_stores(Settings()) as stores:

        async def to_room(post_id: str) -> None:
            await stores.broadcaster.publish(POST.channel(int(post_id)), next_tick())

        async def to_users(user_ids: list[str]) -> None:
            await stores.broadcaster.publish_to_users(list(map(int, user_ids)), next_tick())

        tracker = Tracker(stores.shards, stores.redis_keys, Members(KINDS), stores.broadcaster, "flood")

        async def flood(rate: float, seconds: float, people: list[str]) -> int:
            """Report presence changes as a node does, each a new one. Returns how many were made."""
            ids, done, began = list(map(int, people)), 0, time.perf_counter()
            newest = time.time_ns() // 1_000  # above the versions of earlier floods
            while (elapsed := time.perf_counter() - began) < seconds:
                due = range(done, int(elapsed * rate))
                await asyncio.gather(
                    *(tracker.choose(ids[each % len(ids)], Chosen("busy", str(each), newest + each)) for each in due)
                )
                done += len(due)
                await asyncio.sleep(TICK_S)
            return done

        await obey(to_room, to_users, flood)


if __name__ == "__main__":
    uvloop.run(main())
