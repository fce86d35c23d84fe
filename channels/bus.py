"""Receives pushes to this node's channels and users over Redis, and control messages from other nodes.

A node subscribes to its own Redis channels, one a shard, to the control channel of all nodes, and to the channels that
its sockets are in (`channels.subscriptions`). `channels.gaps` replays pushes of the time in which a link was lost.
"""

import time
from collections.abc import Callable, Coroutine, Sequence

import msgspec
import structlog

from channels.background import Background
from channels.delivery import Delivery, Item, TooMuch
from channels.gaps import Gaps
from channels.hooks import HooksByKind
from channels.kinds import Kinds
from channels.members import Hiding, Member, Members
from channels.messages import (
    CLOCK_LENGTH,
    AgeCorrected,
    Closed,
    Control,
    DeviceLeft,
    Emptied,
    Evicted,
    HidingChanged,
    Informed,
    Joined,
    Left,
    Revoked,
    RightsChanged,
    Superseded,
    Written,
    decode_frames,
    finish,
    offset_text,
)
from channels.metrics import BUS_LAG
from channels.redis_keys import RedisKeys
from channels.seen_pushes import SeenPushes
from channels.subscriptions import SubscriptionFailed, Subscriptions
from storage.shards import Shards

# Takes sockets out of channels in which they may not stay. The text names the cause.
Recheck = Callable[[Sequence[tuple[Member, str]], str], Coroutine[None, None, None]]

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode


