"""Runs a group: decodes records, retries reactions with backoff, and buries records that keep failing as dead letters.

A reaction that takes many gets the records of a batch together, at most MOST_TOGETHER.

While PostgreSQL, Redis, the event log, the object store or the search engine is gone, the record is retried without
limit, and its partition waits. A reaction that times out or collides may have a fault, or wait for the locks of others:
its record is retried for 6 to 10 minutes. A worker whose partition another has taken over gives up what it does for it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Literal, TypeVar

import structlog
from prometheus_client import Counter, Histogram

from storage import handled_events, outbox
from storage.database import Conflict, DatabaseUnavailable
from storage.event_log import Batch, EventLogUnavailable, PartitionTaken, Record
from storage.objects import ObjectsUnavailable
from storage.redis import REDIS_UNAVAILABLE
from storage.search_engine import SearchUnavailable
from tracing import traceparent, traces
from workers.job import DeclaredReaction, Job, Tools, groups

ATTEMPTS = 5
CONTENDED_ATTEMPTS = 24
MOST_TOGETHER = 50
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
LONGEST_CONTENDED_WAIT_S = 30.0
LONGEST_OUTAGE_WAIT_S = 1.0  # to ask again costs little: breakers refuse it at once
UNAVAILABLE = (
    DatabaseUnavailable, ObjectsUnavailable, EventLogUnavailable, SearchUnavailable, *REDIS_UNAVAILABLE,
)  # fmt: skip
CONTENTION = (TimeoutError, Conflict)
REMEMBERING = frozenset(
    {"notifications", "moderation"}
)  # groups whose reactions depend on whether their event is repeated

GATHERING = frozenset({"search", "trends"})  # groups that may be late: larger batches cost less for each event
GATHER_S = 0.25

REACTIONS = Counter("daira_reactions_total", "Reactions to events", ["group", "topic", "outcome"])
REACTION_SECONDS = Histogram("daira_reaction_seconds", "Time of a reaction with its retries", ["group", "topic"])

log = structlog.get_logger()

T = TypeVar("T")
Outcome = Literal["ok", "dead", "apart", "interrupted"]


async def run_group(tools: Tools, group: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Reactions that are running then finish."""
    reactions = groups()[group]

    async def react(batch: Batch) -> None:
        repeated = await _repeated(tools, batch.records) if group in REMEMBERING else set()
        finished = []
        for portion in _portions(batch.records, reactions):
            jobs = [Job(record.event_id, tools, record.event_id in repeated, batch, place) for place, record in portion]
            reaction = reactions[portion[0][1].topic]
            outcomes = await _settle_portion(jobs, group, reaction, [record for _, record in portion])
            finished += [
                job.event_id for job, outcome in zip(jobs, outcomes, strict=True)
                if outcome == "ok" and not job.is_repeated
            ]  # fmt: skip
        # Once for the batch, and last: if the worker dies before, the events are delivered again as new ones.
        if finished and group in REMEMBERING:
            await _through_outages(lambda: _remember(tools, batch, finished))

    gather_s = GATHER_S if group in GATHERING else 0.0
    await tools.event_log.consume(group, sorted(reactions), react, stop, tools.database, gather_s=gather_s)


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


def _portions(
    records: Sequence[Record], reactions: Mapping[str, DeclaredReaction]
) -> Iterator[list[tuple[int, Record]]]:
    """Records with their places in the batch: those of a reaction that takes many together, others one by one.

    A record whose trace is sampled stays alone, so that its trace is whole.
    """

    def alone(placed: tuple[int, Record]) -> int | None:
        place, record = placed
        is_apart = not reactions[record.topic].takes_many or record.trace.endswith(traceparent.SAMPLED)
        return place if is_apart else None

    for _, run in groupby(enumerate(records), key=lambda placed: (placed[1].topic, alone(placed))):
        while portion := list(islice(run, MOST_TOGETHER)):
            yield portion


async def _settle_portion(
    jobs: Sequence[Job], group: str, reaction: DeclaredReaction, records: Sequence[Record]
) -> list[Outcome]:
    """Settle the records together. If that fails, settle each apart."""
    outcome = await _settle_traced(jobs, group, reaction, records)
    if outcome == "apart":
        return [
            await _settle_traced([job], group, reaction, [record])
            for job, record in zip(jobs, records, strict=True)
        ]  # fmt: skip
    return [outcome] * len(records)


async def _settle_traced(
    jobs: Sequence[Job], group: str, reaction: DeclaredReaction, records: Sequence[Record]
) -> Outcome:
    """Settle the records as a part of the trace of the call that caused the first of them."""
    topic = records[0].topic
    trace = traces.resume(f"{group} {topic}", records[0].trace)
    outcome: Outcome = "interrupted"
    try:
        with REACTION_SECONDS.labels(group, topic).time():
            outcome = await _settle(jobs, group, reaction, records)
    finally:
        fault = "" if outcome == "ok" else outcome
        traces.end(trace, fault=fault, keep=bool(fault))
        traces.leave()
    if outcome != "apart":
        jobs[0].batch.handled = jobs[-1].place + 1
        REACTIONS.labels(group, topic, outcome).inc(len(records))
    return outcome


async def _settle(jobs: Sequence[Job], group: str, reaction: DeclaredReaction, records: Sequence[Record]) -> Outcome:
    topic, lanes = records[0].topic, jobs[0].tools.lanes
    broke: Exception | None = None
    failures = contended = outages = 0
    started = time.monotonic()
    while failures < ATTEMPTS and contended < CONTENDED_ATTEMPTS:
        try:
            events = [outbox.decode(topic, record.payload) for record in records]
            async with lanes.place(reaction.lane):
                if reaction.takes_many:
                    await reaction.react(jobs, events)
                else:
                    await reaction.react(jobs[0], events[0])
        except PartitionTaken:
            raise
        except UNAVAILABLE as error:
            outages += 1
            log.warning("a reaction waits for a service", group=group, topic=topic, error=str(error))
            await asyncio.sleep(_backoff(outages, LONGEST_OUTAGE_WAIT_S))
        except CONTENTION as error:
            contended += 1
            broke = error
            log.warning(
                "a reaction timed out or collided", group=group, topic=topic, attempt=contended, error=str(error)
            )
            if len(records) > 1:
                return "apart"
            if contended < CONTENDED_ATTEMPTS:
                await asyncio.sleep(_backoff(contended, LONGEST_CONTENDED_WAIT_S))
        except Exception as error:
            failures += 1
            broke = error
            log.warning("a reaction failed", group=group, topic=topic, attempt=failures, exc_info=True)
            if len(records) > 1:
                return "apart"
            if failures < ATTEMPTS:
                await asyncio.sleep(_backoff(failures))
        else:
            log.debug("reacted", group=group, topic=topic, event_ids=[record.event_id for record in records],
                      ms=round((time.monotonic() - started) * 1_000, 1))  # fmt: skip
            return "ok"
    cause = f"{type(broke).__name__}: {broke}"
    await jobs[0].tools.event_log.bury(group, records[0], cause)
    log.error(
        "a record became a dead letter: see `daira dead-letters list`, retry with `daira dead-letters replay`",
        group=group,
        topic=topic,
        event_id=records[0].event_id,
        cause=cause,
        exc_info=broke,
    )
    return "dead"


def _backoff(attempt: int, longest_s: float = LONGEST_WAIT_S) -> float:
    longest = min(FIRST_WAIT_S * 2 ** min(attempt - 1, 20), longest_s)
    return random.uniform(longest / 2, longest)
