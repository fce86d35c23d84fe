"""Objects of files that are gone, that moderation withholds, or whose owner is suspended.

The group waits while the store is down, and holds nothing else up.
"""

from datetime import timedelta

from protocol.events import MediaClosedEvent, MediaDeletedEvent, MediaOwnerClosedEvent, MediaWithheldEvent
from storage import media
from storage.media import ORIGINAL
from storage.metrics import OBJECTS_DELETED
from storage.objects import NoSuchObject
from storage.signed_urls import LIFETIME_S
from storage.snowflakes import minted_at
from workers.copying import copy_below
from workers.job import Job, consumes
from workers.pages import go_through

PAGE = 200
MOST_PAGES = 10  # of a suspended user's newest files
URL_LIFETIME = timedelta(seconds=LIFETIME_S)


@consumes(MediaDeletedEvent, group="media-objects")
async def delete_objects(job: Job, event: MediaDeletedEvent) -> None:
    """The unfinished upload first: otherwise it could still become an object."""
    objects = job.tools.objects
    for prefix in event.prefixes:
        if event.upload_id is not None and prefix.startswith("private/"):
            await objects.abort_upload(prefix + ORIGINAL, event.upload_id)
        OBJECTS_DELETED.inc(await objects.delete_below(prefix))


@consumes(MediaWithheldEvent, group="media-objects")
async def move_withheld_file(job: Job, event: MediaWithheldEvent) -> None:
    await _move(job, event.media_id)


@consumes(MediaOwnerClosedEvent, group="media-openings")
async def close_files(job: Job, event: MediaOwnerClosedEvent) -> None:
    """Let the newest files of a suspended user be moved. Repeating it moves files once more."""
    await go_through(job.tools, lambda tx, before: media.close_files(tx, event.user_id, before, PAGE), MOST_PAGES)


@consumes(MediaClosedEvent, group="media-objects")
async def move_closed_file(job: Job, event: MediaClosedEvent) -> None:
    """A late event has nothing to do: all URLs that were signed before have expired, and nobody has got new ones."""
    if job.tools.now() - minted_at(job.event_id) < URL_LIFETIME:
        await _move(job, event.media_id)


async def _move(job: Job, media_id: int) -> None:
    """Move the file to keys that no URL of before reaches. URLs for those who may still see it are signed for these.

    Safe to repeat: the new keys follow from the event.
    """
    tools, to = job.tools, f"private/{media_id}/{job.event_id}/"
    objects = tools.objects
    while True:
        async with tools.database.transaction() as tx:
            stored = await media.stored(tx, media_id)
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
            if await media.move(tx, media_id, stored, to):
                break
    tools.outbox.wake_relay()
    await objects.delete_below(stored.key)  # an event deletes them too, if this process dies here
