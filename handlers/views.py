"""Views: what a user has seen of posts, reported by clients in batches."""

from collections import Counter

from handlers.call import Call
from protocol.events import PostEngagementEvent
from protocol.limits import Limit
from protocol.rpc import Nothing, methods
from protocol.views import LONGEST_DWELL_MS, ReportViews
from storage import views
from storage.database import Transaction


@methods.rpc("view.report", limit=Limit("view", "30/minute", "view.report by user"), shed="minor")
async def report_views(call: Call, request: ReportViews, tx: Transaction) -> Nothing:
    """Report views of posts. Views of the caller's own posts and of posts that the caller may not see do not count."""
    dwells: Counter[int] = Counter()
    for view in request.views:
        dwells[int(view.post_id)] += view.dwell_ms
    events = {
        call.services.ids.mint(): PostEngagementEvent(
            post_id=post_id, user_id=call.viewer.id, action="view", dwell_ms=min(dwell_ms, LONGEST_DWELL_MS)
        )
        for post_id, dwell_ms in dwells.items()
    }
    await views.report(tx, call.viewer.id, events)
    call.services.seen.mark(call.viewer.id, dwells)
    return Nothing()
