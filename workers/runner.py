"""Runs a group: decodes records, retries reactions with backoff, and buries records that keep failing as dead letters.

While PostgreSQL, Redis, the event log, the object store or the search engine is gone, the record is retried without
limit, and its partition waits. A worker whose partition another has taken over gives up what it does for it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from prometheus_client import Counter, Histogram

from storage import handled_events, outbox
from storage.database import DatabaseUnavailable
from storage.event_log import Batch, EventLogUnavailable, PartitionTaken, Record
from storage.objects import ObjectsUnavailable
from storage.redis import REDIS_UNAVAILABLE
from storage.search_engine import SearchUnavailable
from tracing import traces
from workers.job import DeclaredReaction, Job, Tools, groups

ATTEMPTS = 5
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
LONGEST_OUTAGE_WAIT_S = 1.0  # to ask again costs little: breakers refuse it at once
UNAVAILABLE = (
    DatabaseUnavailable, ObjectsUnavailable, EventLogUnavailable, SearchUnavailable, *REDIS_UNAVAILABLE,
)  # fmt: skip
REMEMBERING = frozenset({"notifications"})  # groups whose reactions are told whether their event is repeated

REACTIONS = Counter("daira_reactions_total", "Reactions to events", ["group", "topic", "outcome"])
REACTION_SECONDS = Histogram("daira_reaction_seconds", "Time of a reaction with its retries", ["group", "topic"])

log = structlog.get_logger()

T = TypeVar("T")


async def run_group(tools: Tools, group: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Reactions that are running then finish."""
    reactions = groups()[group]

    async def react(batch: Batch) -> None:
        repeated = await _repeated(tools, batch.records) if group in REMEMBERING else set()
        finished = []
        for place, record in enumerate(batch.records):
            job = Job(record.event_id, tools, record.event_id in repeated, batch, place)
            with REACTION_SECONDS.labels(group, record.topic).time():
                outcome = await _settle_traced(job, group, reactions[record.topic], record)
            batch.handled = place + 1
            REACTIONS.labels(group, record.topic, outcome).inc()
            if outcome == "ok" and not job.is_repeated:
                finished.append(record.event_id)
        # Once for the batch, and last: if the worker dies before, the events are delivered again as new ones.
        if finished and group in REMEMBERING:
            await _through_outages(lambda: _remember(tools, batch, finished))

    await tools.event_log.consume(group, sorted(reactions), react, stop, tools.database)


async def _remember(tools: Tools, batch: Batch, event_ids: Sequence[int]) -> None:
    async with tools.database.transaction() as tx:
        await handled_events.add(tx, event_ids)
        await batch.advance(tx, len(batch.records))


async def _repeated(tools: Tools, records: Sequence[Record]) -> set[int]:
    event_ids = [record.event_id for record in records]
    return await _through_outages(lambda: handled_events.known(tools.database, event_ids))


async def _through_outages(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat the work until the database answers."""
    outages = 0
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            outages += 1
            log.warning("a worker group waits for a service", error=str(error))
            await asyncio.sleep(_backoff(outages, LONGEST_OUTAGE_WAIT_S))


async def _settle_traced(job: Job, group: str, reaction: DeclaredReaction, record: Record) -> str:
    """Settle the record as a part of the trace of the call that caused it."""
    trace = traces.resume(f"{group} {record.topic}", record.trace)
    outcome = "interrupted"
    try:
        outcome = await _settle(job, group, reaction, record)
    finally:
        fault = "" if outcome == "ok" else outcome
        traces.end(trace, fault=fault, keep=bool(fault))
        traces.leave()
    return outcome


async def _settle(job: Job, group: str, reaction: DeclaredReaction, record: Record) -> str:
    broke: Exception | None = None
    failures = outages = 0
    started = time.monotonic()
    while failures < ATTEMPTS:
        try:
            event = outbox.decode(record.topic, record.payload)
            async with job.tools.lanes.place(reaction.lane):
                await reaction.react(job, event)
        except PartitionTaken:
            raise
        except UNAVAILABLE as error:
            outages += 1
            log.warning("a reaction waits for a service", group=group, topic=record.topic, error=str(error))
            await asyncio.sleep(_backoff(outages, LONGEST_OUTAGE_WAIT_S))
        except Exception as error:
            failures += 1
            broke = error
            log.warning("a reaction failed", group=group, topic=record.topic, attempt=failures, exc_info=True)
            if failures < ATTEMPTS:
                await asyncio.sleep(_backoff(failures))
        else:
            log.debug("reacted", group=group, topic=record.topic, event_id=record.event_id,
                      ms=round((time.monotonic() - started) * 1_000, 1))  # fmt: skip
            return "ok"
    cause = f"{type(broke).__name__}: {broke}"
    await job.tools.event_log.bury(group, record, cause)
    log.error(
        "a record became a dead letter: see `daira dead-letters list`, retry with `daira dead-letters replay`",
        group=group,
        topic=record.topic,
        event_id=record.event_id,
        cause=cause,
        exc_info=broke,
    )
    return "dead"


def _backoff(attempt: int, longest_s: float = LONGEST_WAIT_S) -> float:
    longest = min(FIRST_WAIT_S * 2 ** min(attempt - 1, 20), longest_s)
    return random.uniform(longest / 2, longest)
