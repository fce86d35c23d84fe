"""Appeals against decisions, and what limits a user."""

import datetime
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict, cast

from protocol.moderation import Action, AppealStatus, Label, ModeratedType, Reason
from storage.database import Transaction

Verdict = Literal["made", "found", "missing", "ended", "late", "gone"]
Outcome = Literal["decided", "missing", "before", "taken", "barred", "admins"]


class LimitRow(TypedDict):
    """A decision that limits the viewer, or what is the viewer's. `appeal` is the status of the appeal against it."""

    id: int
    target_type: ModeratedType
    target_id: int
    target_seq: int
    action: Action
    reason: Reason
    labels: list[Label]
    until: datetime.datetime | None
    created_at: datetime.datetime
    facts: str
    language: str
    decision_ground: str
    category: str
    is_automatic: bool
    is_appealable: bool
    appeal: AppealStatus | None


class AppealRow(TypedDict):
    id: int
    decision_id: int
    text: str
    status: AppealStatus
    due_at: datetime.datetime
    created_at: datetime.datetime
    decided_at: datetime.datetime | None


class Made(NamedTuple):
    """`appeal_id` is the appeal that was made now or before."""

    verdict: Verdict
    appeal_id: int | None


class AppealAudience(NamedTuple):
    """The users whose reports got an outcome by an appeal: those of its case, and those of the decision."""

    case_id: int
    case_reporter_ids: Sequence[int]
    decision_id: int
    decision_reporter_ids: Sequence[int]


_COLUMNS = ", ".join(AppealRow.__annotations__)


async def limits(tx: Transaction, before: int, limit: int) -> Sequence[LimitRow]:
    """Decisions that limit the viewer, the newest first."""
    return cast("Sequence[LimitRow]", await tx.fetch("SELECT * FROM account_limits($1, $2)", before, limit))


async def make(tx: Transaction, decision_id: int, text: str) -> Made:
    """Appeal against a decision that concerns the viewer."""
    row = await tx.fetchrow("SELECT verdict, made FROM appeal($1, $2)", decision_id, text)
    assert row is not None
    return Made(row["verdict"], row["made"])


async def load(tx: Transaction, appeal_id: int) -> AppealRow | None:
    """An appeal of the viewer; a moderator sees all."""
    return cast("AppealRow | None", await tx.fetchrow(f"SELECT {_COLUMNS} FROM appeals WHERE id = $1", appeal_id))


async def page(tx: Transaction, user_id: int, before: int, limit: int) -> Sequence[AppealRow]:
    """The viewer's appeals, the newest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM appeals WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        user_id,
        before,
        limit,
    )
    return cast("Sequence[AppealRow]", rows)


async def of_case(tx: Transaction, case_id: int, limit: int) -> Sequence[AppealRow]:
    """The appeals that a case is about, the newest first. For moderators."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM appeals WHERE case_id = $1 ORDER BY id DESC LIMIT $2", case_id, limit
    )
    return cast("Sequence[AppealRow]", rows)


async def decide(tx: Transaction, appeal_id: int, *, overturn: bool) -> Outcome:
    """Decide the appeal, and its case with the last one. If it is overturned, the decision ends. For moderators."""
    outcome: Outcome = await tx.fetchval("SELECT decide_appeal($1, $2)", appeal_id, overturn)
    return outcome


async def recipients_of(tx: Transaction, appeal_id: int) -> AppealAudience:
    """The reporters to notify of an appeal: those of its case once that is decided, and the others of the decision.

    Those of the decision only if the appeal overturned it: an undo notifies them itself. For workers.
    """
    row = await tx.fetchrow(
        """WITH told AS (
            SELECT r.id, r.reporter_id, r.case_id = a.case_id AS is_of_case
            FROM appeals a JOIN decisions d ON d.id = a.decision_id JOIN cases c ON c.id = a.case_id
            JOIN reports r ON r.case_id = a.case_id AND c.status = 'decided'
                OR r.case_id = d.case_id AND d.end_reason = 'overturned'
            WHERE a.id = $1 AND r.retracted_at IS NULL)
        SELECT a.case_id, a.decision_id,
            ARRAY (SELECT t.reporter_id FROM told t WHERE t.is_of_case ORDER BY t.id) AS case_reporter_ids,
            ARRAY (SELECT t.reporter_id FROM told t WHERE NOT t.is_of_case
                   AND t.reporter_id NOT IN (SELECT o.reporter_id FROM told o WHERE o.is_of_case)
                   ORDER BY t.id) AS decision_reporter_ids
        FROM appeals a WHERE a.id = $1""",
        appeal_id,
    )
    assert row is not None
    return AppealAudience(**row)
