"""Pushes a file whose description has changed to the users who see it."""

from protocol.events import MediaDescribedEvent
from protocol.media import MediaUpdated
from storage import media
from workers.job import Job, consumes
from workers.media_pushes import push_media


@consumes(MediaDescribedEvent, group="media-descriptions")
async def push_description(job: Job, event: MediaDescribedEvent) -> None:
    """Safe to repeat: clients get the file as it is then, and the same push once."""
    async with job.tools.database.transaction() as tx:
        row = await media.load(tx, event.media_id)
    if row is not None:
        await push_media(job.tools, row, MediaUpdated, str(job.event_id))
