"""Messages about reports, as their reporters see them."""

from typing import Annotated, Literal

import msgspec

from protocol.fields import Cursor, Id, PageSize, ReportText, Request
from protocol.moderation import ModeratedType, Reason, Seq

# "upheld": the decision found something wrong; "rejected": it did not.
ReportStatus = Literal["received", "retracted", "upheld", "rejected"]


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something else that the reporter sees, such as a message. `seq`: of a message in the chat `target_id`."""

    target_type: ModeratedType
    target_id: Id
    seq: Seq = 0


class CreateReport(Request, frozen=True):
    """`seq`: of a message in the chat `target_id`."""

    target_type: ModeratedType
    target_id: Id
    reason: Reason
    seq: Seq = 0
    text: ReportText | None = None
    evidence: Annotated[list[Evidence], msgspec.Meta(max_length=5)] | None = None


class ReportRef(Request, frozen=True):
    report_id: Id


class ListReports(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class OwnReport(msgspec.Struct, frozen=True):
    """The caller's own report."""

    id: str
    target_type: ModeratedType
    target_id: str
    seq: int
    reason: Reason
    text: str
    status: ReportStatus
    created_at: str


class ReportPage(msgspec.Struct, frozen=True):
    items: list[OwnReport]
    next_cursor: str | None
