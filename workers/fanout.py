"""Fan-out: insert each new post into the feeds of its audience, and remove it when it is deleted.

Posts of large authors (see `domain.audience`) are merged into feeds when these are read. Their push is one broadcast to
the author's channel, which their online followers are subscribed to.
"""

from collections.abc import Sequence, Set

import msgspec

from channels.messages import Ages
from domain import audience
from domain.post_channels import AUTHOR, POST
from protocol.events import PostCreatedEvent, PostDeletedEvent, PostEditedEvent
from protocol.posts import FeedAdded, FeedRemoved, PostDeleted, PostEdited
from protocol.pushes import Push
from protocol.timestamps import to_wire
from storage import graph, posts, present
from storage.database import Transaction
from storage.posts import FanoutRow, PostRow
from storage.snowflakes import minted_at
from workers.by_age import by_age, seeing_ages
from workers.job import Job, Tools, consumes, consumes_many

PAGE = 1_000


@consumes_many(PostCreatedEvent, group="fanout")
async def fan_out_posts(jobs: Sequence[Job], events: Sequence[PostCreatedEvent]) -> None:
    """Safe to repeat: inserting a post twice changes nothing, and clients drop a push with an id they have seen."""
    tools, post_ids = jobs[0].tools, [event.post_id for event in events]
    async with tools.database.transaction(reads=True) as tx:
        found = [post for post in await posts.many_for_fanout(tx, post_ids) if post["status"] == "published"]
        readers = await audience.of_posts(tx, found)
    if not found:
        return
    online = await tools.locations.online([*{user_id for of_post in readers.values() for user_id in of_post}])
    for post in found:
        await deliver(tools, post, readers[post["id"]], online, added(post))
    for post_id in await posts.deleted(tools.database, [post["id"] for post in found]):
        # The post was deleted in the meantime, and `withdraw_post` may have run before these inserts.
        await remove(tools, readers[post_id], post_id)


@consumes(PostEditedEvent, group="fanout")
async def announce_edit(job: Job, event: PostEditedEvent) -> None:
    """Push the edit to users who watch the post, and insert the post for users whom it mentions for the first time."""
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, event.post_id)
        rows = await posts.load(tx, [event.post_id])
        if post is None or not rows:
            return
        named = [user_id for user_id in await audience.mentioned_in(tx, post) if user_id in event.named]
        push = await edited(job, tx, rows[0])
    await publish_edit(job.tools, push, post["author_id"])
    if named:
        await _deliver(job.tools, post, named, await job.tools.locations.online(named), added(post))


async def edited(job: Job, tx: Transaction, row: PostRow) -> PostEdited:
    """The push of the post as it is now.

    The same push goes to all watchers, so it leaves out mentioned users who block anybody: each watcher can load the
    mentions that it may see.
    """
    post = present.post_for_all(row, job.tools.media.shown_to(None))
    hiding = await graph.who_block_somebody(tx, [int(user.id) for user in post.mentions])
    mentions = [user for user in post.mentions if int(user.id) not in hiding]
    return PostEdited(id=f"post.edited:{job.event_id}", post=msgspec.structs.replace(post, mentions=mentions))


async def publish_edit(tools: Tools, push: PostEdited, author_id: int, not_to: int = 0) -> None:
    """Push to users who watch the post, except that one."""
    channel = POST.channel(int(push.post.id))
    for version, ages in by_age(push, "post"):
        await tools.broadcaster.publish(channel, version, actor_id=author_id, not_to=not_to, ages=ages)


@consumes(PostDeletedEvent, group="fanout")
async def withdraw_post(job: Job, event: PostDeletedEvent) -> None:
    """Remove the post from stored feeds, and push that to its watchers and to online readers."""
    async with job.tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, event.post_id)
        if post is None:
            return
        readers = await audience.of_post(tx, post)
    await remove(job.tools, readers, event.post_id)
    deleted = PostDeleted(id=f"post.deleted:{event.post_id}", post_id=str(event.post_id))
    await job.tools.broadcaster.publish(POST.channel(event.post_id), deleted, actor_id=event.author_id)
    await _push(job.tools, post, readers, FeedRemoved(id=f"feed.removed:{event.post_id}", post_id=str(event.post_id)))


async def deliver(tools: Tools, post: FanoutRow, readers: Sequence[int], online: Set[int], push: FeedAdded) -> None:
    """Insert the post into the readers' feeds, and push that to those who are online, and to its author's channel."""
    await _deliver(tools, post, readers, online, push)
    await push_to_author_channel(tools, post, push, POST.channel(post["id"]), seeing_ages(post["labels"]))


async def _deliver(tools: Tools, post: FanoutRow, readers: Sequence[int], online: Set[int], push: FeedAdded) -> None:
    """Insert and push in pages, online users first."""
    hiding = await _hiding_original(tools, post, [user_id for user_id in readers if user_id in online])
    ordered = sorted(readers, key=lambda user_id: user_id not in online)
    for start in range(0, len(ordered), PAGE):
        page = ordered[start : start + PAGE]
        await tools.feeds.insert(page, post["id"])
        # After the insert: a client that loads its feed on this push must find the post in it.
        here = [user_id for user_id in page if user_id in online and user_id not in hiding]
        await tools.broadcaster.publish_to_users(
            here,
            push,
            actor_id=post["author_id"],
            about=POST.channel(post["id"]),
            ages=seeing_ages(post["labels"]),
        )


async def _hiding_original(tools: Tools, post: FanoutRow, user_ids: list[int]) -> set[int]:
    """Users who hide the author of a shared post, or are blocked by them: the share would show them nothing."""
    if post["original_author_id"] is None:
        return set()
    async with tools.database.transaction() as tx:
        return await graph.who_hide_posts(tx, post["original_author_id"], user_ids)


def added(post: FanoutRow, again: int | None = None) -> FeedAdded:
    """again: the decision that withheld the post until now."""
    return FeedAdded(
        id=f"feed.added:{post['id']}" if again is None else f"feed.added:{post['id']}:{again}",
        post_id=str(post["id"]),
        author_id=str(post["author_id"]),
        created_at=to_wire(minted_at(post["id"])),
    )


async def remove(tools: Tools, readers: Sequence[int], post_id: int) -> None:
    for start in range(0, len(readers), PAGE):
        await tools.feeds.remove(readers[start : start + PAGE], [post_id])


async def _push(tools: Tools, post: FanoutRow, readers: list[int], push: Push) -> None:
    await tools.broadcaster.publish_to_users(readers, push)
    await push_to_author_channel(tools, post, push)


async def push_to_author_channel(
    tools: Tools, post: FanoutRow, push: Push, about: str = "", ages: Ages = "all"
) -> None:
    if post["is_large"] and post["visibility"] in ("public", "followers"):
        author_id = post["author_id"]
        await tools.broadcaster.publish(AUTHOR.channel(author_id), push, actor_id=author_id, about=about, ages=ages)
