"""The search index: documents follow the rows of posts, users and rooms.

What a viewer may see is decided when documents are read, so only words matter here. A reaction reads the row as it is
now and writes its document once, so it is safe to repeat, and of several the last one wins. Counts of uses are not
exact: they only order suggestions.
"""

import asyncio
import random
from collections.abc import Sequence

from domain import search_documents
from protocol.events import FollowChangedEvent, PostCreatedEvent, PostDeletedEvent, PostEditedEvent, SearchDueEvent
from storage import search
from storage.search import IndexedPost, Use
from storage.search_engine import Document, reading_time
from workers.job import Job, Tools, consumes, consumes_many

# One use in so many counts for a word that is already suggested, and one follow in so many for a user with many
# followers.
SAMPLED = 16
MANY_FOLLOWERS = 64
MOST_KNOWN = 100_000  # words that this process knows to be suggested


@consumes_many(PostCreatedEvent, group="search")
async def index_posts(jobs: Sequence[Job], events: Sequence[PostCreatedEvent]) -> None:
    """Posts that are edited or deleted in the meantime are written again: their events may have been handled before."""
    tools, read_at = jobs[0].tools, jobs[0].began_at
    ids = [event.post_id for event in events]
    posts = await search.posts_to_index(tools.database, ids)
    await tools.search.write(await _count_uses(tools, posts), read_at=read_at)
    written: list[IndexedPost] = []
    while posts != written:
        documents = []
        for post in posts:
            documents.append(search_documents.of_post(post))
            await asyncio.sleep(0)  # the words of a text take a millisecond, and others wait for the loop
        await tools.search.write(documents, read_at=read_at)
        if gone := {post.id for post in written} - {post.id for post in posts}:
            await tools.search.remove("post", sorted(gone), read_at=read_at)
        written, read_at = posts, reading_time()
        posts = await search.posts_to_index(tools.database, ids)


@consumes(PostEditedEvent, group="search")
async def index_edit(job: Job, event: PostEditedEvent) -> None:
    posts = await search.posts_to_index(job.tools.database, [event.post_id])
    await job.tools.search.write([search_documents.of_post(post) for post in posts], read_at=job.began_at)


@consumes(PostDeletedEvent, group="search")
async def remove_post(job: Job, event: PostDeletedEvent) -> None:
    await job.tools.search.remove("post", [event.post_id], read_at=job.began_at)


@consumes(SearchDueEvent, group="search")
async def index_user_or_room(job: Job, event: SearchDueEvent) -> None:
    if event.kind == "room":
        rooms = await search.rooms_to_index(job.tools.database, [event.document_id])
        await job.tools.search.write([search_documents.of_room(room) for room in rooms], read_at=job.began_at)
    else:
        await _index_user(job, event.document_id)


@consumes(FollowChangedEvent, group="search", lane="bulk")
async def weigh_user(job: Job, event: FollowChangedEvent) -> None:
    """The weight of a user is by followers. A single follow of many changes it rarely."""
    users = await search.users_to_index(job.tools.database, [event.followee_id])
    if any(user.follower_count < MANY_FOLLOWERS for user in users) or random.randrange(SAMPLED) == 0:
        await job.tools.search.write([search_documents.of_user(user) for user in users], read_at=job.began_at)


async def _index_user(job: Job, user_id: int) -> None:
    users = await search.users_to_index(job.tools.database, [user_id])
    if users:
        await job.tools.search.write([search_documents.of_user(user) for user in users], read_at=job.began_at)
    else:
        await job.tools.search.remove("user", [user_id], read_at=job.began_at)


async def _count_uses(tools: Tools, posts: Sequence[IndexedPost]) -> list[Document]:
    """Count the hashtags and words of new posts. Returns the documents of those that may be suggested."""
    suggested, uses = tools.suggested_words, list[Use]()
    for post in posts:
        counts_frequent = random.randrange(SAMPLED) == 0
        for word_id, shown in search_documents.named_in(post).items():
            if word_id not in suggested:
                uses.append(Use(post.author_id, word_id, shown, 1))
            elif counts_frequent:
                uses.append(Use(post.author_id, word_id, shown, SAMPLED))
        await asyncio.sleep(0)
    counted = await search.count_uses(tools.database, uses)
    if len(suggested) > MOST_KNOWN:
        suggested.clear()
    suggested.update(each.id for each in counted if each.people == search.FIRST_AUTHORS)
    return [document for each in counted if (document := search_documents.of_use(each)) is not None]
