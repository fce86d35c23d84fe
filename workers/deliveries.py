"""Deliveries: send notifications that stayed unseen to the devices of their users, once they are due.

All that is due for one user goes out as one message. Everything is checked again at that time. A delivery is leased
while it is sent: if the worker dies, another one sends it again, and devices replace the first message by its key. A
message that some devices could not get is repeated to these alone. What a slow provider has not answered after a second
goes on beside the next batches, so that it does not delay other users.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, cast

import structlog
from prometheus_client import Counter, Gauge

from domain.notification_rules import Recipient, Ruling, rule_again
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Retry
from senders.shown import MOST_IDS, device_message, dismissal
from storage import chat_notifications, devices, notification_deliveries, notifications
from storage.cancellation import end
from storage.chat_notifications import UnreadRow
from storage.database import Transaction
from storage.devices import DeviceRow
from storage.notification_deliveries import Channel, DueDelivery, Step
from storage.notifications import NotificationRow
from storage.reach import OUT_OF_REACH
from workers.job import Tools
from workers.notifications import load_recipients
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


class _Known(NamedTuple):
    """The present state of the users and notifications of a batch."""

    now: datetime
    rows: Mapping[int, NotificationRow]
    why_hidden: Mapping[int, str]
    details: Mapping[int, str]
    last_seqs: Mapping[int, int]  # of chats
    users: Mapping[int, Recipient]
    devices: Sequence[DeviceRow]
    online: set[int]


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
    known = await _look_up(tools, due, now)
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


async def _settle_late(tools: Tools, known: _Known, sending: asyncio.Task[list[Step]]) -> None:
    with SLOW.track_inprogress():
        steps = await sending
    try:
        await _settle(tools, known, steps)
    except OUT_OF_REACH as error:
        log.warning("sent notifications are sent again after their lease", error=f"{type(error).__name__}: {error}")


async def _settle(tools: Tools, known: _Known, steps: Sequence[Step]) -> None:
    async with tools.database.transaction() as tx:
        await notification_deliveries.settle(tx, steps)
        await _settle_chats(tools, tx, known, steps)
    for step in steps:
        DELIVERIES.labels(step.delivery.channel, step.outcome or "later").inc()


async def _look_up(tools: Tools, due: Sequence[DueDelivery], now: datetime) -> _Known:
    user_ids = sorted({delivery.user_id for delivery in due})
    ids = sorted({delivery.notification_id for delivery in due})
    online = await tools.locations.online(user_ids)
    async with tools.database.transaction() as tx:
        pairs = [(delivery.user_id, delivery.notification_id) for delivery in due]
        rows = {row["id"]: row for row in await notifications.load_shown(tx, pairs)}
        hidden = [each for each in ids if each not in rows]
        details = await notification_deliveries.load_details(tx, [*rows])
        chats = [row["id"] for row in rows.values() if row["kind"] == "chat_message"]
        unread = await chat_notifications.load_unread(tx, chats) if chats else {}
        for notification_id, chat in unread.items():
            rows[notification_id] = _with_unread(rows[notification_id], chat, now)
            details[notification_id] = chat["text"] or ""
        return _Known(
            now,
            rows,
            await notification_deliveries.why_hidden(tx, hidden) if hidden else {},
            details,
            {each: chat["last_seq"] for each, chat in unread.items()},
            await load_recipients(tx, user_ids),
            await devices.of_users(tx, user_ids),
            online,
        )


def _with_unread(row: NotificationRow, chat: UnreadRow, now: datetime) -> NotificationRow:
    """Show a notification of a chat with the senders of its unread messages; without any, it is seen."""
    senders, amount = chat["senders"], chat["sender_count"]
    seen_at = None if chat["unread"] else now
    return cast("NotificationRow", {**row, "actors": senders, "actor_count": amount, "seen_at": seen_at})


async def _settle_chats(tools: Tools, tx: Transaction, known: _Known, steps: Sequence[Step]) -> None:
    """Record which messages devices were told of, and schedule a push for later ones."""
    of_chats = [step for step in steps if step.delivery.notification_id in known.last_seqs]
    finished = [step for step in of_chats if step.due_at is None]
    # Devices that got the message in an earlier attempt were not told of those that came since.
    told = [step for step in of_chats if not step.delivery.sent_to and (step.due_at is None or step.sent_to)]
    if told:
        ids = [step.delivery.notification_id for step in told]
        await chat_notifications.note_told(tx, [(each, known.last_seqs[each]) for each in ids])
    if finished:
        chat_ids = [known.rows[step.delivery.notification_id]["target_id"] for step in finished]
        await chat_notifications.schedule_newer(tx, chat_ids, known.now + tools.delays.push)


async def _deliver_safely(tools: Tools, known: _Known, deliveries: Sequence[DueDelivery]) -> list[Step]:
    """Send what is due for one user on one channel. Returns what becomes of each delivery.

    An error is logged and the delivery repeated later, so that other users are not delayed.
    """
    try:
        if deliveries[0].channel == "dismiss":
            return await _dismiss(tools, known, deliveries)
        return await _send_wanted(tools, known, deliveries)
    except Exception as error:
        log.warning("a notification could not be sent", user_id=deliveries[0].user_id, exc_info=True)
        failed = Retry(0, type(error).__name__)
        return [_step(each, _rule_after(each, each.sent_to, [failed], known.now)) for each in deliveries]


async def _send_wanted(tools: Tools, known: _Known, deliveries: Sequence[DueDelivery]) -> list[Step]:
    rulings = [(each, _check(known, each)) for each in deliveries]
    wanted = [each for each, ruling in rulings if ruling.decision == "scheduled"]
    steps = [_step(each, ruling) for each, ruling in rulings if ruling.decision != "scheduled"]
    if not wanted:
        return steps
    outcomes = await _send(tools, known, wanted)
    for each in wanted:
        of_this = {device_id: outcome for device_id, outcome in outcomes.items() if device_id not in each.sent_to}
        sent_to = each.sent_to.union(key for key, outcome in of_this.items() if isinstance(outcome, Accepted))
        ruling = _rule_after(each, sent_to, [*of_this.values()], known.now)
        steps.append(_step(each, ruling, sent_to))
    return steps


def _check(known: _Known, delivery: DueDelivery) -> Ruling:
    """Whether the notification is still to be sent: its ruling is `scheduled` if so."""
    channel, now = _channel(delivery), known.now
    to, row = known.users.get(delivery.user_id), known.rows.get(delivery.notification_id)
    if to is None:
        return Ruling(channel, "dropped", "the account is not active", now)
    if row is None:
        return Ruling(channel, "dropped", known.why_hidden.get(delivery.notification_id, "no longer visible"), now)
    is_seen, is_online = row["seen_at"] is not None, delivery.user_id in known.online
    return rule_again(channel, row["kind"], to, now, is_seen=is_seen, is_online=is_online)


def _rule_after(delivery: DueDelivery, sent_to: Collection[int], outcomes: Sequence[Outcome], now: datetime) -> Ruling:
    """Whether it was sent, to at least one device. It is repeated a few times while a provider asks for that."""
    channel = _channel(delivery)
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


async def _send(tools: Tools, known: _Known, deliveries: Sequence[DueDelivery]) -> dict[int, Outcome]:
    """Send to each device of the user one message about all that it has not got yet. Returns outcomes by device."""
    newest_first = sorted(deliveries, key=lambda each: -each.notification_id)
    sending = {}
    for device in _devices(known, deliveries[0].user_id, deliveries[0].channel):
        rows = [known.rows[each.notification_id] for each in newest_first if device["id"] not in each.sent_to]
        if rows:
            sending[device["id"]] = _send_to(tools, device, device_message(rows, known.details, device["locale"]))
    return dict(zip(sending, await asyncio.gather(*sending.values()), strict=True))


async def _dismiss(tools: Tools, known: _Known, deliveries: Sequence[DueDelivery]) -> list[Step]:
    """Remove from the user's devices what was seen elsewhere. It is tried once: if it is lost, a notice stays."""
    ids = sorted((each.notification_id for each in deliveries), reverse=True)
    for start in range(0, len(ids), MOST_IDS):
        message = dismissal(ids[start : start + MOST_IDS])
        to = _devices(known, deliveries[0].user_id, "dismiss")
        await asyncio.gather(*(_send_to(tools, device, message) for device in to))
    return [Step(each, None, "sent", None, each.sent_to) for each in deliveries]


async def _send_to(tools: Tools, row: DeviceRow, message: Message) -> Outcome:
    outcome = await tools.providers.send(Endpoint(row["kind"], row["token"], row["locale"]), message)
    if isinstance(outcome, DeadToken):
        async with tools.database.transaction() as tx:
            await devices.remove_dead(tx, row["id"], outcome.since)
    return outcome


def _devices(known: _Known, user_id: int, channel: Channel) -> list[DeviceRow]:
    is_email = channel == "email"
    return [row for row in known.devices if row["user_id"] == user_id and (row["kind"] == "email") == is_email]


def _channel(delivery: DueDelivery) -> Literal["push", "email"]:
    return "email" if delivery.channel == "email" else "push"  # a dismissal belongs to pushes
