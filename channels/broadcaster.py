"""Publishing: pushes to channels and users, wherever their sockets are, and control messages to nodes.

A push is encoded once per codec and travels as finished frames. One script gives a recoverable push its offset, keeps
it and publishes it. A channel and an inbox take an `id` once, so a worker may repeat a push after a crash.
"""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

import msgspec

from channels.kinds import Kinds
from channels.locations import LIFETIME_S
from channels.messages import (
    AgeCorrected,
    Ages,
    Closed,
    Control,
    DeviceLeft,
    Emptied,
    Evicted,
    HidingChanged,
    Informed,
    Joined,
    Left,
    PersonalControl,
    Recipients,
    Revoked,
    RightsChanged,
    encode_push,
)
from channels.redis_keys import RedisKeys
from protocol.events import Narrowed
from protocol.pushes import Push
from storage.redis_link import LinkScript
from storage.shards import Shards
from tracing import traces

REMEMBER_S = 900  # as long as the outbox can repeat itself
MOST_IDS_OF_A_CHANNEL = 20_000
MOST_IDS_OF_AN_INBOX = 1_000
KEEP_BODIES_S = LIFETIME_S + 20
PAGE = 100  # users in one script: the first are sent their push while Redis works on the next

_LUA = Path(__file__).parent / "lua"
_CLOCK = _LUA / "clock.lua"
PUBLISH_TO_CHANNEL = LinkScript(_LUA / "publish_to_channel.lua", _CLOCK)
PUBLISH_TO_USERS = LinkScript(_LUA / "publish_to_users.lua", _CLOCK)
SCRIPTS = (PUBLISH_TO_CHANNEL, PUBLISH_TO_USERS)

_encode = msgspec.msgpack.Encoder().encode