class Bus:
    def __init__(
        self,
        shards: Shards,
        keys: RedisKeys,
        members: Members,
        delivery: Delivery,
        gaps: Gaps,
        subscriptions: Subscriptions,
        kinds: Kinds,
        hooks: HooksByKind,
        recheck: Recheck,
        node: str,
    ) -> None:
        self._shards = shards
        self._keys = keys
        self._members = members
        self._delivery = delivery
        self._gaps = gaps
        self._subscriptions = subscriptions
        self._kinds = kinds
        self._hooks = hooks
        self._recheck = recheck
        self._seen = SeenPushes()
        self._own = (*keys.node_channels(node), (0, keys.control_channel()))
        self._background = Background("bus")

    async def resume(self, shards: Sequence[int]) -> None:
        """Subscribe again after these shards' link is back, and replay missed pushes in the background.

        Nothing is delivered until the replay is done. Raises RedisError.
        """
        missed = await self._gaps.begin(shards)
        self._delivery.hold()
        try:
            await self._subscriptions.resume(set(shards), self._own)
        except BaseException:
            self._gaps.leave_open(missed)
            raise
        self._background.run(self._gaps.close(missed))

    # ------------------------------------------------------------------------------------------ messages

    def receive(self, redis_channel: bytes, data: bytes) -> None:
        """Deliver a push, or apply a control message. An unreadable message is logged: it must not stop the node.

        The first byte says what follows: `R` a recoverable push to a channel with its offset, `E` another push to a
        channel, `P` a push to users with its offset and their ids, otherwise a control message.
        """
        try:
            match data[:1]:
                case b"R":
                    channel = _channel_of(redis_channel)
                    shard, clock = self._shards.of(channel), data[1 : 1 + CLOCK_LENGTH].decode()
                    self._take(Item(channel, (), _finish(data[1 + CLOCK_LENGTH :], channel, shard, clock)))
                case b"E":
                    channel = _channel_of(redis_channel)
                    self._take(Item(channel, (), finish(decode_frames(data[1:]), channel, offset="")))
                case b"P":
                    ids, _, body = data[1 + CLOCK_LENGTH :].partition(b"\n")
                    user_ids = [int(user_id) for user_id in ids.split(b",")]
                    shard, clock = self._keys.shard_of_user(user_ids[0]), data[1 : 1 + CLOCK_LENGTH].decode()
                    written = _finish(body, "", shard, clock)
                    if not written.offset:  # the script that keeps a push in the inboxes drops repetitions itself
                        user_ids = [user_id for user_id in user_ids if self._seen.add(written.id, user_id)]
                    if user_ids:
                        self._take(Item("", user_ids, written))
                case _:
                    self._obey(_decode_control(data[1:]))
        except (msgspec.DecodeError, ValueError) as error:
            log.error("could not decode a message of the bus", channel=redis_channel.decode(), error=str(error))

    def _take(self, item: Item) -> None:
        written = item.written
        if written.offset:
            self._gaps.hear(written.shard, written.offset)
            BUS_LAG.observe(max(time.time() - written.offset / 1_000_000, 0))
        try:
            self._delivery.take(item)
        except TooMuch:
            self._gaps.overflow()

    # ------------------------------------------------------------------------------------------ control messages

    def _obey(self, control: Control) -> None:
        match control:
            case Revoked(session_ids, reason):
                for session_id in session_ids:
                    for member in list(self._members.of_session(session_id)):
                        member.revoke(reason)
            case Superseded(pid, claim):
                for member in list(self._members.of_pid(pid)):
                    member.claim = member.claim.end(claim)
                    if member.claim.has_ended:
                        member.supersede()
            case Evicted(user_ids, owner_id, cause):
                self._apply_changed_rights(
                    [
                        (member, channel)
                        for member in self._sockets(user_ids)
                        for channel, owner in member.channels.items()
                        if owner == owner_id or not self._kinds.of(channel).owner_decides
                    ],
                    cause,
                )
            case Closed(owner_id, what, cause):
                owned = self._members.channels_of_owner(owner_id)
                narrowed = [channel for channel in owned if what in ("all", self._kinds.of(channel).prefix)]
                self._apply_changed_rights(
                    [(member, channel) for channel in narrowed for member in self._members.in_channel(channel)], cause
                )
            case Joined(user_ids, channel, owner_id):
                for member in self._sockets(user_ids):
                    if member.is_device:
                        self._members.join(member, channel, owner_id)
                        self._background.run(self._join_quietly(member, channel, owner_id))
            case Left(user_ids, channel):
                for member in self._sockets(user_ids):
                    self._subscriptions.leave(member, channel)
            case DeviceLeft(_, channel, session_id, before):
                self._subscriptions.leave_device(channel, session_id, before)
            case Emptied(channel, keeps, ages):
                if ages == "all":
                    self._hooks.of(channel).emptied(channel)
                self._subscriptions.empty(channel, keeps, ages)
            case Informed(user_ids, channel, note):
                for user_id in user_ids:
                    if self._hooks.of(channel).informed(user_id, channel, note):
                        for member in self._sockets([user_id]):
                            if channel in member.channels:
                                self._subscriptions.leave(member, channel)
            case RightsChanged(user_ids, channel, cause):
                self._apply_changed_rights(
                    [(member, channel) for member in self._sockets(user_ids) if channel in member.channels], cause
                )
            case AgeCorrected(user_ids, is_minor, cause):
                sockets = self._sockets(user_ids)
                for member in sockets:
                    member.is_minor = is_minor
                if is_minor:
                    memberships = [(each, channel) for each in sockets for channel in each.channels]
                    self._apply_changed_rights(memberships, cause)
            case HidingChanged(user_ids, actor_id, until, posts_until):
                hiding = Hiding(until, posts_until)
                for user_id in user_ids:
                    self._members.change_hiding(user_id, actor_id, hiding)

    def _apply_changed_rights(self, memberships: Sequence[tuple[Member, str]], cause: str) -> None:
        """Take the sockets out of the channels or recheck them, as the kind of each channel says."""
        rechecked = []
        for member, channel in memberships:
            match self._kinds.of(channel).on_change:
                case "leave":
                    self._subscriptions.leave(member, channel)
                case "recheck":
                    rechecked.append((member, channel))
        if rechecked:
            self._background.run(self._recheck(rechecked, cause))

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    async def _join_quietly(self, member: Member, channel: str, owner_id: int) -> None:
        try:
            if channel in member.channels:  # else a later message took the socket out before this began
                await self._subscriptions.join(member, channel, owner_id)
        except SubscriptionFailed:
            log.warning("could not join a channel", channel=channel)


def _channel_of(redis_channel: bytes) -> str:
    return redis_channel.partition(b":channel:")[2].decode()


def _finish(body: bytes, channel: str, shard: int, clock: str) -> Written:
    return finish(decode_frames(body), channel, offset_text(shard, clock))
