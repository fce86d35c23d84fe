"""Comments: write, read, edit, delete."""

from collections import Counter

from handlers.call import Call
from handlers.media_use import check_not_empty, check_stays_not_empty, renew_media, use_media
from handlers.mentions import MENTION, count_mentions, find_mentioned
from handlers.new_accounts import NEW_COMMENT, count_new
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from handlers.screening import screen, settle
from protocol import errors
from protocol.comments import Comment, CommentPage, CommentRef, CreateComment, EditComment, ListComments
from protocol.events import CommentCreatedEvent, CommentDeletedEvent, CommentEditedEvent
from protocol.fields import MAX_ID
from protocol.limits import Limit
from protocol.rpc import Nothing, methods
from storage import comments, present
from storage.database import Transaction


@methods.rpc(
    "comment.create",
    limit=Limit("comment", "30/hour", "comment.create by user"),
    counts=(MENTION, NEW_COMMENT),
    renew=renew_media,
)
async def create_comment(call: Call, request: CreateComment, tx: Transaction) -> Comment:
    """Comment on a post, or reply to a comment. The same idempotency key returns the first answer."""
    check_not_empty(request.text, request.media_ids)
    post_id = int(request.post_id)
    parent_id = int(request.parent_id) if request.parent_id is not None else None
    place = await comments.place(tx, post_id, parent_id)
    if place is None:
        raise errors.not_found("post" if parent_id is None else "comment")
    if not place["may"]:
        raise errors.permission_denied("the author of the post does not let you comment on it")
    if place["depth"] > comments.DEEPEST:
        raise errors.failed_precondition(f"replies are no deeper than {comments.DEEPEST}: reply to a comment above it")
    await count_new(call, NEW_COMMENT)
    mention_ids = await find_mentioned(tx, request.text)
    await count_mentions(call, mention_ids)
    comment_id = call.services.ids.mint()
    text = [("text", request.text)]
    verdict = await screen(call, tx, "comment", comment_id, text, media_ids=request.media_ids)
    if not await comments.insert(
        tx,
        id=comment_id,
        post_id=post_id,
        parent_id=parent_id,
        author_id=call.viewer.id,
        text=request.text,
        mention_ids=mention_ids,
    ):
        raise errors.not_found("comment")
    await use_media(call, tx, request.media_ids, "comment", comment_id)
    await settle(call, tx, verdict, "comment", comment_id)
    event = CommentCreatedEvent(comment_id=comment_id, post_id=post_id, author_id=call.viewer.id)
    await call.services.outbox.add(tx, event)
    return await _load(call, tx, comment_id)


@methods.rpc("comment.get", reads=True)
async def get_comment(call: Call, request: CommentRef, tx: Transaction) -> Comment:
    """One comment."""
    return await _load(call, tx, int(request.comment_id))


@methods.rpc("comment.list", reads=True)
async def list_comments(call: Call, request: ListComments, tx: Transaction) -> CommentPage:
    """Comments on a post, newest first, or replies to one, oldest first. Each is followed by its first replies."""
    post_id = int(request.post_id)
    parent_id = int(request.parent_id) if request.parent_id is not None else None
    scope = f"{request.post_id}:{request.parent_id or ''}"
    start = page_start(call, scope, request.cursor, first=MAX_ID if parent_id is None else 0)
    page = await comments.load_page(tx, post_id, parent_id, start, request.limit or DEFAULT_LIMIT)
    if page is None:
        raise errors.not_found("post" if parent_id is None else "comment")
    shown = Counter(row["parent_id"] for row in page.rows)
    folded = {row["id"]: row["reply_count"] - shown[row["id"]] for row in page.rows}
    return CommentPage(
        items=[present.comment(row, call.show_media) for row in page.rows],
        more={str(comment_id): amount for comment_id, amount in folded.items() if amount > 0},
        next_cursor=next_cursor(call, scope, page.next_place),
    )


@methods.rpc("comment.edit", counts=(MENTION,))
async def edit_comment(call: Call, request: EditComment, tx: Transaction) -> Comment:
    """Change the text of the caller's own comment. Repeating it changes nothing."""
    comment_id = int(request.comment_id)
    standing = await comments.lock_own(tx, comment_id, call.viewer.id)
    if standing is None:
        raise errors.not_found("comment")
    await check_stays_not_empty(tx, request.text, "comment", comment_id)
    if standing["text"] != request.text:
        mention_ids = await find_mentioned(tx, request.text)
        named = tuple(sorted({*mention_ids} - {*standing["mention_ids"]}))
        await count_mentions(call, named)
        verdict = await screen(call, tx, "comment", comment_id, [("text", request.text)], is_edit=True)
        await comments.edit(tx, comment_id, request.text, mention_ids)
        await settle(call, tx, verdict, "comment", comment_id)
        event = CommentEditedEvent(
            comment_id=comment_id, post_id=standing["post_id"], author_id=call.viewer.id, named=named
        )
        await call.services.outbox.add(tx, event)
    return await _load(call, tx, comment_id)


@methods.rpc("comment.delete")
async def delete_comment(call: Call, request: CommentRef, tx: Transaction) -> Nothing:
    """Delete the caller's own comment, or any on the caller's post; replies stay. Repeating it changes nothing."""
    comment_id = int(request.comment_id)
    deleted = await comments.delete(tx, comment_id)
    if deleted is None:
        raise errors.not_found("comment")
    if deleted["is_new"]:
        event = CommentDeletedEvent(comment_id=comment_id, post_id=deleted["post_id"], author_id=deleted["author_id"])
        await call.services.outbox.add(tx, event)
    return Nothing()


async def _load(call: Call, tx: Transaction, comment_id: int) -> Comment:
    row = await comments.load(tx, comment_id)
    if row is None:
        raise errors.not_found("comment")
    return present.comment(row, call.show_media)
