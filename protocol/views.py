"""Messages about views of posts."""

from typing import Annotated

import msgspec

from protocol.fields import Id, Request

LONGEST_DWELL_MS = 600_000


class ReportedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """dwell_ms: how long the post was on the screen."""

    post_id: Id
    dwell_ms: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_DWELL_MS)]


class ReportViews(Request, frozen=True):
    views: Annotated[list[ReportedView], msgspec.Meta(min_length=1, max_length=100)]
