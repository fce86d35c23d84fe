"""This node's ears: subscriptions to its own channel, the control channel, and the rooms it has members of.

States: subscribing → listening → (connection lost) → subscribing … What was published while not listening is lost
here, so every return to listening calls `on_gap`, and the node checks what must not be missed against the state.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from redis.asyncio.client import PubSub

from rooms import names
from rooms.broadcaster import control_channel, node_channel, room_channel
from rooms.members import Member, Members
from rooms.messages import Closed, Control, Evicted, Frames, Joined, Left, Revoked
from storage.redis import Redis, RedisError

RETRY_S = 0.2
SUBSCRIBE_TIMEOUT_S = 2.0
PING_EVERY_S = 5.0

log = structlog.get_logger()

_decode_control = msgspec.msgpack.Decoder(Control).decode
_decode_frames = msgspec.msgpack.Decoder(Frames).decode


class SubscriptionFailed(Exception):
    """Redis did not confirm the subscription to a room in time."""


class RedisAdapter:
    def __init__(self, redis: Redis, members: Members, node: str) -> None:
        self._redis = redis
        self._members = members
        self._node = node
        self._pubsub: PubSub | None = None
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._subscribed: set[str] = set()
        self.listening = asyncio.Event()
        self.on_gap: Callable[[], Awaitable[None]] | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            pubsub = self._redis.subscriptions.pubsub()
            try:
                await self._listen(pubsub)
            except (RedisError, OSError) as error:
                log.warning("this node hears nothing until Redis is back", error=str(error))
            except Exception:
                log.exception("this node hears nothing until it listens again")
            finally:
                self._pubsub = None
                self.listening.clear()
                self._subscribed.clear()
                for confirmation in self._confirmations.values():
                    confirmation.cancel()
                self._confirmations.clear()
                await _close(pubsub)
            await asyncio.sleep(RETRY_S)

    async def _listen(self, pubsub: PubSub) -> None:
        """Until the connection is lost, or has been silent for two pings."""
        base = [node_channel(self._redis, self._node), control_channel(self._redis)]
        rooms = [room_channel(self._redis, room) for room in self._members.rooms]
        await pubsub.subscribe(*base, *rooms)
        self._pubsub = pubsub
        awaited = len(base) + len(rooms)
        silent = False
        while True:
            message = await pubsub.get_message(timeout=PING_EVERY_S)
            if message is None:
                if silent:
                    raise OSError("Redis does not answer pings")
                silent = True
                await pubsub.ping()
                continue
            silent = False
            if message["type"] == "subscribe":
                awaited -= 1
                self._confirm(message["channel"].decode())
                if awaited == 0:
                    await self._resume()
            elif message["type"] == "message":
                self._receive(message["channel"].decode(), message["data"])

    async def join(self, member: Member, room: str, owner_id: int) -> None:
        """Once it returns, what is published to the room reaches the member. Raises SubscriptionFailed.

        Nothing happens to who is not among the members any more.
        """
        if not self._members.join(member, room, owner_id):
            return
        channel = room_channel(self._redis, room)
        if channel in self._subscribed:
            return
        confirmation = self._confirmations.get(channel)
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                if self._pubsub is None:
                    raise SubscriptionFailed(room)
                if confirmation is None:
                    confirmation = self._confirmations[channel] = asyncio.get_running_loop().create_future()
                    await self._pubsub.subscribe(channel)
                # A future that is given up is cancelled, which must not look like our own cancellation.
                await asyncio.wait({confirmation})
            if confirmation.cancelled():
                raise SubscriptionFailed(room)
        except BaseException as error:
            self._members.leave(member, room)
            if self._confirmations.get(channel) is confirmation:
                self._confirmations.pop(channel, None)
            if isinstance(error, (RedisError, OSError, SubscriptionFailed)):
                raise SubscriptionFailed(room) from error
            raise

    async def leave(self, member: Member, room: str) -> None:
        self._members.leave(member, room)
        await self._forget_empty([room])

    async def remove(self, member: Member) -> bool:
        """True for the last socket of its person here."""
        rooms = list(member.rooms)
        last = self._members.remove(member)
        await self._forget_empty(rooms)
        return last

    async def _forget_empty(self, rooms: list[str]) -> None:
        channels = [room_channel(self._redis, room) for room in rooms if not self._members.in_room(room)]
        gone = [channel for channel in channels if channel in self._subscribed]
        self._subscribed.difference_update(gone)
        if gone and self._pubsub is not None:
            try:
                await self._pubsub.unsubscribe(*gone)
            except (RedisError, OSError) as error:
                log.warning("could not unsubscribe", error=str(error))

    def _confirm(self, channel: str) -> None:
        self._subscribed.add(channel)
        confirmation = self._confirmations.pop(channel, None)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(None)

    async def _resume(self) -> None:
        self.listening.set()
        if self.on_gap is not None:
            await self.on_gap()

    def _receive(self, channel: str, data: bytes) -> None:
        """A message that cannot be read is logged and left: one bad publisher must not deafen the node."""
        try:
            kind = data[:1]
            if kind == b"R":
                room = channel.removeprefix(room_channel(self._redis, ""))
                frames = _decode_frames(data[1:])
                for member in list(self._members.in_room(room)):
                    member.deliver(frames)
            elif kind == b"P":
                header, _, body = data[1:].partition(b"\n")
                frames = _decode_frames(body)
                for user_id in header.split(b","):
                    for member in list(self._members.of_user(int(user_id))):
                        member.deliver(frames)
            else:
                self._obey(_decode_control(data[1:]))
        except (msgspec.DecodeError, ValueError) as error:
            log.error("an unreadable message on the bus", channel=channel, error=str(error))

    def _obey(self, control: Control) -> None:
        match control:
            case Revoked(session_ids, reason):
                for session_id in session_ids:
                    for member in list(self._members.of_session(session_id)):
                        member.revoke(reason)
            case Evicted(user_ids, owner_id):
                for member in self._sockets(user_ids):
                    rooms = [room for room, owner in member.rooms.items() if owner == owner_id and names.is_post(room)]
                    self._leave_later(member, rooms)
            case Closed(owner_id):
                for room in filter(names.is_post, list(self._members.rooms_of_owner(owner_id))):
                    for member in list(self._members.in_room(room)):
                        self._leave_later(member, [room])
            case Joined(user_ids, room, owner_id):
                for member in self._sockets(user_ids):
                    _in_background(self._join_quietly(member, room, owner_id))
            case Left(user_ids, room):
                for member in self._sockets(user_ids):
                    self._leave_later(member, [room])

    def _sockets(self, user_ids: list[int]) -> list[Member]:
        return [member for user_id in user_ids for member in self._members.of_user(user_id)]

    def _leave_later(self, member: Member, rooms: list[str]) -> None:
        """Out at once; only the word to Redis comes later."""
        for room in rooms:
            self._members.leave(member, room)
        _in_background(self._forget_empty(rooms))

    async def _join_quietly(self, member: Member, room: str, owner_id: int) -> None:
        try:
            await self.join(member, room, owner_id)
        except SubscriptionFailed:
            log.warning("could not enter a room", room=room)


_background: set[asyncio.Task[None]] = set()


def _in_background(work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _close(pubsub: PubSub) -> None:
    try:
        await pubsub.aclose()  # type: ignore[no-untyped-call]
    except (RedisError, OSError):
        return
