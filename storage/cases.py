"""Cases: what moderators decide. One open case for each target, however many report it."""

import datetime
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict, cast

import msgspec
import orjson

from protocol.cases import ActKind, ActOfDeciding, ClaimChoice
from protocol.moderation import Action, CaseSource, CaseStatus, ModeratedType, Reason
from storage.database import Transaction
from storage.media import VariantRow


async def open_case(
    tx: Transaction,
    target_type: ModeratedType,
    target_id: int,
    *,
    seq: int = 0,
    source: CaseSource,
    reason: Reason,
    severity: int | None = None,
    barred_ids: Sequence[int] = (),
    due_at: datetime.datetime | None = None,
    rule_id: int | None = None,
) -> int | None:
    """Open a case about the target, or join the one that is open; returns its id, or None if the target is gone.

    What was decided stays decided until its contents change: then that case is returned, except for an appeal, which
    always opens one. seq: of a chat message in the chat `target_id`. severity: 0 to 4, or None for that of the reason.
    barred_ids: moderators who may not decide it. due_at: when it shall be decided. rule_id: of the rule that has found
    it; the case closes if that is undone, unless something else has found the target too.

    The transaction must be without a viewer, of a moderator, or of the target's owner; otherwise the result is None.
    """
    found: int | None = await tx.fetchval(
        "SELECT open_case($1, $2, $3, $4, $5, $6, $7, $8)",
        target_type,
        target_id,
        seq,
        source if rule_id is None else f"{source}:{rule_id}",
        reason,
        severity,
        barred_ids,
        due_at,
    )
    return found


async def is_approved(tx: Transaction, target_type: ModeratedType, target_id: int) -> bool:
    """Whether a moderator has approved the viewer's post, comment, room or profile with its contents of now."""
    return bool(await tx.fetchval("SELECT is_approved($1, $2)", target_type, target_id))


class CaseRow(TypedDict):
    """A row of `cases`."""

    id: int
    target_type: ModeratedType
    target_id: int
    target_seq: int
    owner_id: int
    status: CaseStatus
    source: CaseSource
    reason: Reason
    severity: int
    priority: int
    report_count: int
    snapshot: str
    is_private: bool
    opened_at: datetime.datetime
    due_at: datetime.datetime | None
    claimed_until: datetime.datetime | None
    decided_at: datetime.datetime | None
    action: Action | None


class ShownCase(TypedDict):
    """A case, and the moderators who have claimed and decided it, as JSON."""

    found: CaseRow
    claimer: str | None
    decider: str | None


class ReportOfCase(TypedDict):
    id: int
    reporter: str
    reason: Reason
    text: str
    evidence: str
    weight: float
    created_at: datetime.datetime


class ActRow(TypedDict):
    id: int
    kind: ActKind
    actor: str | None
    note: str
    details: str
    created_at: datetime.datetime


class Counted(NamedTuple):
    report_count: int
    severity: int
    priority: int


ClaimVerdict = Literal["claimed", "missing", "decided", "taken", "barred", "admins", "full"]
CloseVerdict = Literal["closed", "missing", "decided", "taken", "barred", "admins"]


async def queue(
    tx: Transaction,
    *,
    target_types: Sequence[ModeratedType] | None,
    reasons: Sequence[Reason] | None,
    sources: Sequence[CaseSource] | None,
    least_severity: int,
    claimed: ClaimChoice,
    after: tuple[int, int],
    limit: int,
) -> list[tuple[int, int]]:
    """Ranks and ids of open cases after that place, the highest priority (the lowest rank) first."""
    rows = await tx.fetch(
        "SELECT rank, id FROM case_queue($1, $2, $3, $4, $5, $6, $7, $8)",
        target_types,
        reasons,
        sources,
        least_severity,
        claimed,
        *after,
        limit,
    )
    return [(row["rank"], row["id"]) for row in rows]


async def ids_of_owner(tx: Transaction, owner_id: int, before: int, limit: int) -> list[int]:
    """Ids of cases about the user and what is the user's, newest first."""
    rows = await tx.fetch(
        "SELECT id FROM cases WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3", owner_id, before, limit
    )
    return [row["id"] for row in rows]


async def load(tx: Transaction, ids: Sequence[int]) -> list[ShownCase]:
    """Those cases, in that order. For moderators, and without a viewer."""
    return cast("list[ShownCase]", await tx.fetch("SELECT * FROM shown_cases($1)", ids))


async def load_reports(tx: Transaction, case_id: int, limit: int) -> list[ReportOfCase]:
    """The reports that stand, of the most reliable reporters first."""
    return cast("list[ReportOfCase]", await tx.fetch("SELECT * FROM case_reports($1, $2)", case_id, limit))


async def load_history(tx: Transaction, case_id: int, before: int, limit: int) -> list[ActRow]:
    """The acts of the case, newest first."""
    return cast("list[ActRow]", await tx.fetch("SELECT * FROM case_history($1, $2, $3)", case_id, before, limit))


async def claim(tx: Transaction, case_id: int) -> ClaimVerdict:
    verdict: ClaimVerdict = await tx.fetchval("SELECT claim_case($1)", case_id)
    return verdict


async def release(tx: Transaction, case_id: int) -> bool:
    """Returns False if there is no such case."""
    return bool(await tx.fetchval("SELECT release_case($1)", case_id))


async def note(tx: Transaction, case_id: int, text: str) -> bool:
    """Returns False if there is no such case."""
    return bool(await tx.fetchval("SELECT note_case($1, $2)", case_id, text))


async def close(tx: Transaction, case_id: int, action: Action, note: str, details: ActOfDeciding) -> CloseVerdict:
    """Close the case by a decision that the caller has made in this transaction, and rolls back if it is not closed."""
    more = msgspec.json.encode(details).decode()
    verdict: CloseVerdict = await tx.fetchval("SELECT close_case($1, $2, $3, $4)", case_id, action, note, more)
    return verdict


async def load_objects(tx: Transaction, case_id: int) -> dict[str, tuple[str, list[VariantRow]]]:
    """The case's files by id: the beginnings of the keys of their objects, and their variants. For moderators."""
    rows = await tx.fetch("SELECT media_id, object_key, variants FROM objects_of_case($1)", case_id)
    return {str(row["media_id"]): (row["object_key"], orjson.loads(row["variants"])) for row in rows}


async def let_files_go(tx: Transaction, limit: int) -> int:
    """Release files that cases have held long enough; events then delete their objects. For workers."""
    return int(await tx.fetchval("SELECT let_case_files_go($1)", limit))


async def count_reports(tx: Transaction, case_id: int) -> Counted | None:
    """Count the reports that stand; None if the numbers are those of before. For workers."""
    row = await tx.fetchrow("SELECT report_count, severity, priority FROM count_reports($1)", case_id)
    return None if row is None else Counted(*row)


async def moderators_among(tx: Transaction, user_ids: Sequence[int]) -> set[int]:
    """The moderators among these users. For the viewer, or for all without one."""
    return {row[0] for row in await tx.fetch("SELECT moderators_among($1)", user_ids)}
