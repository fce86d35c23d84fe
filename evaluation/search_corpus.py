"""Fills an empty database with the documents of the gold set, and a search engine with what is found of them."""

import random
from collections.abc import Mapping, Sequence

from domain import search_documents
from domain.post_text import hashtags
from evaluation.gold_set import GoldDocument, GoldKind
from storage import hashtags as stored_hashtags
from storage import search, seeding
from storage.database import Database
from storage.search_engine import Document, SearchEngine, word_id

ALL = 1_000_000
BATCH = 50  # a statement ends within the time that it has, on a busy machine as well

# The ids of documents in the gold set, by kind and by what clients know: the id of a post, the name of a user or
# hashtag, the topic of a room.
Names = Mapping[tuple[GoldKind, str], str]


async def insert_corpus(connection: seeding.Connection, documents: Sequence[GoldDocument]) -> Names:
    """Insert users, posts and rooms, in a random order. All posts are of one moment."""
    ordered = list(documents)
    random.Random(0).shuffle(ordered)
    people = [each.user_names for each in ordered if each.kind == "user"]
    user_ids = await seeding.insert_users(connection, people, indexed=False)
    rooms = [each.text for each in ordered if each.kind == "room"]
    await seeding.insert_rooms(connection, [*zip(user_ids, rooms, strict=False)])
    posts = [each for each in ordered if each.kind == "post"]
    [first] = seeding.past_ids(1, seeding.POSTED_WITHIN)
    post_ids = range(first, first + len(posts))
    await seeding.insert_posts(
        connection,
        [
            (post_id, user_ids[n % len(user_ids)], post.text, hashtags(post.text))
            for n, (post_id, post) in enumerate(zip(post_ids, posts, strict=True))
        ],
    )
    names: dict[tuple[GoldKind, str], str] = {
        (each.kind, each.user_names[0] if each.kind == "user" else each.text): each.id for each in ordered
    }
    return names | {("post", str(post_id)): post.id for post_id, post in zip(post_ids, posts, strict=True)}


async def index_corpus(database: Database, engine: SearchEngine) -> None:
    """Write all users, posts, rooms and hashtags of the database to the engine, as the indexer does."""
    posts = await search.posts_after(database, 0, ALL)
    documents: list[Document] = [search_documents.of_post(post) for post in posts]
    documents += map(search_documents.of_user, await search.users_after(database, 0, ALL))
    documents += map(search_documents.of_room, await search.rooms_after(database, 0, ALL))
    uses = [
        search.Use(post.author_id, word_id(search_documents.tag_term(tag)), f"#{tag}", 1)
        for post in posts
        for tag in post.hashtags
    ]
    documents += filter(None, map(search_documents.of_use, await search.count_uses(database, uses)))
    for start in range(0, len(documents), BATCH):
        await engine.write(documents[start : start + BATCH])
    tagged = [(search_documents.tag_term(tag)[1:], post.id) for post in posts for tag in post.hashtags]
    async with database.transaction() as tx:
        await stored_hashtags.enter(tx, 0, tagged)
