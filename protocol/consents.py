"""Messages about what the caller has agreed to."""

from typing import Annotated, Literal

import msgspec

from protocol.fields import Request

ConsentPurpose = Literal["terms", "privacy", "personalisation", "location"]
TextVersion = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"\A[A-Za-z0-9._-]+\Z")]


class Consent(msgspec.Struct, frozen=True):
    """`version`: of the text that the user saw; "none" for what was refused without one."""

    purpose: ConsentPurpose
    version: str
    given_at: str
    withdrawn_at: str | None


class ConsentList(msgspec.Struct, frozen=True):
    """The newest first, at most 100."""

    items: list[Consent]


class GiveConsent(Request, frozen=True):
    purpose: ConsentPurpose
    version: TextVersion


class WithdrawConsent(Request, frozen=True):
    purpose: Literal["personalisation", "location"]
