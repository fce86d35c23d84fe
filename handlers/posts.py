"""Posts: publish, share, read, edit, delete, and watch a post that is open in the app."""

from collections.abc import Sequence

from domain import visibility
from domain.post_channels import POST
from domain.post_text import hashtags, topics
from handlers.call import Call
from handlers.chosen_audience import chosen_audience
from handlers.media_use import check_not_empty, check_stays_not_empty, renew_media, use_media
from handlers.mentions import MENTION, count_mentions, find_mentioned
from handlers.new_accounts import NEW_POST, count_new
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from handlers.screening import screen, settle
from protocol import errors
from protocol.events import PostCreatedEvent, PostDeletedEvent, PostEditedEvent, PostEngagementEvent
from protocol.limits import Limit
from protocol.posts import (
    CreatePost,
    CreateShare,
    EditPost,
    ListPosts,
    Post,
    PostPage,
    PostRef,
    ReplyPolicy,
    Visibility,
)
from protocol.rpc import Nothing, methods
from storage import graph, posts, present, users
from storage.database import Transaction

POST_LIMIT = Limit("post", "10/hour", "post.create by user")
SHARE = Limit("share", "60/hour", "share.create by user")


@methods.rpc("post.create", limit=POST_LIMIT, counts=(MENTION, NEW_POST), renew=renew_media)
async def create_post(call: Call, request: CreatePost, tx: Transaction) -> Post:
    """Publish a post. The same idempotency key returns the first answer."""
    check_not_empty(request.text, request.media_ids)
    seen_by, circle_id = await chosen_audience(tx, request.visibility, request.circle_id)
    return await _publish(
        call, tx, request.text, request.media_ids, visibility=seen_by, circle_id=circle_id,
        reply_policy=request.reply_policy,
    )  # fmt: skip


@methods.rpc("share.create", limit=SHARE, counts=(MENTION, NEW_POST), renew=renew_media)
async def share_post(call: Call, request: CreateShare, tx: Transaction) -> Post:
    """Share a post that everybody may see, as a post of the caller. A share of a share points to the original.

    Without a text, sharing a post again returns the first share.
    """
    shared = await _load(call, tx, int(request.post_id))
    if shared["shared_post_id"] is not None:
        shared = await _load(call, tx, shared["shared_post_id"])
    if (shared["chosen_visibility"] or shared["visibility"]) != "public" or shared["author_is_private"]:
        raise errors.failed_precondition("only public posts of open accounts can be shared")
    is_own = shared["author_id"] == call.viewer.id
    if shared["standing"] in ("held", "removed") or (shared["standing"] == "limited" and not is_own):
        raise errors.failed_precondition("a decision of moderation keeps this post from being shared")
    if not request.text:
        await posts.lock_shares(tx, call.viewer.id)
        standing_id = await posts.plain_share(tx, call.viewer.id, shared["id"])
        if standing_id is not None:
            return present.post(await _load(call, tx, standing_id), call.show_media)
    share = await _publish(call, tx, request.text or "", shared_post_id=shared["id"])
    event = PostEngagementEvent(post_id=shared["id"], user_id=call.viewer.id, action="share")
    await call.services.outbox.add(tx, event)
    return share


@methods.rpc("post.get", reads=True)
async def get_post(call: Call, request: PostRef, tx: Transaction) -> Post:
    """One post."""
    return present.post(await _load(call, tx, int(request.post_id)), call.show_media)


@methods.rpc("post.list", reads=True)
async def list_posts(call: Call, request: ListPosts, tx: Transaction) -> PostPage:
    """A user's posts that the caller may see, newest first."""
    author_id, limit = int(request.user_id), request.limit or DEFAULT_LIMIT
    if not await users.load_one(tx, author_id):
        raise errors.not_found("user")
    if not await graph.is_open(tx, author_id):
        return PostPage(items=[], next_cursor=None)
    before = page_start(call, request.user_id, request.cursor)
    rows = await posts.load_of_author(tx, author_id, before, limit)
    items = [
        present.post(row, call.show_media)
        for row in rows
        if visibility.may_see(row, call.viewer.id) and not visibility.hides_label(row, call.viewer.id)
    ]
    cursor = cursor_after(call, request.user_id, [row["id"] for row in rows], limit)
    return PostPage(items=items, next_cursor=cursor)


