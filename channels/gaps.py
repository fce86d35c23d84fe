"""Gaps: pushes that this node missed while a link to Redis was lost are replayed.

States of a link: listening → (lost) → subscribing → closing the gap → listening … Per shard, a node remembers the
offset up to which it has received everything. After a gap it reads the later pushes from the logs and delivers them
before newer ones. Clients whose logs do not reach back so far must load everything again: all of them after a gap of
more than 120 s. The record of a socket that closes during a gap is deleted, so its client also loads everything again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import structlog

from channels.delivery import Delivery, Item
from channels.kinds import Kinds
from channels.locations import RECOVERY_WINDOW_S
from channels.members import Member, Members
from channels.metrics import GAPS, REPLAYED
from channels.recovery import BEGIN, Offset, Recovery
from channels.redis_keys import RedisKeys
from storage.redis import RedisError
from storage.shards import Shards

HEARTBEAT_S = 5.0
CLOSE_WITHIN_S = 20.0
RETRY_S = 0.3
PAGE = 500
AFRESH_PER_S = 1_000  # clients that load everything again

K = TypeVar("K")

log = structlog.get_logger()


class Missed(NamedTuple):
    """One gap, by shard. `since`: the last received offset; None if the server's data do not reach back to it.

    `clocks`: the offset at which the gap ends. `heard_at`: monotonic s of the last message before the gap.
    """

    since: dict[int, Offset | None]
    clocks: dict[int, int]
    heard_at: dict[int, float]


class Gaps:
    def __init__(
        self,
        shards: Shards,
        keys: RedisKeys,
        members: Members,
        delivery: Delivery,
        recovery: Recovery,
        kinds: Kinds,
        recheck: Callable[[], Awaitable[bool]],
    ) -> None:
        """recheck: compares sessions, hiding and rights with PostgreSQL; returns whether it could."""
        self._shards = shards
        self._keys = keys
        self._members = members
        self._delivery = delivery
        self._recovery = recovery
        self._kinds = kinds
        self._recheck = recheck
        self._heard = [0] * shards.amount  # by shard: every push up to this clock has been received
        self._heard_at = [0.0] * shards.amount
        self._open: dict[int, Missed] = {}  # by shard: the newest gap, until it is closed
        self._overflowed = False

    # ------------------------------------------------------------------------------------------ hearing

    def hear(self, shard: int, clock: int) -> None:
        if clock > self._heard[shard]:
            self._heard[shard] = clock
        self._heard_at[shard] = time.monotonic()

    def overflow(self) -> None:
        """Pushes were lost while a gap was being closed: more came than are held back."""
        self._overflowed = True

    async def keep_hearing(self) -> None:
        """Advance the received offsets every 5 s, forever, also while nothing is published."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for shards in self._shards.by_link:
                if not self._shards.is_up(shards):
                    continue  # the node has not subscribed there again yet
                try:
                    seconds, microseconds = await self._shards.call(shards[0], "TIME")
                except RedisError:
                    continue
                # One connection carries answers and messages in order: earlier messages have been received.
                for shard in shards:
                    self.hear(shard, int(seconds) * 1_000_000 + int(microseconds) - 1)

    # ------------------------------------------------------------------------------------------ closing

    async def begin(self, shards: Sequence[int]) -> Missed:
        """Record the gap, before the node subscribes again and receives newer pushes. Raises RedisError."""
        run_id = await self._run_id(shards[0])
        began = [await self._shards.run(shard, BEGIN, [self._keys.clock(shard)], [run_id]) for shard in shards]
        missed = Missed({}, {}, {})
        for shard, (clock, since) in zip(shards, began, strict=True):
            heard, heard_at = self._delivered(shard)
            is_whole = heard >= int(since) and time.monotonic() - heard_at < RECOVERY_WINDOW_S
            missed.since[shard] = Offset(shard, heard) if is_whole else None
            missed.clocks[shard] = int(clock)
            missed.heard_at[shard] = heard_at
        self._open.update(dict.fromkeys(shards, missed))
        return missed

    def _delivered(self, shard: int) -> tuple[int, float]:
        """The clock up to which nothing is missing, and the time at which it was received.

        While a gap is open, the clock at which it began, and the time of that.
        """
        gap = self._open.get(shard)
        if gap is None:
            return self._heard[shard], self._heard_at[shard]
        since = gap.since[shard]
        return since.clock if since is not None else 0, gap.heard_at[shard]

    async def close(self, missed: Missed) -> None:
        """Read the missed pushes, and deliver them before newer ones. Clients that lost some load everything again.

        All clients do so if their users could not be rechecked in time, or if too many pushes were held.
        `Delivery` is held by the caller, and released here.
        """
        for shard, clock in missed.clocks.items():
            self.hear(shard, clock)
        lost: set[Member] = set()
        forgotten: set[Member] = set()
        items: list[Item] = []
        is_rechecked = False
        deadline = time.monotonic() + CLOSE_WITHIN_S
        while time.monotonic() < deadline:
            try:
                items, lost = await self._read(missed.since)
                self._forget(lost - forgotten)  # first: renewed locations would make these sessions look complete
                forgotten |= lost
                # Rights that were lost in the gap must not be used for the replay.
                is_rechecked = await self._recheck()
                break
            except (RedisError, OSError):
                if not self._shards.is_up(missed.since):
                    self.leave_open(missed)
                    return
                await asyncio.sleep(RETRY_S)  # another shard's server does not answer yet
            except Exception:
                log.exception("missed pushes could not be read")
                break
        if any(self._open.get(shard) is not missed for shard in missed.since):
            self.leave_open(missed)  # the link was lost again: the next gap begins where this one did
            return
        for shard in missed.since:
            del self._open[shard]
        if self._overflowed or not is_rechecked:
            self._overflowed = False
            items.clear()
            lost.update(self._members.all)
        self._forget(lost - forgotten)  # before a newer push gives them an offset past the gap
        replayed = {(item.channel, user_id, item.written.id) for item in items for user_id in item.user_ids or (0,)}
        self._delivery.release(sorted(items, key=_by_offset), lambda item: _without(replayed, item))
        REPLAYED.inc(len(items))
        GAPS.labels("afresh" if lost else "healed").inc()
        if items or lost:
            log.warning("the link to Redis is back", missed=len(items), must_load_again=len(lost))
        for number, member in enumerate(lost):
            member.start_afresh(number / AFRESH_PER_S)

    def leave_open(self, missed: Missed) -> None:
        """The link was lost again: the next gap begins where this one did, and replays what waits."""

        self._delivery.release((), lambda item: None if self._open.get(item.written.shard) is missed else item)

    def _forget(self, members: Iterable[Member]) -> None:
        for member in members:
            self._recovery.forget(member.user_id, member.pid)

    async def _read(self, missed: Mapping[int, Offset | None]) -> tuple[list[Item], set[Member]]:
        """Returns the missed pushes, and the sockets whose logs do not reach back. Raises RedisError."""
        items: list[Item] = []
        lost: set[Member] = set()
        channels: dict[str, Offset] = {}
        for channel in self._members.channels:
            if not self._kinds.of(channel).is_logged:
                continue  # `recheck` is followed by snapshots
            shard = self._shards.of(channel)
            since = missed.get(shard)
            if since is not None:
                channels[channel] = since
            elif shard in missed:
                lost.update(self._members.in_channel(channel))
        inboxes: dict[int, Offset] = {}
        for user_id in self._members.users:
            shard = self._keys.shard_of_user(user_id)
            since = missed.get(shard)
            if since is not None:
                inboxes[user_id] = since
            elif shard in missed:
                lost.update(self._members.of_user(user_id))
        for page in _pages(channels):
            for channel, published in (await self._recovery.read_channels(page)).items():
                if published is None:
                    lost.update(self._members.in_channel(channel))
                else:
                    items += [Item(channel, (), written) for written in published]
        for some in _pages(inboxes):
            for user_id, published in (await self._recovery.read_inboxes(some)).items():
                if published is None:
                    lost.update(self._members.of_user(user_id))
                else:
                    items += [Item("", (user_id,), written) for written in published]
        return items, lost

    async def _run_id(self, shard: int) -> str:
        info = await self._shards.call(shard, "INFO", "server")
        text = info.decode() if isinstance(info, bytes) else str(info)
        return text.partition("run_id:")[2].partition("\r\n")[0]


def _by_offset(item: Item) -> int:
    return item.written.offset


def _without(replayed: set[tuple[str, int, str]], item: Item) -> Item | None:
    """A waiting item without the users to whom the logs have replayed it; None if none is left."""
    push_id = item.written.id
    if not item.user_ids:
        return None if (item.channel, 0, push_id) in replayed else item
    user_ids = [user_id for user_id in item.user_ids if ("", user_id, push_id) not in replayed]
    return item._replace(user_ids=user_ids) if user_ids else None


def _pages(since: dict[K, Offset]) -> Iterator[dict[K, Offset]]:
    keys = list(since)
    for start in range(0, len(keys), PAGE):
        yield {key: since[key] for key in keys[start : start + PAGE]}
