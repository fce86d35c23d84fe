"""Posts that moderation withholds, limits or labels: out of feeds, search and trends, and back."""

from collections.abc import Set
from typing import Unpack

from channels.messages import Recipients
from domain import audience, search_documents
from domain.labels import are_for_adults
from domain.post_channels import POST
from protocol.moderation import WITHHOLDING, Action
from protocol.posts import FeedRemoved, PostDeleted
from storage import enforcement, posts, search
from storage.enforcement import EnforcedPostRow
from workers import fanout
from workers.enforced_notifications import settle as settle_notifications
from workers.job import Job
from workers.notifications_of_posts import notify_of_post
from workers.trends import note_hashtags


async def settle(job: Job, post_id: int, ended: Set[Action]) -> None:
    """Bring everything in line with the post's standing. ended: restrictions that the event may have ended."""
    async with job.tools.database.transaction() as tx:
        post = await enforcement.post(tx, post_id)
        readers = [] if post is None else await audience.of_post(tx, post)
    if post is None:
        return
    if post["hidden"]:
        await _withdraw(job, post, readers, post["withheld_by"], not_to=post["author_id"])
    elif ended & WITHHOLDING and post["withheld_by"] is not None:
        online = await job.tools.locations.online(readers)
        await fanout.deliver(job.tools, post, readers, online, fanout.added(post, again=post["withheld_by"]))
        await notify_of_post(job, post_id, post["author_id"])  # nobody was notified of a post that was held at once
    else:
        if are_for_adults(post["labels"]):
            await _withdraw(job, post, readers, post["kept_by"], ages="minors")
        elif "label" in ended and post["kept_by"] is not None:
            added = fanout.added(post, again=post["kept_by"])
            await job.tools.broadcaster.publish_to_users(readers, added, actor_id=post["author_id"], ages="minors")
            await fanout.push_to_author_channel(job.tools, post, added, ages="minors")
        await show(job, post_id)
    recipients = {*post["mention_ids"], post["original_author_id"] or 0} - {post["author_id"], 0}
    await settle_notifications(job, recipients, "post", post_id)
    await _index(job, post_id)
    await note_hashtags(job, post_id, post["author_id"])


async def _withdraw(
    job: Job, post: EnforcedPostRow, readers: list[int], cause: int | None, **others: Unpack[Recipients]
) -> None:
    """As for a deleted post, but its author sees it still, and so may adults. Feeds leave out labels when read."""
    post_id, author_id = post["id"], post["author_id"]
    channel, ages = POST.channel(post_id), others.get("ages", "all")
    if ages == "all":
        await fanout.remove(job.tools, readers, post_id)
    deleted = PostDeleted(id=f"post.deleted:{post_id}:{cause}", post_id=str(post_id))
    await job.tools.broadcaster.publish(channel, deleted, actor_id=author_id, **others)
    await job.tools.broadcaster.empty(channel, keeps=author_id, ages=ages)
    removed = FeedRemoved(id=f"feed.removed:{post_id}:{cause}", post_id=str(post_id))
    await job.tools.broadcaster.publish_to_users(readers, removed, ages=ages)
    await fanout.push_to_author_channel(job.tools, post, removed, ages=ages)


async def show(job: Job, post_id: int, not_to: int = 0) -> None:
    """Show the post as it is now to users who watch it and may see it, except that one."""
    async with job.tools.database.transaction() as tx:
        rows = await posts.load(tx, [post_id])
        if not rows or rows[0]["chosen_visibility"] is not None:
            return
        push = await fanout.edited(job, tx, rows[0])
    await fanout.publish_edit(job.tools, push, rows[0]["author_id"], not_to)


async def _index(job: Job, post_id: int) -> None:
    """Limited, held and removed posts leave the index, so that they take no place among the results of a search."""
    found = await search.posts_to_index(job.tools.database, [post_id])
    if found:
        await job.tools.search.write([search_documents.of_post(each) for each in found], read_at=job.began_at)
    else:
        await job.tools.search.remove("post", [post_id], read_at=job.began_at)