@methods.rpc("post.edit", counts=(MENTION,))
async def edit_post(call: Call, request: EditPost, tx: Transaction) -> Post:
    """Change the text of the caller's own post if it is still at that version."""
    post_id = int(request.post_id)
    standing = await posts.lock_own(tx, post_id, call.viewer.id)
    if standing is None:
        raise errors.not_found("post")
    await check_stays_not_empty(tx, request.text, "post", post_id)
    if standing["version"] == request.version + 1 and standing["text"] == request.text:
        return present.post(await _load(call, tx, post_id), call.show_media)  # a repetition: the first answer was lost
    if standing["version"] != request.version:
        raise errors.stale_version()
    mention_ids = await find_mentioned(tx, request.text)
    named = tuple(sorted({*mention_ids} - {*standing["mention_ids"]}))
    await count_mentions(call, named)
    verdict = await screen(call, tx, "post", post_id, [("text", request.text)], is_edit=True)
    await posts.edit(
        tx,
        id=post_id,
        author_id=call.viewer.id,
        text=request.text,
        hashtags=hashtags(request.text),
        topics=topics(request.text),
        mention_ids=mention_ids,
    )
    await settle(call, tx, verdict, "post", post_id)
    await call.services.outbox.add(tx, PostEditedEvent(post_id=post_id, author_id=call.viewer.id, named=named))
    return present.post(await _load(call, tx, post_id), call.show_media)


@methods.rpc("post.delete")
async def delete_post(call: Call, request: PostRef, tx: Transaction) -> Nothing:
    """Delete the caller's own post. Repeating it changes nothing."""
    post_id = int(request.post_id)
    if await posts.lock_own(tx, post_id, call.viewer.id) is None:
        if not await posts.was_deleted(tx, post_id, call.viewer.id):
            raise errors.not_found("post")
        return Nothing()
    await posts.delete(tx, post_id)
    await call.services.outbox.add(tx, PostDeletedEvent(post_id=post_id, author_id=call.viewer.id))
    return Nothing()


@methods.rpc("post.watch", limit=None, shed="read")
async def watch_post(call: Call, request: PostRef, tx: Transaction) -> Post:
    """The post as it is now; pushes about its changes follow."""
    row = await _load(call, tx, int(request.post_id))
    channel = POST.channel(row["id"])
    recorded = await call.socket.watch({channel: row["author_id"]})
    try:
        # Loaded again after subscribing, so that no change falls between the answer and the first push.
        row = await _load(call, tx, row["id"])
        await recorded
        return present.post(row, call.show_media)
    except BaseException:
        await call.socket.unwatch(channel)
        raise


@methods.rpc("post.unwatch", limit=None, shed="read")
async def unwatch_post(call: Call, request: PostRef) -> Nothing:
    """Stop watching. Repeating it changes nothing."""
    await call.socket.unwatch(POST.channel(int(request.post_id)))
    return Nothing()


async def _publish(
    call: Call,
    tx: Transaction,
    text: str,
    media_ids: Sequence[str] | None = None,
    *,
    visibility: Visibility = "public",
    circle_id: int | None = None,
    reply_policy: ReplyPolicy | None = None,
    shared_post_id: int | None = None,
) -> Post:
    await count_new(call, NEW_POST)
    mention_ids = await find_mentioned(tx, text)
    await count_mentions(call, mention_ids)
    post_id = call.services.ids.mint()
    verdict = await screen(call, tx, "post", post_id, [("text", text)], media_ids=media_ids)
    await posts.insert(
        tx,
        id=post_id,
        author_id=call.viewer.id,
        text=text,
        visibility=visibility,
        circle_id=circle_id,
        reply_policy=reply_policy or "everyone",
        hashtags=hashtags(text),
        topics=topics(text),
        mention_ids=mention_ids,
        shared_post_id=shared_post_id,
    )
    await use_media(call, tx, media_ids, "post", post_id)
    await settle(call, tx, verdict, "post", post_id)
    # One transaction: no post without its event, no event without its post.
    await call.services.outbox.add(tx, PostCreatedEvent(post_id=post_id, author_id=call.viewer.id))
    return present.post(await _load(call, tx, post_id), call.show_media)


async def _load(call: Call, tx: Transaction, post_id: int) -> posts.PostRow:
    rows = await posts.load(tx, [post_id])
    if not rows or not visibility.may_see(rows[0], call.viewer.id):
        raise errors.not_found("post")
    return rows[0]
