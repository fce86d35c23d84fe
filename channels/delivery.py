"""Writes pushes from the bus to this node's sockets, in the order of the bus.

A push is written at once while there is little to do. While the node is busy, pushes that arrive within 3 ms are
gathered, and consecutive frames of one channel leave in one write, so that each delivery costs less. Long work yields
to the event loop between slices.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from channels.members import Member, Members
from channels.messages import Written, without_users
from channels.metrics import DELIVERIES, GATHERED, WRITES

GATHER_S = 0.003
HOT_WRITES = 200  # so many writes take half of GATHER_S
SLICE_WRITES = 1_000
MOST_WAITING = 50_000
MOST_BYTES_IN_ONE_WRITE = 64 * 1024


# Delivers its own version of a push to these sockets.
DeliverOwn = Callable[[Sequence[Member], Written], None]


class Item(NamedTuple):
    """A push to a channel, or to users where `user_ids` is not empty; `rest` are the sockets not yet served."""

    channel: str
    user_ids: Sequence[int]
    written: Written
    rest: Sequence[Member] = ()


class TooMuch(Exception):
    """More pushes wait than are held back; the last one was not taken."""


class Delivery:
    def __init__(self, members: Members, own: Mapping[str, DeliverOwn] = MappingProxyType({})) -> None:
        """own: by event: pushes of sums over users, and who delivers them to recipients who hide some users."""
        self._members = members
        self._own = own
        self._waiting: deque[Item | asyncio.Future[None]] = deque()
        self._holds = 0
        self._before_hold = 0  # items that waited before the first hold
        self._timer: asyncio.Handle | None = None
        self._window_began = 0.0
        self._writes_in_window = 0

    def take(self, item: Item) -> None:
        """Raises TooMuch if MOST_WAITING items wait while held."""
        if self._holds:
            if len(self._waiting) >= MOST_WAITING:
                raise TooMuch
            self._waiting.append(item)
        elif self._timer is not None:
            self._waiting.append(item)
            while len(self._waiting) >= MOST_WAITING:
                self._run()
        else:
            self._note(self._deliver(item))

    async def settled(self) -> None:
        """Wait until all that was taken before has been delivered."""
        if self._waiting:
            mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(mark)
            await mark

    # ------------------------------------------------------------------------------------------ holding back

    def hold(self) -> None:
        """Deliver nothing until each hold has been released."""
        if not self._holds:
            self._before_hold = len(self._waiting)
        self._holds += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    def release(self, first: Sequence[Item], of_waiting: Callable[[Item], Item | None]) -> None:
        """Release a hold: deliver `first`, then what waits. `of_waiting` returns what is left of an item."""
        waiting = deque(itertools.islice(self._waiting, self._before_hold))
        waiting.extend(first)
        for each in itertools.islice(self._waiting, self._before_hold, None):
            kept = of_waiting(each) if isinstance(each, Item) else each
            if kept is not None:
                waiting.append(kept)
        self._before_hold += len(first)
        self._waiting = waiting
        self._holds -= 1
        if self._waiting and not self._holds:
            self._run()

    # ------------------------------------------------------------------------------------------ gathering

    def _note(self, writes: int) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._window_began > GATHER_S:
            self._window_began, self._writes_in_window = now, 0
        self._writes_in_window += writes
        if self._writes_in_window >= HOT_WRITES and self._timer is None:
            self._gather()

    def _gather(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._run)

    def _run(self) -> None:
        """Deliver what waits, one slice at a time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        writes = 0
        while self._waiting and writes < SLICE_WRITES:
            item = self._waiting.popleft()
            if isinstance(item, asyncio.Future):
                if not item.done():
                    item.set_result(None)
            else:
                writes += self._deliver(item if item.rest else self._with_followers(item))
        if self._waiting:
            self._run_soon()
        elif writes >= HOT_WRITES:
            self._gather()

    def _with_followers(self, item: Item) -> Item:
        """Merge the item with the following items that go to the same sockets."""
        run = [item.written]
        size = len(item.written.msgpack)
        while self._waiting and size < MOST_BYTES_IN_ONE_WRITE:
            following = self._waiting[0]
            if not isinstance(following, Item) or not self._go_together(item, following):
                break
            self._waiting.popleft()
            run.append(following.written)
            size += len(following.written.msgpack)
        if len(run) == 1:
            return item
        GATHERED.inc(len(run))
        last = run[-1]
        return item._replace(
            written=Written(
                last.event,
                last.id,
                0,
                "",
                last.flow,
                None,
                item.channel,
                b"".join([written.msgpack for written in run]),
                b"".join([written.json for written in run]),
                last.shard,
                last.offset,
                len(run),
                tuple(run),
            )
        )

    def _go_together(self, one: Item, other: Item) -> bool:
        return (
            one.channel == other.channel
            and one.user_ids == other.user_ids
            and one.written.flow == other.written.flow != "conflate"
            and not any(each.written.shown_ids or not each.written.is_for_all for each in (one, other))
            and not self._members.hides_from(one.written.actor_id, one.channel)
            and not self._members.hides_from(other.written.actor_id, other.channel)
        )

    # ------------------------------------------------------------------------------------------ delivering

    def _deliver(self, item: Item) -> int:
        """Returns the number of writes."""
        recipients = item.rest or self._recipients(item)
        is_last = len(recipients) <= SLICE_WRITES
        if not is_last:
            self._waiting.appendleft(item._replace(rest=recipients[SLICE_WRITES:]))
            recipients = recipients[:SLICE_WRITES]
            self._run_soon()
        written = item.written
        hidden = {each for actor_id in written.shown_ids for each in self._members.hides_from(actor_id, item.channel)}
        versions: dict[frozenset[int], Written] = {}  # nearly always one version: recipients hide the same users
        for member in recipients:
            if hidden and member.user_id in hidden:
                unseen = frozenset(self._members.hidden_from(member.user_id, written.shown_ids, item.channel))
                if unseen not in versions:
                    versions[unseen] = without_users(written, unseen)
                member.deliver(versions[unseen])
            else:
                member.deliver(written)
        for part in written.parts or (written,):
            if part.step is not None:
                part.step.count("daira.sockets", len(recipients))
                if is_last:
                    part.step.end()
        WRITES.inc(len(recipients))
        DELIVERIES.labels(written.event).inc(len(recipients) * written.pushes)
        return len(recipients)

    def _recipients(self, item: Item) -> Sequence[Member]:
        hiding = self._members.hides_from(item.written.actor_id, item.channel)
        written = item.written
        if item.user_ids:
            return [
                member
                for user_id in item.user_ids
                if user_id not in hiding
                for member in self._members.of_user(user_id)
                if member.is_device and written.is_for(user_id, is_minor=member.is_minor)
            ]
        members = self._members.in_channel(item.channel)
        if hiding or not written.is_for_all:
            recipients = [
                each
                for each in members
                if each.user_id not in hiding and written.is_for(each.user_id, is_minor=each.is_minor)
            ]
        else:
            recipients = list(members)
        if deliver_own := self._own.get(written.event):
            hides = self._members.hides_anybody
            own = {each for each in recipients if each.user_id in written.own_to or hides(each.user_id)}
            deliver_own([each for each in recipients if each in own], written)
            return [each for each in recipients if each not in own]
        return recipients

    def _run_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(0, self._run)
