"""Decisions of moderation: the one place where they are made and ended.

Each writes its audit row, its statement of reasons and its event in the same transaction, and makes the target what the
standing decisions say. Wake the relay after the commit, as after every event.
"""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, TypedDict, cast

import asyncpg
import orjson

from protocol import errors
from protocol.moderation import Action, Label, ModeratedType, Reason
from storage.database import Transaction
from storage.outbox import CHANNEL
from storage.statement_texts import facts

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

# A viewer is a moderator, or the author of what a rule restricts. The system and the operator have no viewer.
DecidedBy = Literal["viewer", "system", "operator"]
EndReason = Literal["undone", "expired", "overturned"]
Writer: TypeAlias = "Transaction | Connection"  # the operator's commands have connections of their own

_OF_USERS: frozenset[Action] = frozenset({"approve", "warn", "suspend", "ban"})
_OF_ROOM_MESSAGES: frozenset[Action] = frozenset({"approve", "warn", "remove"})
_OF_THINGS: frozenset[Action] = frozenset({"approve", "warn", "label", "limit", "shadow", "hold", "remove"})
_ACTIONS: dict[ModeratedType, frozenset[Action]] = {"user": _OF_USERS, "room_message": _OF_ROOM_MESSAGES}
_FOR_GOOD: frozenset[Action] = frozenset({"approve", "warn", "ban"})


class DecisionRow(TypedDict):
    id: int
    case_id: int | None
    target_type: ModeratedType
    target_id: int
    target_seq: int
    user_id: int
    action: Action
    reason: Reason
    labels: list[Label]
    until: datetime.datetime | None
    note: str
    decided_by: int | None
    rule_id: int | None
    rule_version: int | None
    created_at: datetime.datetime
    ended_at: datetime.datetime | None
    ended_by: int | None
    end_reason: EndReason | None


class Audience(NamedTuple):
    """has_statement: whether the user gets a statement of reasons. case_id: the case of the reporters."""

    has_statement: bool
    end_reason: EndReason | None
    case_id: int | None
    reporter_ids: Sequence[int]


class DecisionDraft(NamedTuple):
    """A decision to make.

    target_seq: of a chat message in the chat `target_id`. case_id: allows a decision about a target that was deleted.
    rule_id: of a rule that decides in its author's own transaction.
    """

    target_type: ModeratedType
    target_id: int
    action: Action
    reason: Reason
    target_seq: int = 0
    labels: Sequence[Label] = ()
    until: datetime.datetime | None = None
    note: str = ""
    case_id: int | None = None
    rule_id: int | None = None
    rule_version: int | None = None


async def decide(
    tx: Writer, draft: DecisionDraft, *, by: DecidedBy = "viewer", ip: str | None = None, user_agent: str | None = None
) -> DecisionRow:
    """Decide about the target, and enforce it. by: `system` decides automatically, in workers.

    Raises INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED; the transaction must then be rolled back.
    """
    _check(draft)
    is_automatic = by == "system" or draft.rule_id is not None
    statement = facts(draft.target_type, draft.action, draft.reason, is_automatic=is_automatic)
    facts_by_language = {"facts_ar": statement.ar, "facts_en": statement.en}
    made = orjson.dumps({**draft._asdict(), **facts_by_language, "ip": ip, "user_agent": user_agent}).decode()
    try:
        if by == "viewer":
            row = await tx.fetchrow("SELECT * FROM decide($1)", made)
        else:
            row = await tx.fetchrow("SELECT * FROM decide_without_viewer($1, $2)", made, is_automatic)
    except asyncpg.InsufficientPrivilegeError as error:
        raise errors.permission_denied(str(error)) from None
    if row is None or row["id"] is None:
        raise errors.not_found(draft.target_type)
    return cast("DecisionRow", row)


def _check(draft: DecisionDraft) -> None:
    """Raise INVALID_ARGUMENT for a decision that cannot be made about any target of the type."""
    if draft.action not in _ACTIONS.get(draft.target_type, _OF_THINGS):
        raise errors.invalid("action", f"is not possible for a {draft.target_type.replace('_', ' ')}")
    if draft.action == "shadow" and draft.reason != "spam":
        raise errors.invalid("action", "only spam can be shadowed: for every other reason, the author must be notified")
    if draft.action == "label" and not draft.labels:
        raise errors.invalid("labels", "name at least one")
    if draft.until is not None and draft.action in _FOR_GOOD:
        raise errors.invalid("until", f"a decision to {draft.action} has no end")
    if draft.until is not None and draft.until <= datetime.datetime.now(datetime.UTC):
        raise errors.invalid("until", "is in the past")


