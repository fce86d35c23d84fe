"""Counts without users who are not active: their reactions and comments leave counts, as they leave lists, and return.

Each row says whether it counts, and triggers note its change. So counts stay exact whatever else happens to a row, and
a run that was interrupted can be repeated.
"""

from protocol.events import AccountSwitchedEvent
from protocol.fields import MAX_ID
from storage import counts
from workers.job import Job, consumes

PAGE = 1_000


@consumes(AccountSwitchedEvent, group="enforcement")
async def recount_user(job: Job, event: AccountSwitchedEvent) -> None:
    """It reads the status with each page: of two events that overtake each other, the later status counts."""
    for kind in counts.RECOUNTED:
        before: int | None = MAX_ID
        while before is not None:
            async with job.tools.database.transaction() as tx:
                before = await counts.recount(tx, event.user_id, kind, before, PAGE)
