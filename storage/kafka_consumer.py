"""The part of a worker group that runs in this process, on Kafka.

There is no group protocol, whose rebalancing would interrupt all members: a process reads the partitions that it
leases. Positions are in PostgreSQL (`log_offsets`). They are committed to Kafka as well, only for tools that show lag.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from storage import log_offsets
from storage.cancellation import end
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.event_log import Batch, EventLogUnavailable, PartitionTaken, React, Record
from storage.kafka_records import read_record
from storage.kafka_servers import KafkaServers, reaching
from storage.log_claims import Claims
from storage.log_offsets import PartitionClaim
from storage.partition_owner import RENEW_S, PartitionOwner
from storage.reach import OUT_OF_REACH
from storage.shards import Shards

_POLL_MS = 500
_POLL_BESIDE_OTHERS_MS = 100  # while a partition is left out that may join at any time
_BATCH = 200
_PREFETCHED = 2
_COMMIT_EVERY_S = 0.1
_RETRY_S = 0.5
_RELAY_MOVES_S = 5.0

log = structlog.get_logger()


@dataclass
class _Fetched:
    """next_offset: where the next fetch begins, behind markers of transactions that follow the records."""

    records: Sequence[ConsumerRecord]
    next_offset: int


@dataclass(eq=False)
class _KafkaPartition:
    """A partition that this process has claimed. fetched_to: the offset at which the next fetch begins."""

    claim: PartitionClaim
    fetched_to: int
    fetched: asyncio.Queue[_Fetched] = field(default_factory=lambda: asyncio.Queue(_PREFETCHED))


class _KafkaBatch(Batch):
    def __init__(self, claim: PartitionClaim, records: Sequence[Record], offsets: Sequence[int]) -> None:
        super().__init__(records)
        self.claim = claim
        self.offsets = offsets

    async def advance(self, tx: Transaction, handled: int) -> None:
        await log_offsets.advance(tx, self.claim, self.offsets[handled - 1] + 1)


class KafkaGroupConsumer:
    """Fetches from all partitions that it holds together, and handles each in its own task."""

    def __init__(
        self,
        servers: KafkaServers,
        shards: Shards,
        database: Database,
        group: str,
        partitions: Sequence[TopicPartition],
        react: React,
        gather_s: float,
    ) -> None:
        """gather_s: see `EventLog`."""
        self._servers = servers
        self._database = database
        self._group = group
        self._react = react
        self._gather_s = gather_s
        self._partitions = {f"{servers.name(tp.topic)}:{tp.partition}": tp for tp in partitions}
        self._held: dict[TopicPartition, _KafkaPartition] = {}
        self._changed = asyncio.Event()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._claims = Claims(database, group)
        self._owner = PartitionOwner(shards, group, list(self._partitions), self._work)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, or a task beside fails: then raise its error, and the group begins again."""
        fetcher, committer = self._servers.consumer(), self._servers.consumer(self._group)
        # A consumer that commits may not change what it is assigned to: its coordinator ends if that happens while it
        # connects. So another one, which never does, commits, and fetches nothing.
        committer.assign(list(self._partitions.values()))
        committer.pause(*self._partitions.values())
        try:
            await fetcher.start()
            await committer.start()
            beside = [
                asyncio.create_task(work)
                for work in (
                    stop.wait(), self._fetch_for_ever(fetcher), self._commit_for_ever(committer), self._watch_epochs()
                )
            ]  # fmt: skip
            ending = asyncio.Event()
            for task in beside:
                task.add_done_callback(lambda _: ending.set())
            try:
                await self._owner.run(ending)
                for task in beside:
                    if task.done():
                        task.result()
            finally:
                await end(*beside)
        finally:
            await fetcher.stop()
            await committer.stop()

    async def _work(self, name: str) -> None:
        """Handle a partition until cancelled."""
        while True:
            try:
                await self._own(self._partitions[name])
            except PartitionTaken:
                log.info("another process has taken a partition over", partition=name, group=self._group)
                await asyncio.sleep(RENEW_S)  # until it is known whose lease it is
            except DatabaseUnavailable as error:
                log.warning("a partition waits for a service", partition=name, error=str(error))
            except Exception:
                log.exception("a partition failed and starts again", partition=name)
            await asyncio.sleep(_RETRY_S)

    async def _own(self, tp: TopicPartition) -> None:
        topic = self._servers.name(tp.topic)
        claim, next_offset = await self._claims.claim(topic, tp.partition)
        held = self._held[tp] = _KafkaPartition(claim, next_offset)
        self._uncommitted[tp] = next_offset
        self._changed.set()
        try:
            while True:
                fetched = await held.fetched.get()
                while len(fetched.records) < _BATCH and not held.fetched.empty():
                    later = held.fetched.get_nowait()
                    fetched = _Fetched([*fetched.records, *later.records], later.next_offset)
                self._changed.set()
                next_at = time.monotonic() + self._gather_s
                await self._process(tp, held, fetched)
                if len(fetched.records) < _BATCH:
                    await asyncio.sleep(next_at - time.monotonic())
        finally:
            if self._held.get(tp) is held:
                del self._held[tp]
            self._changed.set()

    async def _process(self, tp: TopicPartition, held: _KafkaPartition, fetched: _Fetched) -> None:
        for start in range(0, max(len(fetched.records), 1), _BATCH):
            found = fetched.records[start : start + _BATCH]
            is_last = start + _BATCH >= len(fetched.records)
            next_offset = fetched.next_offset if is_last else found[-1].offset + 1
            if found:
                records = [read_record(held.claim.topic, each) for each in found]
                batch = _KafkaBatch(held.claim, records, [each.offset for each in found])
                try:
                    await self._react(batch)
                except asyncio.CancelledError:
                    await self._leave(batch)
                    raise
            await log_offsets.store(self._database, held.claim, next_offset)
            self._uncommitted[tp] = next_offset

    async def _leave(self, batch: _KafkaBatch) -> None:
        """The next process, to which the partition goes, need not repeat what is done."""
        if batch.handled:
            with suppress(PartitionTaken, DatabaseUnavailable):
                await log_offsets.store(self._database, batch.claim, batch.offsets[batch.handled - 1] + 1)

    async def _fetch_for_ever(self, consumer: AIOKafkaConsumer) -> None:
        assigned: dict[TopicPartition, _KafkaPartition] = {}
        while True:
            if assigned != self._held:
                assigned = dict(self._held)
                consumer.assign(list(assigned))
                for tp, held in assigned.items():
                    consumer.seek(tp, held.fetched_to)  # `assign` forgets all positions
            ready = [tp for tp, held in assigned.items() if not held.fetched.full()]
            if not ready:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                async with reaching():
                    timeout_ms = _POLL_MS if len(ready) == len(assigned) else _POLL_BESIDE_OTHERS_MS
                    found = await consumer.getmany(*ready, timeout_ms=timeout_ms)
                    lost = []
                    for tp in ready:
                        held, position = assigned[tp], await consumer.position(tp)
                        if position > held.fetched_to:
                            held.fetched_to = position
                            held.fetched.put_nowait(_Fetched(found.get(tp, ()), position))
                        elif position < held.fetched_to:  # the consumer's `auto_offset_reset`
                            lost.append(tp)
                    if lost:
                        await self._go_back(consumer, {tp: assigned[tp] for tp in lost})
                        assigned = {}
            except OUT_OF_REACH as error:
                log.warning("a group cannot read the event log", group=self._group, error=str(error))
                assigned = {}
                await asyncio.sleep(_RETRY_S * random.uniform(0.5, 1.5))

    async def _go_back(self, consumer: AIOKafkaConsumer, lost: dict[TopicPartition, _KafkaPartition]) -> None:
        """Let the group read partitions from their start that end before its position: Kafka has lost records.

        A relay that misses what it has sent moves the group itself, to the end of what is left: that is waited for.
        """
        await asyncio.sleep(_RELAY_MOVES_S)
        lost = {tp: held for tp, held in lost.items() if self._held.get(tp) is held}
        starts, ends = await consumer.beginning_offsets(lost), await consumer.end_offsets(lost)
        for tp, held in lost.items():
            if ends[tp] < held.fetched_to:
                log.error(
                    "Kafka has lost records, and the group reads the partition from its start: see docs/operating.md, "
                    "`Kafka is down`",
                    group=self._group,
                    topic=held.claim.topic,
                    partition=tp.partition,
                )
                await log_offsets.move(self._database, self._group, held.claim.topic, {tp.partition: starts[tp]})

    async def _commit_for_ever(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await asyncio.sleep(_COMMIT_EVERY_S)
            offsets = dict(self._uncommitted)
            if not offsets:
                continue
            try:
                async with reaching():
                    await consumer.commit(offsets)
            except EventLogUnavailable as error:
                log.warning("the lag that Kafka's tools show is stale", group=self._group, error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            for tp, offset in offsets.items():
                if self._uncommitted.get(tp) == offset:
                    del self._uncommitted[tp]

    async def _watch_epochs(self) -> None:
        """Claim partitions again whose position was moved, or that another process had taken in the meantime."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                epochs = await log_offsets.epochs(self._database, self._group)
            except OUT_OF_REACH:
                continue
            for name, tp in self._partitions.items():
                held = self._held.get(tp)
                if held is not None and epochs.get((held.claim.topic, tp.partition)) != held.claim.epoch:
                    await self._owner.restart(name)
