"""Which channels this node subscribes to in Redis: those that a socket here is in, each once."""

import asyncio
from collections.abc import Iterable
from typing import Any

from channels.delivery import Delivery
from channels.hooks import HooksByKind
from channels.members import Member, Members
from channels.messages import Ages
from channels.metrics import CHANNELS
from channels.recovery import Recovery
from channels.redis_keys import RedisKeys
from storage.redis import RedisError
from storage.shards import Shards

PAGE = 500


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a channel."""


class Subscriptions:
    """Joins sockets to channels and takes them out, and subscribes and unsubscribes in Redis accordingly."""

    def __init__(
        self,
        shards: Shards,
        keys: RedisKeys,
        members: Members,
        delivery: Delivery,
        recovery: Recovery,
        hooks: HooksByKind,
    ) -> None:
        self._shards = shards
        self._keys = keys
        self._members = members
        self._delivery = delivery
        self._recovery = recovery
        self._hooks = hooks
        self._subscribed: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[Any]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether all links are up and no gap is being closed: every push for this node has been delivered."""
        return self._shards.are_up and not self._delivery.is_held

    async def resume(self, shards: set[int], own: Iterable[tuple[int, str]]) -> None:
        """Subscribe again after these shards' link is back. own: the node's own Redis channels, with their shards.

        `join` subscribes to channels that are joined during this time. Raises RedisError.
        """
        here = [channel for channel in self._members.channels if self._shards.of(channel) in shards]
        wanted = [(self._shards.of(channel), self._keys.redis_channel(channel)) for channel in here]
        self._subscribed.update(redis_channel for _, redis_channel in wanted)
        wanted += [(shard, redis_channel) for shard, redis_channel in own if shard in shards]
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            await asyncio.gather(*(self._shards.subscribe(shard, redis_channel) for shard, redis_channel in page))

    async def join(self, member: Member, channel: str, owner_id: int) -> None:
        """Put the socket into the channel: once it returns, pushes to the channel reach it.

        Does nothing for a socket that is not among the members any more. Raises SubscriptionFailed.
        """
        if not self._members.join(member, channel, owner_id):
            return
        redis_channel = self._keys.redis_channel(channel)
        if redis_channel in self._subscribed:
            return
        try:
            confirmation = self._confirmations.get(redis_channel)
            if confirmation is None:
                confirmation = self._shards.subscribe(self._shards.of(channel), redis_channel)
                self._confirmations[redis_channel] = confirmation
                confirmation.add_done_callback(lambda done: self._confirmed(channel, redis_channel, done))
            await asyncio.shield(confirmation)
        except RedisError as error:
            self._leave(member, channel)
            raise SubscriptionFailed(channel) from error
        except asyncio.CancelledError:
            self._leave(member, channel)
            raise

    def leave(self, member: Member, channel: str) -> None:
        """Take the socket out for good: a client that reconnects is not put back."""
        self._leave(member, channel)
        self._recovery.forget_channel(member.user_id, member.pid, channel)

    def leave_device(self, channel: str, session_id: int, before: float) -> bool:
        """Take out the session's sockets that connected before that time (s since 1970). Returns whether one was in."""
        older = [each for each in self._members.of_session(session_id) if each.connected_at < before]
        left = [each for each in older if channel in each.channels]
        for each in left:
            self.leave(each, channel)
        return bool(left)

    def empty(self, channel: str, keeps: int = 0, ages: Ages = "all") -> None:
        """Take out every socket of users of these ages, except those of the user `keeps`.

        Their sessions keep the channel: a client that reconnects learns what became of it.
        """
        for member in list(self._members.in_channel(channel)):
            if member.user_id != keeps and (ages == "all" or member.is_minor is (ages == "minors")):
                self._members.leave(member, channel)
        self._unsubscribe_empty([channel])

    def remove(self, member: Member) -> bool:
        """Take a closed socket out of the index and its channels. Returns whether its user has no other here."""
        channels = list(member.channels)
        was_last = self._members.remove(member)
        self._unsubscribe_empty(channels)
        for channel in channels:
            self._hooks.of(channel).left(member.user_id, channel, may_come_back=True)
        return was_last

    def _leave(self, member: Member, channel: str) -> None:
        was_there = channel in member.channels
        self._members.leave(member, channel)
        self._unsubscribe_empty([channel])
        if was_there:
            self._hooks.of(channel).left(member.user_id, channel, may_come_back=False)

    def _confirmed(self, channel: str, redis_channel: str, confirmation: "asyncio.Future[Any]") -> None:
        del self._confirmations[redis_channel]
        if confirmation.exception() is None:  # those who wait shield it, so that it is never cancelled
            self._subscribed.add(redis_channel)
            CHANNELS.set(len(self._subscribed))
            self._unsubscribe_empty([channel])

    def _unsubscribe_empty(self, channels: Iterable[str]) -> None:
        for channel in channels:
            redis_channel = self._keys.redis_channel(channel)
            if redis_channel in self._subscribed and not self._members.in_channel(channel):
                self._subscribed.discard(redis_channel)
                CHANNELS.set(len(self._subscribed))
                self._shards.unsubscribe(self._shards.of(channel), redis_channel)
