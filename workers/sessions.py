"""Sessions that ended: their sockets are closed, should the word that went out at once have been lost."""

from protocol.events import SessionsEndedEvent
from rooms.messages import Revoked
from workers.job import Job, consumes


@consumes(SessionsEndedEvent, group="sessions")
async def close_sockets(job: Job, event: SessionsEndedEvent) -> None:
    """Safe to repeat: sockets that are closed are not found."""
    await job.tools.broadcaster.revoke(Revoked(list(event.session_ids), event.reason))
