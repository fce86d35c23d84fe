"""Ended sessions: close their sockets, in case the broadcast that followed the commit was lost."""

from channels.messages import Revoked
from protocol.events import SessionsEndedEvent
from workers.job import Job, consumes


@consumes(SessionsEndedEvent, group="sessions")
async def close_sockets(job: Job, event: SessionsEndedEvent) -> None:
    """Safe to repeat: a node closes only sockets that it has."""
    await job.tools.broadcaster.revoke(Revoked(list(event.session_ids), event.reason))
