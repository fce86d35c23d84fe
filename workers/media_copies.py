"""Copies files that everybody may see for the CDN, under keys that nobody can guess.

Triggers take the copies back when a post or an account is narrowed or deleted: `public_key` becomes null in the same
transaction, and an event deletes the objects.
"""

import secrets

from prometheus_client import Counter

from protocol.events import MediaFinishedEvent, MediaOwnerOpenedEvent
from storage import media
from storage.event_log import PartitionTaken
from storage.media import ORIGINAL
from storage.objects import NoSuchObject
from workers.copying import copy_below
from workers.job import Job, consumes
from workers.pages import go_through

PAGE = 200
MOST_PAGES = 10  # of a user's newest files that are copied again; older ones stay signed

CUT = Counter("daira_media_copies_cut_total", "Accounts that opened again and have more files than are copied again")


@consumes(MediaFinishedEvent, group="media-copies")
async def copy_for_everybody(job: Job, event: MediaFinishedEvent) -> None:
    """Safe to repeat: a file that has copies is left alone. Without a CDN, nothing reads copies, and none are made."""
    tools = job.tools
    if not tools.media.has_cdn:
        return
    async with tools.database.transaction() as tx:
        row = await media.load(tx, event.media_id)
        may = await media.may_publish(tx, event.media_id)
    if row is None or not may:
        return
    public_key = f"public/{secrets.token_hex(16)}/"
    is_published = False
    try:
        await copy_below(tools.objects, row["object_key"], public_key, but=ORIGINAL)
        async with job.transaction() as tx:
            is_published = await media.publish(tx, event.media_id, public_key)
    except NoSuchObject:
        return  # the file was deleted in the meantime
    except PartitionTaken:  # and so rolled back; after other errors, it may have been committed
        is_published = False
        raise
    finally:
        if not is_published:
            await tools.objects.delete_below(public_key)


@consumes(MediaOwnerOpenedEvent, group="media-openings")
async def copy_again(job: Job, event: MediaOwnerOpenedEvent) -> None:
    """Safe to repeat: files that have copies are left alone."""
    if not job.tools.media.has_cdn:
        return
    if not await go_through(
        job.tools, lambda tx, before: media.finish_again(tx, event.user_id, before, PAGE), MOST_PAGES
    ):
        CUT.inc()
