"""Messages about saved posts and collections of them."""

from typing import ClassVar

import msgspec

from protocol.fields import CollectionName, Cursor, Id, IdempotencyKey, PageSize, Request
from protocol.posts import Post
from protocol.pushes import Push


class AddSave(Request, frozen=True):
    """Without `collection_id`, the post is saved outside all collections; a saved post leaves its collection."""

    post_id: Id
    collection_id: Id | None = None


class ListSaves(Request, frozen=True):
    """Without `collection_id`: all saved posts."""

    collection_id: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class SavedPost(msgspec.Struct, frozen=True):
    post: Post
    collection_id: str | None
    saved_at: str


class SavedPostPage(msgspec.Struct, frozen=True):
    items: list[SavedPost]
    next_cursor: str | None


class SaveChanged(Push, frozen=True):
    """To the user's own devices."""

    event: ClassVar[str] = "save.changed"
    post_id: str
    saved: bool
    collection_id: str | None


class Collection(msgspec.Struct, frozen=True):
    id: str
    name: str
    created_at: str


class CollectionPage(msgspec.Struct, frozen=True):
    items: list[Collection]
    next_cursor: str | None


class CreateCollection(Request, frozen=True):
    name: CollectionName
    idempotency_key: IdempotencyKey | None = None


class UpdateCollection(Request, frozen=True):
    collection_id: Id
    name: CollectionName


class CollectionRef(Request, frozen=True):
    collection_id: Id


class ListCollections(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None