class Broadcaster:
    def __init__(self, shards: Shards, keys: RedisKeys, kinds: Kinds) -> None:
        self._shards = shards
        self._keys = keys
        self._kinds = kinds

    async def publish(
        self,
        channel: str,
        push: Push,
        actor_id: int = 0,
        order: str = "",
        *,
        about: str = "",
        **recipients: Unpack[Recipients],
    ) -> bool:
        """Push to every socket in the channel, except of users who hide the actor. Raises RedisError.

        about: the channel of the push's subject: a replay leaves the push out if the user may no longer be in it.
        order: sorts pushes of this event that show a state. Returns False for one older than the newest shown.
        Raises ValueError for a recoverable push to a channel that is not logged: nothing would replay it.
        """
        if push.flow != "recover":
            await self.publish_unkept(channel, push, actor_id, **recipients)
            return True
        kind = self._kinds.of(channel)
        if not kind.is_logged:
            raise ValueError(f"{type(push).__name__}.flow is 'recover', but channels of {kind.prefix!r} are not logged")
        body = _body(push, actor_id, about, **recipients)
        history = push.history
        arguments = (
            self._shards.publish_command, self._keys.redis_channel(channel), push.id, body, history.pushes,
            history.bytes, KEEP_BODIES_S * 1_000_000, MOST_IDS_OF_A_CHANNEL, REMEMBER_S, push.event, order,
        )  # fmt: skip
        outcome = await self._shards.run(
            self._shards.of(channel), PUBLISH_TO_CHANNEL, self._keys.channel_keys(channel), arguments
        )
        return bool(outcome >= 0)

    def publish_unkept(
        self, channel: str, push: Push, actor_id: int = 0, **recipients: Unpack[Recipients]
    ) -> "asyncio.Future[object]":
        """Publish a push that is not kept for who misses it. Raises RedisError, and so does the future."""
        body = _body(push, actor_id, **recipients)
        return self._shards.publish(self._shards.of(channel), self._keys.redis_channel(channel), b"E" + body)

    async def publish_to_users(
        self,
        user_ids: Sequence[int],
        push: Push,
        *,
        actor_id: int = 0,
        about: str = "",
        **recipients: Unpack[Recipients],
    ) -> None:
        """Push to the users among them who are online or may reconnect: one message a node. Raises RedisError.

        about: the channel of the push's subject: a replay leaves the push out if the user may no longer be in it.
        """
        body = _body(push, actor_id, about, **recipients)
        by_shard: defaultdict[int, list[int]] = defaultdict(list)
        for user_id in user_ids:
            by_shard[self._keys.shard_of_user(user_id)].append(user_id)
        await asyncio.gather(
            *(self._publish_on_shard(shard, of_shard, push, body) for shard, of_shard in by_shard.items())
        )

    async def _publish_on_shard(self, shard: int, user_ids: Sequence[int], push: Push, body: bytes) -> None:
        """One page after the other: Redis would send nothing of pages that wait for it together before the last."""
        for start in range(0, len(user_ids), PAGE):
            await self._publish_page(shard, user_ids[start : start + PAGE], push, body)

    async def _publish_page(self, shard: int, user_ids: Sequence[int], push: Push, body: bytes) -> None:
        keys = (self._keys.clock(shard), self._keys.bodies(shard) + push.id)
        kept_s = KEEP_BODIES_S if push.flow == "recover" else 0
        await self._shards.run(
            shard,
            PUBLISH_TO_USERS,
            keys,
            (
                self._shards.publish_command,
                self._keys.node_prefix(shard),
                push.id,
                body,
                MOST_IDS_OF_AN_INBOX,
                REMEMBER_S,
                kept_s,
                *self._keys.users(shard),
                *user_ids,
            ),
        )

    # ------------------------------------------------------------------------------------------ control messages

    async def evict(self, user_ids: Sequence[int], owner_id: int) -> None:
        """These users lost rights to what the owner has: their sockets leave or are rechecked, as each kind says."""
        cause = _new_cause()
        await self._send_for(user_ids, lambda here: Evicted(here, owner_id, cause))

    async def join(self, user_ids: Sequence[int], channel: str, owner_id: int) -> None:
        await self._send_for(user_ids, lambda here: Joined(here, channel, owner_id))

    async def leave(self, user_ids: Sequence[int], channel: str) -> None:
        await self._send_for(user_ids, lambda here: Left(here, channel))

    async def leave_device(self, user_id: int, channel: str, session_id: int, before: float) -> None:
        """Take the session's sockets that connected before that time (s since 1970) out of the channel."""
        await self._send_for([user_id], lambda here: DeviceLeft(here, channel, session_id, before))

    async def inform(self, user_ids: Sequence[int], channel: str, note: bytes) -> None:
        """Give a note to the hooks of the channel's kind, on the nodes where these users are."""
        await self._send_for(user_ids, lambda here: Informed(here, channel, note))

    async def recheck(self, user_ids: Sequence[int], channel: str) -> None:
        """Check again whether these users may stay in the channel."""
        cause = _new_cause()
        await self._send_for(user_ids, lambda here: RightsChanged(here, channel, cause))

    async def empty(self, channel: str, keeps: int = 0, ages: Ages = "all") -> None:
        """Take users of these ages out of the channel, on all nodes, except the user `keeps`."""
        body = b"C" + _encode(Emptied(channel, keeps, ages))
        await self._shards.publish(self._shards.of(channel), self._keys.redis_channel(channel), body)

    async def change_hiding(self, changed: HidingChanged) -> None:
        await self._send_for(changed.user_ids, lambda here: msgspec.structs.replace(changed, user_ids=here))

    async def correct_age(self, user_id: int, *, is_minor: bool) -> None:
        cause = _new_cause()
        await self._send_for([user_id], lambda here: AgeCorrected(here, is_minor, cause))

    async def close(self, owner_id: int, what: Narrowed) -> None:
        """The owner has narrowed an audience: on every node, sockets leave the owner's channels or are rechecked."""
        await self.send_to_all_nodes(Closed(owner_id, what, _new_cause()))

    async def revoke(self, revoked: Revoked) -> None:
        """Send it to every node: a revocation must not depend on what Redis knows of where users are."""
        if revoked.session_ids:
            await self.send_to_all_nodes(revoked)

    async def send_to_all_nodes(self, control: Control) -> None:
        await self._shards.publish(0, self._keys.control_channel(), b"C" + _encode(control))

    async def send_to_node(self, node: str, control: Control) -> None:
        await self._shards.publish(self._shards.of(node), self._keys.node_channel(node), b"C" + _encode(control))

    async def _send_for(self, user_ids: Sequence[int], control: Callable[[list[int]], PersonalControl]) -> None:
        by_node: defaultdict[str, list[int]] = defaultdict(list)
        now = time.time()
        answers = [
            self._shards.call(
                self._keys.shard_of_user(user_id), "ZRANGEBYSCORE", self._keys.locations(user_id), now, "+inf"
            )
            for user_id in user_ids
        ]
        for user_id, answer in zip(user_ids, answers, strict=True):
            for node in {location.decode().partition("/")[0] for location in await answer}:
                by_node[node].append(user_id)
        for node, here in by_node.items():
            await self.send_to_node(node, control(here))


def _body(push: Push, actor_id: int, about: str = "", **recipients: Unpack[Recipients]) -> bytes:
    """Encode the push, as a step of the current trace. Nodes that deliver the push continue it, if it is sampled."""
    step = traces.open_step(f"publish {push.event}", "producer")
    trace = "" if step is None else step.context
    body = _encode(encode_push(push, actor_id, about, trace, **recipients))
    if step is not None:
        step.end()
    return body


def _new_cause() -> str:
    return secrets.token_hex(6)
