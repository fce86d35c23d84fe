"""Objects of files that are gone, or that moderation withholds. The group waits while the store is down, and holds
nothing else up.
"""

from protocol.events import MediaDeletedEvent, MediaWithheldEvent
from storage import media
from storage.media import ORIGINAL
from storage.metrics import OBJECTS_DELETED
from storage.objects import NoSuchObject
from workers.copying import copy_below
from workers.job import Job, consumes


@consumes(MediaDeletedEvent, group="media-objects")
async def delete_objects(job: Job, event: MediaDeletedEvent) -> None:
    """The unfinished upload first: otherwise it could still become an object."""
    objects = job.tools.objects
    for prefix in event.prefixes:
        if event.upload_id is not None and prefix.startswith("private/"):
            await objects.abort_upload(prefix + ORIGINAL, event.upload_id)
        OBJECTS_DELETED.inc(await objects.delete_below(prefix))


@consumes(MediaWithheldEvent, group="media-objects")
async def move_objects(job: Job, event: MediaWithheldEvent) -> None:
    """Move the file to keys that no URL of before reaches. URLs for those who may still see it are signed for these.

    Safe to repeat: the new keys follow from the event.
    """
    tools, to = job.tools, f"private/{event.media_id}/{job.event_id}/"
    objects = tools.objects
    while True:
        async with tools.database.transaction() as tx:
            stored = await media.stored(tx, event.media_id)
        if stored is not None and stored.key == to:
            return
        await objects.delete_below(to)  # of an earlier try
        if stored is None:
            return
        try:
            await copy_below(objects, stored.key, to)
        except NoSuchObject:
            continue  # what was uploaded is deleted once it is processed; or the whole file is gone
        async with tools.database.transaction() as tx:
            if await media.move(tx, event.media_id, stored, to):
                break
    tools.outbox.wake_relay()
    await objects.delete_below(stored.key)  # an event deletes them too, if this process dies here
