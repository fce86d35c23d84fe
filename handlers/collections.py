"""Collections: named lists of saved posts, seen by their owner alone."""

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.rpc import Nothing, methods
from protocol.saves import (
    Collection,
    CollectionPage,
    CollectionRef,
    CreateCollection,
    ListCollections,
    UpdateCollection,
)
from storage import collections, idempotency, present
from storage.database import Transaction


@methods.rpc("collection.create")
async def create_collection(call: Call, request: CreateCollection, tx: Transaction) -> Collection:
    """Create an empty collection."""
    row = await collections.insert(tx, id=call.services.ids.mint(), owner_id=call.viewer.id, name=request.name)
    return present.collection(row)


@methods.rpc("collection.update")
async def update_collection(call: Call, request: UpdateCollection, tx: Transaction) -> Collection:
    """Rename a collection."""
    row = await collections.rename(tx, int(request.collection_id), request.name)
    if row is None:
        raise errors.not_found("collection")
    return present.collection(row)


@methods.rpc("collection.delete")
async def delete_collection(call: Call, request: CollectionRef, tx: Transaction) -> Nothing:
    """Delete a collection. Its posts stay saved, outside all collections. Repeating it changes nothing."""
    place = idempotency.AnswerPlace(call.viewer.id, call.method, request.collection_id)
    if not await collections.delete(tx, int(request.collection_id)):
        if await idempotency.first_answer(tx, place, b"") is None:
            raise errors.not_found("collection")
        return Nothing()
    await idempotency.keep_answer(tx, place, b"", b"")
    return Nothing()


@methods.rpc("collection.list", reads=True)
async def list_collections(call: Call, request: ListCollections, tx: Transaction) -> CollectionPage:
    """The caller's collections, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await collections.load_page(tx, page_start(call, "", request.cursor), limit)
    cursor = cursor_after(call, "", [row["id"] for row in rows], limit)
    return CollectionPage(items=list(map(present.collection, rows)), next_cursor=cursor)
