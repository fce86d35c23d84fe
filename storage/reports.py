"""Reports: their reporters' part. The cases that they belong to are in `storage/cases.py`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypedDict, cast

import orjson

from protocol.moderation import ModeratedType, Reason
from protocol.reports import Evidence, ReportStatus
from storage.database import Transaction


class ReportRow(TypedDict):
    id: int
    target_type: ModeratedType
    target_id: int
    target_seq: int
    reason: Reason
    text: str
    created_at: datetime
    status: ReportStatus


class Filed(NamedTuple):
    """The outcome of filing a report. `faulty`: the place of the evidence that the viewer does not see."""

    verdict: Literal["filed", "missing", "own", "proof"]
    faulty: int | None
    filed: int | None  # the id of the viewer's report


async def file(
    tx: Transaction,
    *,
    id: int,
    target_type: ModeratedType,
    target_id: int,
    seq: int,
    reason: Reason,
    text: str,
    evidence: Sequence[Evidence],
) -> Filed:
    """File a report of the viewer. It joins the one case of its target."""
    proofs = [{"type": each.target_type, "id": each.target_id, "seq": each.seq} for each in evidence]
    row = await tx.fetchrow(
        "SELECT verdict, faulty, filed FROM file_report($1, $2, $3, $4, $5, $6, $7)",
        id,
        target_type,
        target_id,
        seq,
        reason,
        text,
        orjson.dumps(proofs).decode(),
    )
    assert row is not None
    return Filed(*row)


async def load_own(tx: Transaction, before: int, limit: int) -> list[ReportRow]:
    """The viewer's reports with ids below `before`, newest first."""
    return cast("list[ReportRow]", await tx.fetch("SELECT * FROM own_reports($1, $2)", before, limit))


async def retract(tx: Transaction, report_id: int) -> bool:
    """Retract the viewer's report unless it is decided. Returns False if the viewer has no such report."""
    return bool(await tx.fetchval("SELECT retract_report($1)", report_id))
