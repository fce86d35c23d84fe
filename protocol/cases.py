"""Messages about cases: their contents, the work of moderators on them, and notes for colleagues."""

import datetime
from typing import Annotated, ClassVar, Literal

import msgspec

from protocol.decisions import Appeal
from protocol.fields import CaseNote, Cursor, Id, IdempotencyKey, PageSize, Request
from protocol.moderation import Action, CaseSource, CaseStatus, Label, ModeratedType, Reason, Seq, Severity
from protocol.pushes import Flow, Push

# "free": without the cases that a colleague has claimed; "mine": claimed by the caller.
ClaimChoice = Literal["free", "mine", "all"]
ActKind = Literal["opened", "changed", "claimed", "released", "noted", "decided"]


class ListCases(Request, frozen=True):
    """Open cases by choices. `owner_id`: instead, all cases about a user and what is the user's, newest first."""

    target_types: Annotated[list[ModeratedType], msgspec.Meta(min_length=1, max_length=7)] | None = None
    reasons: Annotated[list[Reason], msgspec.Meta(min_length=1, max_length=13)] | None = None
    sources: Annotated[list[CaseSource], msgspec.Meta(min_length=1, max_length=4)] | None = None
    severity: Severity = 0
    claimed: ClaimChoice = "free"
    owner_id: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class CaseRef(Request, frozen=True):
    case_id: Id


class NoteCase(Request, frozen=True):
    case_id: Id
    text: CaseNote
    idempotency_key: IdempotencyKey | None = None


class DecideCase(Request, frozen=True):
    """`reason`: instead of that of the case. `labels`: for the action "label". `until`: without it, for good."""

    case_id: Id
    action: Action
    reason: Reason | None = None
    labels: Annotated[list[Label], msgspec.Meta(max_length=6)] | None = None
    until: Annotated[datetime.datetime, msgspec.Meta(tz=True)] | None = None
    note: CaseNote | None = None
    idempotency_key: IdempotencyKey | None = None


class ListCaseActs(Request, frozen=True):
    case_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class CaseUser(msgspec.Struct, frozen=True):
    id: str
    username: str
    display_name: str


class CaseFile(msgspec.Struct, frozen=True):
    """`url` reads the largest variant of the file for at least 5 minutes; null if the file was deleted."""

    id: str
    kind: str
    alt: str
    url: str | None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A target as it was. `text`: of a post, comment or message. The last four are of a user or a room.

    room_id: of a message in a live room.
    """

    author: CaseUser | None = None
    text: str | None = None
    media: list[CaseFile] = []
    post_id: str | None = None
    shared_post_id: str | None = None
    room_id: str | None = None
    username: str | None = None
    display_name: str | None = None
    bio: str | None = None
    topic: str | None = None


class CaseSummary(msgspec.Struct, frozen=True):
    """A case without contents. priority: what queues are sorted by. is_private: not everybody may see the target."""

    id: str
    target_type: ModeratedType
    target_id: str
    seq: Seq
    owner_id: str
    status: CaseStatus
    source: CaseSource
    reason: Reason
    severity: Severity
    priority: int
    report_count: int
    is_private: bool
    opened_at: str
    due_at: str | None
    claimed_by: CaseUser | None
    claimed_until: str | None
    decided_by: CaseUser | None
    decided_at: str | None
    action: Action | None


class CasePage(msgspec.Struct, frozen=True):
    items: list[CaseSummary]
    next_cursor: str | None


class EvidenceShown(msgspec.Struct, frozen=True):
    target_type: ModeratedType
    target_id: str
    seq: Seq
    snapshot: Snapshot


class CaseReport(msgspec.Struct, frozen=True):
    """A report as moderators see it. weight: from 0 to 1, by how many of the reporter's reports were right."""

    id: str
    reporter: CaseUser
    reason: Reason
    text: str
    evidence: list[EvidenceShown]
    weight: float
    created_at: str


class Case(msgspec.Struct, frozen=True):
    """A case to judge. reports: the 20 of the most reliable reporters. earlier: cases about the same user.

    appeals: what the user says against earlier decisions, which `appeal.decide` answers.
    """

    summary: CaseSummary
    snapshot: Snapshot
    appeals: list[Appeal]
    reports: list[CaseReport]
    earlier: list[CaseSummary]


class DecidedCase(msgspec.Struct, frozen=True):
    case: CaseSummary
    decision_id: str


class ActOfDeciding(msgspec.Struct, frozen=True):
    decision_id: str
    action: Action
    reason: Reason
    labels: list[Label]
    until: str | None


class CaseAct(msgspec.Struct, frozen=True):
    """An act in the history of a case. snapshot: of what has "changed", as it was before. actor: null is the system."""

    id: str
    kind: ActKind
    actor: CaseUser | None
    note: str
    snapshot: Snapshot | None
    decision: ActOfDeciding | None
    created_at: str


class CaseActPage(msgspec.Struct, frozen=True):
    items: list[CaseAct]
    next_cursor: str | None


class CaseOpened(Push, frozen=True):
    event: ClassVar[str] = "case.opened"
    case: CaseSummary


class CaseCounted(Push, frozen=True):
    """More reports, or fewer."""

    event: ClassVar[str] = "case.counted"
    flow: ClassVar[Flow] = "conflate"
    case_id: str
    report_count: int
    severity: Severity
    priority: int

    @property
    def replaces(self) -> str:
        return f"{self.event} {self.case_id}"


class CaseClaimed(Push, frozen=True):
    event: ClassVar[str] = "case.claimed"
    case_id: str
    claimed_by: CaseUser
    claimed_until: str


class CaseReleased(Push, frozen=True):
    event: ClassVar[str] = "case.released"
    case_id: str


class CaseDecided(Push, frozen=True):
    """decided_by: null if the case closed because its rule, or the decision that its appeal is against, was undone."""

    event: ClassVar[str] = "case.decided"
    case_id: str
    action: Action
    decided_by: CaseUser | None
