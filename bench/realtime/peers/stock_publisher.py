"""python-socketio's publisher: its write-only Redis manager."""

import os

import socketio
import uvloop
from msgspec import to_builtins

from bench.realtime.peers.publishing import obey
from bench.realtime.tick import EVENT, next_tick


async def main() -> None:
    manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"], write_only=True)

    async def to_room(name: str) -> None:
        await manager.emit(EVENT, to_builtins(next_tick()), room=name)

    async def to_users(user_ids: list[str]) -> None:
        await manager.emit(EVENT, to_builtins(next_tick()), room=[f"user:{user_id}" for user_id in user_ids])

    await obey(to_room, to_users)


if __name__ == "__main__":
    uvloop.run(main())
