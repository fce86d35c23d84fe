"""Deliveries of notifications to devices, and the decisions about them. All functions are for workers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple, TypedDict, cast

import msgspec

from protocol.media import MediaKind
from protocol.notifications import Decision
from storage.database import Transaction

Channel = Literal["push", "email", "dismiss"]
LEASE = timedelta(minutes=2)  # longer than a provider may take
MOST_DECISIONS = 20  # of one notification; a chat has many in time

_encode = msgspec.json.Encoder().encode


class RecipientRow(TypedDict):
    """How to reach a user. `channels` is JSON: kind → channel → choice."""

    user_id: int
    locale: str
    timezone: str
    channels: str
    quiet_from: time | None
    quiet_until: time | None
    has_push: bool
    has_email: bool


class TargetDetail(NamedTuple):
    """The target of a notification: the beginning of its text, and the kinds of its files."""

    text: str
    kinds: Sequence[MediaKind] = ()


class DueDelivery(NamedTuple):
    notification_id: int
    channel: Channel
    user_id: int
    attempts: int  # with this one
    sent_to: frozenset[int]  # devices that got it in earlier attempts


class Step(NamedTuple):
    """The next step of a delivery: it is due again at `due_at`, or finished with that outcome."""

    delivery: DueDelivery
    due_at: datetime | None
    outcome: str | None
    decision: Decision | None
    sent_to: frozenset[int]  # devices that have got it so far


async def load_recipients(tx: Transaction, user_ids: Sequence[int]) -> dict[int, RecipientRow]:
    rows = await tx.fetch("SELECT * FROM notification_recipients($1)", user_ids)
    return {row["user_id"]: cast("RecipientRow", row) for row in rows}


async def schedule(
    tx: Transaction, decided: Mapping[int, Sequence[Decision]], due: Sequence[tuple[int, Channel, int, datetime]]
) -> None:
    """Record decisions by notification, and add deliveries: notification, channel, user, and when each is due."""
    await tx.execute(
        """WITH noted AS (
            UPDATE notifications n SET decisions = d.decisions::jsonb
            FROM unnest($1::bigint[], $2::text[]) AS d (id, decisions) WHERE n.id = d.id)
        INSERT INTO notification_deliveries (notification_id, channel, user_id, due_at)
        SELECT * FROM unnest($3::bigint[], $4::text[], $5::bigint[], $6::timestamptz[])
        ON CONFLICT DO NOTHING""",
        [*decided],
        [_encode(decisions).decode() for decisions in decided.values()],
        *([each[column] for each in due] for column in range(4)),
    )


async def take_due(tx: Transaction, now: datetime, limit: int) -> list[DueDelivery]:
    """Lease deliveries that are due, oldest first, with whatever else is due for their users on the same channel."""
    rows = await tx.fetch(
        """WITH first AS (
            SELECT user_id, channel FROM notification_deliveries
            WHERE outcome IS NULL AND due_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
            ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
        ), taken AS (
            SELECT d.notification_id, d.channel FROM notification_deliveries d
            WHERE d.outcome IS NULL AND d.due_at <= $1 AND (d.leased_until IS NULL OR d.leased_until <= $1)
                AND (d.user_id, d.channel) IN (SELECT user_id, channel FROM first)
            LIMIT $3 * 2 FOR UPDATE SKIP LOCKED)
        UPDATE notification_deliveries d SET leased_until = $2, attempts = attempts + 1
        FROM taken t WHERE d.notification_id = t.notification_id AND d.channel = t.channel
        RETURNING d.notification_id, d.channel, d.user_id, d.attempts, d.sent_to""",
        now,
        now + LEASE,
        limit,
    )
    return [
        DueDelivery(row["notification_id"], row["channel"], row["user_id"], row["attempts"], frozenset(row["sent_to"]))
        for row in rows
    ]


async def settle(tx: Transaction, steps: Sequence[Step]) -> None:
    """Finish or reschedule deliveries, and record the decisions. A held delivery counts its attempts from 0."""
    await tx.execute(
        f"""WITH step AS (
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::integer[],
                $7::text[]) AS s (id, channel, due_at, outcome, decision, attempts, sent_to)
        ), added AS (
            SELECT id, jsonb_agg(decision::jsonb) AS decisions FROM step WHERE decision IS NOT NULL GROUP BY id
        ), noted AS (
            UPDATE notifications n SET decisions = CASE
                WHEN jsonb_array_length(n.decisions) < {MOST_DECISIONS} THEN n.decisions ELSE '[]' END || a.decisions
            FROM added a WHERE n.id = a.id)
        UPDATE notification_deliveries d
        SET due_at = coalesce(s.due_at, d.due_at), outcome = s.outcome, attempts = s.attempts, leased_until = NULL,
            sent_to = s.sent_to::bigint[]
        FROM step s WHERE d.notification_id = s.id AND d.channel = s.channel""",
        [step.delivery.notification_id for step in steps],
        [step.delivery.channel for step in steps],
        [step.due_at for step in steps],
        [step.outcome for step in steps],
        [_encode(step.decision).decode() if step.decision else None for step in steps],
        [0 if step.decision and step.decision.decision == "held" else step.delivery.attempts for step in steps],
        [f"{{{','.join(map(str, sorted(step.sent_to)))}}}" for step in steps],
    )


async def why_hidden(tx: Transaction, notification_ids: Sequence[int]) -> dict[int, str]:
    """Why users no longer see these notifications, without revealing who blocks them."""
    rows = await tx.fetch(
        """SELECT n.id, CASE
            WHEN EXISTS (SELECT FROM mutes m WHERE m.user_id = n.user_id AND m.muted_id = ANY (n.actor_ids)
                         AND m.kind = 'all' AND (m.until IS NULL OR m.until > now())) THEN 'muted'
            WHEN EXISTS (SELECT FROM blocks b WHERE b.blocker_id = n.user_id AND b.blocked_id = ANY (n.actor_ids))
                THEN 'blocked'
            ELSE 'no longer visible' END AS reason
        FROM notifications n WHERE n.id = ANY ($1)""",
        notification_ids,
    )
    return {row["id"]: row["reason"] for row in rows}


async def load_details(tx: Transaction, notification_ids: Sequence[int]) -> dict[int, TargetDetail]:
    """Return the target of each of these notifications. They must be visible to their users."""
    rows = await tx.fetch(
        """SELECT n.id, notification_detail(n.target_type, n.target_id) AS text, ARRAY (
            SELECT m.kind FROM media m WHERE n.target_type IN ('post', 'comment')
                AND m.target_type = n.target_type AND m.target_id = n.target_id ORDER BY m.position) AS kinds
        FROM notifications n WHERE n.id = ANY ($1)""",
        notification_ids,
    )
    return {row["id"]: TargetDetail(row["text"] or "", row["kinds"]) for row in rows}
