"""Hashtags: the posts of one, newest first or most engaged with first."""

from domain import visibility
from domain.post_text import hashtag_key
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from handlers.ranked_pages import cursor_in_order, place_in_order, stored_order
from protocol import errors
from protocol.explore import HashtagPage, HashtagRef, ListHashtagPosts
from protocol.posts import Post, PostPage
from protocol.rpc import methods
from storage import hashtags, posts, present
from storage.database import Transaction
from storage.feeds import LONGEST_READING

# Hidden posts leave gaps in a page. They are filled with further posts, by at most this many queries a page.
MOST_REFILLS = 5


@methods.rpc("hashtag.get", reads=True)
async def get_hashtag(call: Call, request: HashtagRef, tx: Transaction) -> HashtagPage:
    """A hashtag, whether it has posts or not."""
    key = _key(request.tag)
    return HashtagPage(tag=key, post_count=await hashtags.count_posts(tx, key))


@methods.rpc("hashtag.posts", reads=True)
async def list_hashtag_posts(call: Call, request: ListHashtagPosts, tx: Transaction) -> PostPage:
    """Public posts with a hashtag. Pages of the top posts keep one order for 10 minutes."""
    key, limit = _key(request.tag), request.limit or DEFAULT_LIMIT
    if request.mode == "top":
        return await _top(call, tx, key, request.cursor, limit)
    return await _latest(call, tx, key, request.cursor, limit)


async def _latest(call: Call, tx: Transaction, key: str, cursor: str | None, limit: int) -> PostPage:
    scope = f"latest:{key}"
    before = page_start(call, scope, cursor)
    items: list[Post] = []
    for _ in range(MOST_REFILLS):
        ids = await hashtags.post_ids(tx, key, before, limit)
        for row in await posts.load(tx, ids) if ids else ():
            if visibility.may_find(row, call.viewer.id):
                items.append(present.post(row, call.show_media))
                if len(items) == limit:
                    return PostPage(items=items, next_cursor=next_cursor(call, scope, row["id"]))
        if len(ids) < limit:
            return PostPage(items=items, next_cursor=None)
        before = ids[-1]
    return PostPage(items=items, next_cursor=next_cursor(call, scope, before))


async def _top(call: Call, tx: Transaction, key: str, cursor: str | None, limit: int) -> PostPage:
    orders, scope = call.services.hashtag_orders, f"hashtag.posts:top:{key}"
    token, used = place_in_order(call, scope, cursor)
    if cursor is None:
        order = await hashtags.top_post_ids(tx, key, LONGEST_READING)
        if len(order) > limit:
            await orders.keep(token, order)
    else:
        order = await stored_order(orders, token)
    items: list[Post] = []
    for _ in range(MOST_REFILLS):
        ids = order[used : used + limit - len(items)]
        used += len(ids)
        rows = {row["id"]: row for row in await posts.load(tx, ids)} if ids else {}
        found = (rows[post_id] for post_id in ids if post_id in rows)
        shown = (row for row in found if visibility.may_find(row, call.viewer.id))
        items.extend(present.post(row, call.show_media) for row in shown)
        if len(items) == limit or used == len(order):
            break
    return PostPage(items=items, next_cursor=cursor_in_order(call, scope, token, used, len(order)))


def _key(tag: str) -> str:
    key = hashtag_key(tag)
    if key is None:
        raise errors.invalid("tag", "is not a hashtag")
    return key
