"""Trends: count who uses which hashtag, and who cares for which post. The keeper makes trends of these counts.

storage/functions/explore.sql holds the rules of counting: a person counts once per hour and hashtag, and once per post;
accounts below 72 hours and private ones do not count.
"""

import asyncio
from collections.abc import Sequence

from prometheus_client import Gauge

from domain.post_text import hashtag_key
from protocol.events import (
    CommentCreatedEvent,
    PostCreatedEvent,
    PostDeletedEvent,
    PostEditedEvent,
    PostEngagementEvent,
    ReactionSetEvent,
)
from storage import explore, hashtags
from storage.hashtags import PostTags, Tagged
from storage.snowflakes import minted_at
from workers.job import Job, Tools, consumes, consumes_many
from workers.polling_loop import run_polling

POLL_S = 60.0
BATCH = 10_000  # rows

REFRESHED = Gauge(
    "daira_trends_refreshed_timestamp_seconds", "When trends were last refreshed", multiprocess_mode="max"
)


@consumes_many(PostCreatedEvent, group="trends")
async def count_hashtags(jobs: Sequence[Job], events: Sequence[PostCreatedEvent]) -> None:
    written = await hashtags.written(jobs[0].tools.database, [event.post_id for event in events])
    for job, event in zip(jobs, events, strict=True):
        if (tags := written.get(event.post_id)) and tags.hashtags:
            await _note(job, event.post_id, event.author_id, tags)


@consumes(PostEditedEvent, group="trends")
async def count_edited_hashtags(job: Job, event: PostEditedEvent) -> None:
    await note_hashtags(job, event.post_id, event.author_id)


@consumes(PostDeletedEvent, group="trends")
async def forget_hashtags(job: Job, event: PostDeletedEvent) -> None:
    await note_hashtags(job, event.post_id, event.author_id)


@consumes(ReactionSetEvent, group="trends")
async def count_reaction(job: Job, event: ReactionSetEvent) -> None:
    if event.target_type == "post":
        await _note_engagement(job, event.post_id, event.user_id)


@consumes(CommentCreatedEvent, group="trends")
async def count_comment(job: Job, event: CommentCreatedEvent) -> None:
    await _note_engagement(job, event.post_id, event.author_id)


@consumes(PostEngagementEvent, group="trends")
async def count_engagement(job: Job, event: PostEngagementEvent) -> None:
    if event.action in ("share", "save"):
        await _note_engagement(job, event.post_id, event.user_id)


async def keep_trends(tools: Tools, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""

    async def turn() -> bool:
        while not stop.is_set() and await enter_older(tools):
            continue
        return await refresh(tools)

    await run_polling("trends-keeper", turn, POLL_S, stop)


async def refresh(tools: Tools) -> bool:
    """Make trends of the counts, and delete old counts. Returns whether there is more to delete."""
    async with tools.database.transaction() as tx:
        if not await explore.take_turn(tx):
            return False
        await explore.refresh_trends(tx)
        REFRESHED.set_to_current_time()
        return await explore.forget_heat(tx, BATCH)


async def enter_older(tools: Tools) -> bool:
    """Enter the next posts from before there were hashtag pages under their hashtags, and count those that are recent.

    Returns whether there may be more.
    """
    async with tools.database.transaction() as tx:
        posts = await hashtags.unentered(tx)
    tagged = []
    for post in posts:
        if post.is_recent:
            found = _tagged(post.post_id, post.author_id, post.version, post.hashtags)
            await hashtags.note(tools.database, found, minted_at(post.post_id))
        else:
            keys = {key for each in post.hashtags if (key := hashtag_key(each)) is not None}
            tagged += [(key, post.post_id) for key in keys]
    if posts:
        async with tools.database.transaction() as tx:
            await hashtags.enter(tx, min(post.post_id for post in posts), tagged)
    return bool(posts)


def _tagged(post_id: int, author_id: int, version: int, written: Sequence[str]) -> Tagged:
    spellings = {key: each for each in written if (key := hashtag_key(each)) is not None}
    return Tagged(post_id, author_id, version, list(spellings), list(spellings.values()))


async def note_hashtags(job: Job, post_id: int, author_id: int) -> None:
    written = await hashtags.written(job.tools.database, [post_id])
    await _note(job, post_id, author_id, written.get(post_id, PostTags(0, [])))


async def _note(job: Job, post_id: int, author_id: int, tags: PostTags) -> None:
    tagged = _tagged(post_id, author_id, tags.version, tags.hashtags)
    await hashtags.note(job.tools.database, tagged, minted_at(job.event_id))


async def _note_engagement(job: Job, post_id: int, user_id: int) -> None:
    async with job.transaction() as tx:
        await explore.note_engagement(tx, post_id, user_id, minted_at(job.event_id))