async def end(
    tx: Transaction, decision_id: int, *, ip: str | None = None, user_agent: str | None = None
) -> DecisionRow:
    """Undo the decision, and make its target what the other decisions say. Repeating it changes nothing.

    For moderators, who undo their own decisions, and for admins, who undo all.

    Raises NOT_FOUND, PERMISSION_DENIED; the transaction must then be rolled back.
    """
    try:
        row = await tx.fetchrow("SELECT * FROM undo_decision($1, $2, $3)", decision_id, ip, user_agent)
    except asyncpg.InsufficientPrivilegeError as error:
        raise errors.permission_denied(str(error)) from None
    if row is None or row["id"] is None:
        raise errors.not_found("decision")
    return cast("DecisionRow", row)


async def undo_many(
    tx: Transaction,
    *,
    rule_id: int | None,
    moderator_id: int | None,
    since: datetime.datetime,
    limit: int,
    ip: str | None,
    user_agent: str | None,
) -> int:
    """End the next standing decisions of the rule or the moderator, the newest first. Returns how many. For admins.

    Cases that nothing but the rule has found close. What it has found about users counts as its decisions do.
    """
    undone: int = await tx.fetchval(
        "SELECT undo_decisions($1, $2, $3, $4, $5, $6)", rule_id, moderator_id, since, limit, ip, user_agent
    )
    return undone


async def end_many(
    connection: Connection, *, rule_id: int | None, moderator_id: int | None, since: datetime.datetime, limit: int
) -> int:
    """`undo_many` for the operator, in a transaction of its own. For the owner of the tables."""
    async with connection.transaction():
        undone: int = await connection.fetchval(
            "SELECT end_decisions($1, $2, $3, $4, NULL, NULL, NULL)", rule_id, moderator_id, since, limit
        )
    await connection.execute(f"NOTIFY {CHANNEL}")
    return undone


async def suspend(connection: Connection, user_id: int) -> bool:
    """Suspend a user until it is undone. For the owner of the tables.

    Returns False if the user is suspended, banned or deleted already.
    """
    async with connection.transaction():
        if not await connection.fetchval(
            "SELECT status NOT IN ('suspended', 'banned', 'deleted') FROM users WHERE id = $1", user_id
        ):
            return False
        await decide(connection, DecisionDraft("user", user_id, "suspend", "other"), by="operator")
    await connection.execute(f"NOTIFY {CHANNEL}")
    return True


async def unsuspend(connection: Connection, user_id: int) -> bool:
    """Undo all suspensions and bans of a user. For the owner of the tables. Returns False if there are none."""
    async with connection.transaction():
        if not await connection.fetchval("SELECT status IN ('suspended', 'banned') FROM users WHERE id = $1", user_id):
            return False
        await connection.execute(
            """SELECT end_decision(id, NULL, 'undone', NULL, NULL) FROM decisions
            WHERE target_type = 'user' AND target_id = $1 AND action IN ('suspend', 'ban') AND ended_at IS NULL""",
            user_id,
        )
        # A user who was suspended before there were decisions has none.
        await connection.execute("SELECT enforce('user', $1)", user_id)
    await connection.execute(f"NOTIFY {CHANNEL}")
    return True


async def recipients_of(tx: Transaction, decision_id: int) -> Audience:
    """The users to notify of a decision. For workers."""
    row = await tx.fetchrow(
        """SELECT d.action NOT IN ('approve', 'shadow') AS has_statement, d.end_reason, d.case_id, ARRAY (
                SELECT r.reporter_id FROM reports r WHERE r.case_id = d.case_id AND r.retracted_at IS NULL ORDER BY r.id
            ) AS reporter_ids
        FROM decisions d WHERE d.id = $1""",
        decision_id,
    )
    if row is None:
        return Audience(False, None, None, ())
    return Audience(row["has_statement"], row["end_reason"], row["case_id"], row["reporter_ids"])


async def expire(tx: Transaction, limit: int) -> int:
    """End expired decisions. Returns how many. For workers."""
    ended: int = await tx.fetchval("SELECT expire_decisions($1)", limit)
    return ended
