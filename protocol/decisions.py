"""Messages about decisions of moderation: what limits a user, appeals, and undoing."""

import datetime
from typing import Annotated, Literal

import msgspec

from protocol.fields import AppealText, Cursor, Id, PageSize, Request, Username
from protocol.moderation import Action, AppealStatus, Label, ModeratedType, Reason

Moment = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


class ListLimits(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class Restriction(msgspec.Struct, frozen=True):
    """A decision that limits the caller, or something of the caller's.

    `seq`: of a message in the chat `target_id`. `text` says what was decided and why, in `language`. `until` is null
    for a decision without an end. `ground` and `category` have the words of the EU's transparency database. `appeal`:
    the status of the caller's appeal.
    """

    decision_id: str
    target_type: ModeratedType
    target_id: str
    seq: int
    action: Action
    reason: Reason
    labels: list[Label]
    text: str
    language: str
    ground: str
    category: str
    is_automatic: bool
    created_at: str
    until: str | None
    can_appeal: bool
    appeal: AppealStatus | None


class RestrictionPage(msgspec.Struct, frozen=True):
    items: list[Restriction]
    next_cursor: str | None


class CreateAppeal(Request, frozen=True):
    decision_id: Id
    text: AppealText


class ListAppeals(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class Appeal(msgspec.Struct, frozen=True):
    """It must be decided before `due_at`. "overturned": the decision has ended, and its restrictions are lifted."""

    id: str
    decision_id: str
    text: str
    status: AppealStatus
    created_at: str
    due_at: str
    decided_at: str | None


class AppealPage(msgspec.Struct, frozen=True):
    items: list[Appeal]
    next_cursor: str | None


class DecideAppeal(Request, frozen=True):
    appeal_id: Id
    outcome: Literal["upheld", "overturned"]


class DecisionRef(Request, frozen=True):
    decision_id: Id


class UndoneDecision(msgspec.Struct, frozen=True):
    id: str
    ended_at: str


class UndoDecisions(Request, frozen=True):
    """Decisions since `since` of either a rule or a moderator."""

    since: Moment
    rule_id: Id | None = None
    moderator: Username | None = None


class UndoneDecisions(msgspec.Struct, frozen=True):
    """How many decisions this call has undone, and findings of the rule about users. `has_more`: repeat the call."""

    undone: int
    has_more: bool
