"""Messages by which moderators and admins oversee: one account, the audit trail, and the state of the queue."""

from typing import Annotated, Any

import msgspec

from protocol.fields import Cursor, Id, PageSize, Request, Username
from protocol.text import Text

AuditWord = Annotated[
    str,
    msgspec.Meta(max_length=100, extra={"clean": Text(1, 100, lines=False).clean}),
]


class ReviewAccount(Request, frozen=True):
    """Exactly one of the two."""

    user_id: Id | None = None
    username: Username | None = None


class AccountReview(msgspec.Struct, frozen=True):
    """Reports are those that the user made. `case.list` with `owner_id` has the cases about the user."""

    user_id: str
    username: str
    display_name: str
    bio: str
    role: str
    status: str
    is_verified: bool
    is_private: bool
    is_minor: bool
    created_at: str
    follower_count: int
    post_count: int
    reports_upheld: int
    reports_rejected: int


class SearchAudit(Request, frozen=True):
    """`action` is the beginning of an action, such as `case.`; `resource` is a whole one, such as `post:1`."""

    actor_id: Id | None = None
    action: AuditWord | None = None
    resource: AuditWord | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class AuditItem(msgspec.Struct, frozen=True):
    id: str
    actor_id: str | None
    action: str
    resource: str
    changes: dict[str, Any]
    ip: str | None
    recorded_at: str


class AuditPage(msgspec.Struct, frozen=True):
    """A page may be short or empty before the end: each looks through 20,000 rows at most."""

    items: list[AuditItem]
    next_cursor: str | None


class QueueNumbers(msgspec.Struct, frozen=True):
    """`open`: open cases by severity, 0 to 4, each counted up to 10,000. The rest is about the last 24 hours.

    `handling_s`: the median seconds from a claim to its decision; None without decisions.
    """

    open: list[int]
    claimed: int
    overdue: int
    oldest_open_at: str | None
    opened: int
    decided: int
    handling_s: float | None
