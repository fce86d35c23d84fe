"""Messages about the verification of creators."""

from typing import Annotated, Literal

import msgspec

from protocol.fields import Cursor, Id, PageSize, Request
from protocol.media import Media
from protocol.users import UserLite

VerificationState = Literal["none", "waiting", "approved", "refused"]
DocumentIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=5)]
DecisionText = Annotated[str, msgspec.Meta(max_length=200)]


class RequestVerification(Request, frozen=True):
    """`documents`: ids of uploaded images, which only moderators see, and which are deleted after the decision.

    Absent: only the state is returned.
    """

    documents: DocumentIds | None = None


class Verification(msgspec.Struct, frozen=True):
    """`reason`: why it was refused."""

    state: VerificationState
    reason: str
    requested_at: str | None


class ListVerifications(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class WaitingVerification(msgspec.Struct, frozen=True):
    id: str
    user: UserLite
    requested_at: str


class WaitingVerificationPage(msgspec.Struct, frozen=True):
    """The oldest first."""

    items: list[WaitingVerification]
    next_cursor: str | None


class VerificationRef(Request, frozen=True):
    verification_id: Id


class VerificationDocuments(msgspec.Struct, frozen=True):
    """URLs are valid for a few minutes."""

    items: list[Media]


class DecideVerification(Request, frozen=True):
    """`reason` is sent to the user."""

    verification_id: Id
    decision: Literal["approved", "refused"]
    reason: DecisionText = ""


class DecidedVerification(msgspec.Struct, frozen=True):
    state: VerificationState
