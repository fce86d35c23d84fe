"""Saves: posts that a user keeps, in collections or outside them. Nobody else sees them."""

from domain import visibility
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from protocol import errors
from protocol.events import PostEngagementEvent
from protocol.posts import PostRef
from protocol.rpc import Nothing, methods
from protocol.saves import AddSave, ListSaves, SavedPost, SavedPostPage
from storage import collections, present, saves
from storage.database import Transaction

# Posts that are hidden from the user leave gaps in a page. They are filled by at most this many queries a page.
MOST_REFILLS = 5


@methods.rpc("save.add")
async def add_save(call: Call, request: AddSave, tx: Transaction) -> Nothing:
    """Save a post, or move a saved one into another collection. Repeating it changes nothing."""
    post_id = int(request.post_id)
    collection_id = int(request.collection_id) if request.collection_id is not None else None
    added = await saves.add(
        tx, id=call.services.ids.mint(), user_id=call.viewer.id, post_id=post_id, collection_id=collection_id
    )
    if added is None:
        if collection_id is not None and not await collections.exists(tx, collection_id):
            raise errors.not_found("collection")
        raise errors.not_found("post")
    if added != "unchanged":
        event = PostEngagementEvent(post_id=post_id, user_id=call.viewer.id, action="save")
        await call.services.outbox.add(tx, event)
    return Nothing()


@methods.rpc("save.remove")
async def remove_save(call: Call, request: PostRef, tx: Transaction) -> Nothing:
    """Take a save back, also of a post that the caller no longer sees. Repeating it changes nothing."""
    post_id = int(request.post_id)
    if await saves.remove(tx, call.viewer.id, post_id):
        event = PostEngagementEvent(post_id=post_id, user_id=call.viewer.id, action="unsave")
        await call.services.outbox.add(tx, event)
    return Nothing()


@methods.rpc("save.list", reads=True)
async def list_saves(call: Call, request: ListSaves, tx: Transaction) -> SavedPostPage:
    """The caller's saved posts that the caller may still see, last saved first."""
    scope = request.collection_id or ""
    collection_id = int(request.collection_id) if request.collection_id is not None else None
    if collection_id is not None and not await collections.exists(tx, collection_id):
        raise errors.not_found("collection")
    before, limit = page_start(call, scope, request.cursor), request.limit or DEFAULT_LIMIT
    items: list[SavedPost] = []
    for _ in range(MOST_REFILLS):
        part = await saves.load_part(tx, call.viewer.id, collection_id, before, limit)
        for row in part.rows:
            if not visibility.may_see(row, call.viewer.id):
                continue
            items.append(present.saved_post(row, call.show_media))
            if len(items) == limit:
                return SavedPostPage(items=items, next_cursor=next_cursor(call, scope, row["save_id"]))
        if part.candidates < limit:
            return SavedPostPage(items=items, next_cursor=None)
        before = part.oldest
    return SavedPostPage(items=items, next_cursor=next_cursor(call, scope, before))
