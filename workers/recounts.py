"""Counts without users who are not active: their reactions and comments leave counts, as they leave lists, and return.

Each row says whether it counts, and triggers note its change. So counts stay exact whatever else happens to a row, and
a run that was interrupted can be repeated.
"""

from protocol.events import AccountStatusChangedEvent
from storage import counts
from workers.job import Job, consumes
from workers.pages import Page, go_through

PAGE = 1_000


@consumes(AccountStatusChangedEvent, group="enforcement")
async def recount_user(job: Job, event: AccountStatusChangedEvent) -> None:
    """It reads the status with each page: of two events that overtake each other, the later status counts."""
    for kind in counts.RECOUNTED:
        await go_through(job.tools, _pages_of(event.user_id, kind))


def _pages_of(user_id: int, kind: str) -> Page:
    return lambda tx, before: counts.recount(tx, user_id, kind, before, PAGE)
