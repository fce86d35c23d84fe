"""The relay: appends rows of the outbox to the event log, and trims both.

Several relays may run; a lock lets one work at a time. If the log remembers an older batch than was sent, it has lost
its end: the relay then sends the lost events again. If it remembers a newer one, a relay died between append and
commit: that batch is not sent twice. Topics whose log is full wait, and the others go on.
"""

import asyncio
import time

import structlog
from prometheus_client import Counter

from storage import handled_events, idempotency, notifications, one_time_codes, outbox, schema
from storage.event_log import LogFull, Record
from tracing import traces
from workers.job import Tools
from workers.woken_loop import Pace, run_when_woken

PACE = Pace(poll_s=0.1, poll_while_listening_s=0.5)
BATCH = 2_000
TIDY_EVERY_S = 60.0
TIDY_BATCH = 5_000
CHECK_LOG_EVERY_S = 1.0
FULL_TOPICS_REST_S = 1.0

RELAYED = Counter("daira_outbox_relayed_total", "Events carried from the outbox to the event log")
REPEATED = Counter("daira_outbox_repeated_total", "Events sent again because the event log had lost them")

log = structlog.get_logger()


async def run_relay(tools: Tools, listen_url: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    await run_when_woken("relay", _Relay(tools).turn, PACE, listen_url, stop)


class _Relay:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._check_log_at = 0.0
        self._appended = 0  # the number of the last batch
        self._begun = 0  # that of the last batch of any relay, as far as this one knows
        self._full_topics: set[str] = set()
        self._try_full_topics_at = 0.0
        self._tidy_at = time.monotonic() + TIDY_EVERY_S

    async def turn(self) -> bool:
        """Carry a batch. Returns whether there may be more."""
        try:
            await self._tidy_sometimes()
            return await self._tools.event_log.take_turn() and await self._carry()
        except LogFull as full:
            if not self._full_topics:
                self._try_full_topics_at = time.monotonic() + FULL_TOPICS_REST_S
            self._full_topics |= full.topics
            log.warning("topics wait until a worker group has read more", topics=sorted(full.topics))
            return True
        except Exception:  # the batch may be in the log or not
            self._check_log_at = 0.0
            raise

    async def _carry(self) -> bool:
        """Append the next batch to the log. Returns whether there may be more."""
        database, event_log = self._tools.database, self._tools.event_log
        if time.monotonic() >= self._check_log_at and not await self._compare_with_log():
            return False
        if time.monotonic() >= self._try_full_topics_at:
            self._full_topics = set()
        async with database.transaction() as tx:
            rows = await outbox.take_unsent(tx, BATCH, self._full_topics)
            if not rows:
                return False
            batch = await outbox.next_batch(tx, after=self._begun)
            if batch is None:  # another relay has worked, and may have died after it appended these rows
                self._check_log_at = 0.0
                return True
            self._begun = batch
            steps = [traces.open_span(row["trace"] or "", f"relay {row['topic']}", "producer") for row in rows]
            records = [
                Record(
                    row["id"], row["topic"], row["key"], row["payload"], step.context if step else row["trace"] or ""
                )
                for row, step in zip(rows, steps, strict=True)
            ]
            remembered = await event_log.append(batch, records)
            if remembered != self._appended:  # another relay has appended, or the log has lost its end
                _count_repeated(await outbox.unsend_after(tx, remembered))
            await outbox.mark_sent(tx, [row["id"] for row in rows], batch)
        for step in steps:
            if step is not None:
                step.end()
        self._appended = batch
        RELAYED.inc(len(rows))
        return len(rows) == BATCH

    async def _compare_with_log(self) -> bool:
        """Send again what the log has lost, and note as sent what it has. Returns False while another relay works."""
        event_log = self._tools.event_log
        async with self._tools.database.transaction() as tx:
            # Take the turn before asking the log: a batch that another relay is appending has not been lost.
            if not await outbox.take_relay_turn(tx):
                return False
            last = await event_log.last_append()
            self._begun = await outbox.last_batch(tx)
            repeated = await outbox.unsend_after(tx, last.batch)
            if last.batch < self._begun:  # not only if rows were repeated: those of a long outage are deleted
                await event_log.forget_positions(tx)
            if last.batch != self._appended:
                await outbox.note_sent(tx, last.event_ids, last.batch)
        self._appended = last.batch
        self._check_log_at = time.monotonic() + CHECK_LOG_EVERY_S
        _count_repeated(repeated)
        return True

    async def _tidy_sometimes(self) -> None:
        if time.monotonic() < self._tidy_at:
            return
        self._tidy_at = time.monotonic() + TIDY_EVERY_S
        for forget in (
            outbox.forget_sent,
            idempotency.forget_old,
            handled_events.forget_old,
            notifications.forget_old,
            notifications.forget_surplus,
            notifications.forget_old_causes,
            one_time_codes.forget_old,
        ):
            gone = TIDY_BATCH
            while gone == TIDY_BATCH:
                async with self._tools.database.transaction() as tx:
                    if not await outbox.take_relay_turn(tx):
                        return
                    gone = await forget(tx, TIDY_BATCH)
        await self._tools.event_log.trim()
        async with self._tools.database.transaction() as tx:
            await schema.ensure_partitions(tx)


def _count_repeated(events: int) -> None:
    if events:
        REPEATED.inc(events)
        log.warning("the event log has lost events: they are sent again", events=events)
