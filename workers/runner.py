"""Runs a group: decodes records, retries reactions with backoff, and buries records that keep failing as dead letters.

While PostgreSQL or Redis is gone, the record is retried without limit, and its partition waits.
"""

import asyncio
import random
import time
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Histogram

from storage import outbox
from storage.database import DatabaseUnavailable
from storage.event_log import Record
from storage.redis import REDIS_UNAVAILABLE
from workers.job import Job, Reaction, Tools, groups

ATTEMPTS = 5
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0

REACTIONS = Counter("daira_reactions_total", "Reactions to events", ["group", "topic", "outcome"])
REACTION_SECONDS = Histogram("daira_reaction_seconds", "Time of a reaction with its retries", ["group", "topic"])

log = structlog.get_logger()


async def run_group(tools: Tools, group: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Reactions that are running then finish."""
    reactions = groups()[group]

    async def react(records: Sequence[Record]) -> None:
        for record in records:
            with REACTION_SECONDS.labels(group, record.topic).time():
                outcome = await _settle(tools, group, reactions[record.topic], record)
            REACTIONS.labels(group, record.topic, outcome).inc()

    await tools.event_log.consume(group, sorted(reactions), react, stop)


async def _settle(tools: Tools, group: str, reaction: Reaction, record: Record) -> str:
    cause = ""
    failures = outages = 0
    started = time.monotonic()
    while failures < ATTEMPTS:
        try:
            event = outbox.decode(record.topic, record.payload)
            await reaction(Job(record.event_id, tools), event)
        except (DatabaseUnavailable, *REDIS_UNAVAILABLE) as error:
            outages += 1
            log.warning("a reaction waits for a service", group=group, topic=record.topic, error=str(error))
            await asyncio.sleep(_backoff(outages))
        except Exception as error:
            failures += 1
            cause = f"{type(error).__name__}: {error}"
            log.warning("a reaction failed", group=group, topic=record.topic, attempt=failures, exc_info=True)
            if failures < ATTEMPTS:
                await asyncio.sleep(_backoff(failures))
        else:
            log.debug("reacted", group=group, topic=record.topic, event_id=record.event_id,
                      ms=round((time.monotonic() - started) * 1_000, 1))  # fmt: skip
            return "ok"
    await tools.event_log.bury(group, record, cause)
    log.error(
        "a record became a dead letter: see `daira dead-letters list`, retry with `daira dead-letters replay`",
        group=group,
        topic=record.topic,
        event_id=record.event_id,
        cause=cause,
    )
    return "dead"


def _backoff(attempt: int) -> float:
    longest = min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S)
    return random.uniform(longest / 2, longest)
