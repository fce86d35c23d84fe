"""Deletes the objects of files that are gone. The group waits while the store is down, and holds nothing else up."""

from protocol.events import MediaDeletedEvent
from storage.media import ORIGINAL
from storage.metrics import OBJECTS_DELETED
from workers.job import Job, consumes


@consumes(MediaDeletedEvent, group="media-objects")
async def delete_objects(job: Job, event: MediaDeletedEvent) -> None:
    """The unfinished upload first: otherwise it could still become an object."""
    objects = job.tools.objects
    for prefix in event.prefixes:
        if event.upload_id is not None and prefix.startswith("private/"):
            await objects.abort_upload(prefix + ORIGINAL, event.upload_id)
        OBJECTS_DELETED.inc(await objects.delete_below(prefix))
