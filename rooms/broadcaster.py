"""Publishing: pushes to rooms and people, wherever their sockets are, and changes to who hears what.

A push is encoded once per codec and travels as finished frames. Its `id` is published once to a room and once to a
person, so a reaction may repeat it after a crash. Delivery: at most once to sockets that are connected now.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from protocol.pushes import Push
from rooms.locations import Locations
from rooms.messages import Closed, Control, Evicted, Joined, Left, PersonalControl, Revoked, encode_push
from storage.redis import Redis

REMEMBER_S = 900  # as long as the outbox can repeat itself
_LUA = Path(__file__).parent / "lua"

_encode = msgspec.msgpack.Encoder().encode


class Broadcaster:
    def __init__(self, redis: Redis, locations: Locations) -> None:
        self._redis = redis
        self._locations = locations
        self._to_users = redis.script(_LUA / "publish_to_users.lua")
        self._to_room = redis.script(_LUA / "publish_to_room.lua")

    async def publish(self, room: str, push: Push) -> None:
        """To everybody in the room."""
        channel = room_channel(self._redis, room)
        await self._to_room([f"{channel}:sent:{push.id}"], [channel, REMEMBER_S, b"R" + _encode(encode_push(push))])

    async def publish_to_users(self, user_ids: Sequence[int], push: Push) -> None:
        """To those of them who are online: one message a node."""
        await self.publish_to_located(await self._locations.find(user_ids), push)

    async def publish_to_located(self, by_node: dict[str, list[int]], push: Push) -> None:
        """The same, for people whose nodes have been looked up already."""
        if not by_node:
            return
        body = _encode(encode_push(push))
        for node, user_ids in by_node.items():
            channel = node_channel(self._redis, node)
            await self._to_users([f"{channel}:sent:{push.id}"], [channel, REMEMBER_S, body, *user_ids])

    async def evict(self, user_ids: Sequence[int], owner_id: int) -> None:
        """They leave all of the owner's posts that they have open."""
        await self._tell(user_ids, lambda here: Evicted(here, owner_id))

    async def join(self, user_ids: Sequence[int], room: str, owner_id: int) -> None:
        await self._tell(user_ids, lambda here: Joined(here, room, owner_id))

    async def leave(self, user_ids: Sequence[int], room: str) -> None:
        await self._tell(user_ids, lambda here: Left(here, room))

    async def close_posts(self, owner_id: int) -> None:
        """Everybody leaves all of the owner's posts that they have open, on every node."""
        await self._tell_all(Closed(owner_id))

    async def revoke(self, revoked: Revoked) -> None:
        """To every node: a revocation must not depend on what we know of people's whereabouts."""
        if revoked.session_ids:
            await self._tell_all(revoked)

    async def _tell(self, user_ids: Sequence[int], control: Callable[[list[int]], PersonalControl]) -> None:
        for node, here in (await self._locations.find(user_ids)).items():
            await self._redis.commands.publish(node_channel(self._redis, node), b"C" + _encode(control(here)))

    async def _tell_all(self, control: Control) -> None:
        await self._redis.commands.publish(control_channel(self._redis), b"C" + _encode(control))


def room_channel(redis: Redis, room: str) -> str:
    return redis.key("room", room)


def node_channel(redis: Redis, node: str) -> str:
    return redis.key("node", node)


def control_channel(redis: Redis) -> str:
    return redis.key("control")
