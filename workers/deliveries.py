"""Deliveries: send notifications that stayed unseen to the devices of their users, once they are due.

All that is due for one user goes out as one message. Everything is checked again at that time. A delivery is leased
while it is sent: if the worker dies, another one sends it again, and devices replace the first message by its key. A
message that some devices could not get is repeated to these alone. What a slow provider has not answered after a second
goes on beside the next batches, so that it does not delay other users.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge

from domain.notification_rules import Ruling
from senders.sender import Accepted, Outcome, Retry
from storage import notification_deliveries
from storage.cancellation import end
from storage.notification_deliveries import Channel, DueDelivery, Step
from storage.reach import OUT_OF_REACH
from workers.chat_deliveries import settle_chats
from workers.device_messages import dismiss, send
from workers.due_state import Known, channel_of, check, look_up
from workers.job import Tools
from workers.polling_loop import run_polling

BATCH = 200
PATIENCE_S = 1.0
MOST_SLOW = 2_000  # users whose messages are on their way for longer; then no further ones are sent
LOOK_EVERY_S = 0.5
MOST_ATTEMPTS = 6
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)

DELIVERIES = Counter("daira_notification_deliveries_total", "Deliveries of notifications", ["channel", "outcome"])

SLOW = Gauge(
    "daira_notification_deliveries_slow",
    "Users whose messages are on their way for more than a second; none are sent beyond 2,000",
    multiprocess_mode="livesum",
)

log = structlog.get_logger()

Slow = set[asyncio.Task[None]]  # deliveries to users that are settled when their providers have answered


async def deliver(tools: Tools, stop: asyncio.Event) -> None:
    """Send what is due until `stop` is set."""
    slow: Slow = set()

    async def turn() -> bool:
        return await deliver_due(tools, slow) > 0

    try:
        await run_polling("deliveries", turn, LOOK_EVERY_S, stop)
        await asyncio.gather(*slow)
    finally:
        await end(*slow)


async def deliver_due(tools: Tools, slow: Slow) -> int:
    """Send the next batch, and add to `slow` what takes longer than a second. Returns how many deliveries were due."""
    if len(slow) >= MOST_SLOW:
        await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
    now = tools.now()
    async with tools.database.transaction() as tx:
        due = await notification_deliveries.take_due(tx, now, BATCH)
    if not due:
        return 0
    by_user: defaultdict[tuple[int, Channel], list[DueDelivery]] = defaultdict(list)
    for delivery in due:
        by_user[delivery.user_id, delivery.channel].append(delivery)
    known = await look_up(tools, due, now)
    sending = [asyncio.create_task(_deliver_safely(tools, known, each)) for each in by_user.values()]
    try:
        sent, late = await asyncio.wait(sending, timeout=PATIENCE_S)
    except asyncio.CancelledError:
        await end(*sending)
        raise
    for each in late:
        task = asyncio.create_task(_settle_late(tools, known, each))
        slow.add(task)
        task.add_done_callback(slow.discard)
    await _settle(tools, known, [step for each in sent for step in each.result()])
    return len(due)


async def _settle_late(tools: Tools, known: Known, sending: asyncio.Task[list[Step]]) -> None:
    with SLOW.track_inprogress():
        steps = await sending
    try:
        await _settle(tools, known, steps)
    except OUT_OF_REACH as error:
        log.warning("sent notifications are sent again after their lease", error=f"{type(error).__name__}: {error}")


async def _settle(tools: Tools, known: Known, steps: Sequence[Step]) -> None:
    async with tools.database.transaction() as tx:
        await notification_deliveries.settle(tx, steps)
        await settle_chats(tools, tx, known, steps)
    for step in steps:
        DELIVERIES.labels(step.delivery.channel, step.outcome or "later").inc()


async def _deliver_safely(tools: Tools, known: Known, deliveries: Sequence[DueDelivery]) -> list[Step]:
    """Send what is due for one user on one channel. Returns what becomes of each delivery.

    An error is logged and the delivery repeated later, so that other users are not delayed.
    """
    try:
        if deliveries[0].channel == "dismiss":
            await dismiss(tools, known, deliveries)
            return [Step(each, None, "sent", None, each.sent_to) for each in deliveries]
        return await _send_wanted(tools, known, deliveries)
    except Exception as error:
        log.warning("a notification could not be sent", user_id=deliveries[0].user_id, exc_info=True)
        failed = Retry(0, type(error).__name__)
        return [_step(each, _rule_after(each, each.sent_to, [failed], known.now)) for each in deliveries]


async def _send_wanted(tools: Tools, known: Known, deliveries: Sequence[DueDelivery]) -> list[Step]:
    rulings = [(each, check(known, each)) for each in deliveries]
    wanted = [each for each, ruling in rulings if ruling.decision == "scheduled"]
    steps = [_step(each, ruling) for each, ruling in rulings if ruling.decision != "scheduled"]
    if not wanted:
        return steps
    outcomes = await send(tools, known, wanted)
    for each in wanted:
        of_this = {device_id: outcome for device_id, outcome in outcomes.items() if device_id not in each.sent_to}
        sent_to = each.sent_to.union(key for key, outcome in of_this.items() if isinstance(outcome, Accepted))
        ruling = _rule_after(each, sent_to, [*of_this.values()], known.now)
        steps.append(_step(each, ruling, sent_to))
    return steps


def _rule_after(delivery: DueDelivery, sent_to: Collection[int], outcomes: Sequence[Outcome], now: datetime) -> Ruling:
    """Whether it was sent to at least one device. It is retried a few times if a provider asks to wait."""
    channel = channel_of(delivery)
    retry = min((each for each in outcomes if isinstance(each, Retry)), key=lambda each: each.after_s, default=None)
    if retry is not None and delivery.attempts < MOST_ATTEMPTS:
        wait = min(max(timedelta(seconds=retry.after_s), FIRST_WAIT * 2**delivery.attempts), LONGEST_WAIT)
        return Ruling(channel, "scheduled", f"again, since: {retry.reason}", now + wait)
    if sent_to:
        total = len(delivery.sent_to) + len(outcomes)
        return Ruling(channel, "sent", f"to {len(sent_to)} of {total} devices", now)
    reasons = [each.reason for each in outcomes if not isinstance(each, Accepted)]
    return Ruling(channel, "failed", retry.reason if retry else (reasons or ["no device is left"])[0], now)


def _step(delivery: DueDelivery, ruling: Ruling, sent_to: frozenset[int] | None = None) -> Step:
    so_far = delivery.sent_to if sent_to is None else sent_to
    if ruling.is_due_later:
        return Step(delivery, ruling.at, None, ruling.shown(), so_far)
    return Step(delivery, None, ruling.decision, ruling.shown(), so_far)
