"""The feed: post ids from the stored feed and from large authors, one query for their rows, viewer rules, messages."""

import secrets

from domain import ranking, visibility
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from protocol import errors
from protocol.posts import FeedItem, FeedPage, GetFeed
from protocol.rpc import methods
from storage import posts, present
from storage.database import Transaction, require_primary
from storage.feeds import LONGEST, LONGEST_READING

# Hidden posts leave gaps in a page. They are filled with older posts, by at most this many queries a page.
MOST_REFILLS = 5


@methods.rpc("feed.get", reads=True)
async def get_feed(call: Call, request: GetFeed, tx: Transaction) -> FeedPage:
    """The caller's feed, ranked or newest first. Pages of a ranked feed keep one order for 10 minutes."""
    limit = request.limit or DEFAULT_LIMIT
    if request.mode == "latest":
        return await _latest(call, tx, request.cursor, limit)
    return await _ranked(call, tx, request.cursor, limit)


async def _latest(call: Call, tx: Transaction, cursor: str | None, limit: int) -> FeedPage:
    before = page_start(call, "latest", cursor)
    stored = await _stored(call, tx)
    items: list[FeedItem] = []
    # A post and its shares are one item, shown where the newest of them is.
    shown = set[int]()
    if cursor is not None:
        shown = await posts.originals_shared_above(tx, stored, before, LONGEST_READING)
    for _ in range(MOST_REFILLS):
        older = [post_id for post_id in stored if post_id < before][:limit]
        stretch = await posts.load_latest(tx, older, before, limit)
        for row in stretch.rows:
            item = _item(call, row, score=None)
            original_id = row["shared_post_id"] or row["id"]
            if item is not None and original_id not in shown:
                shown.add(original_id)
                items.append(item)
                if len(items) == limit:
                    return FeedPage(items=items, next_cursor=next_cursor(call, "latest", row["id"]))
        if stretch.candidates < limit:
            return FeedPage(items=items, next_cursor=None)
        before = stretch.oldest
    return FeedPage(items=items, next_cursor=next_cursor(call, "latest", before))


async def _ranked(call: Call, tx: Transaction, cursor: str | None, limit: int) -> FeedPage:
    """cursor: the token of the stored order, and the position in it."""
    viewer_id = call.viewer.id
    scope = "feed.get:ranked"
    place = call.services.cursors.open(viewer_id, scope, cursor)
    if place is None:
        stored = await _stored(call, tx)
        order = ranking.rank(await posts.load_candidates(tx, stored, LONGEST_READING), call.services.now())
        token, used = secrets.token_hex(8), 0
        if len(order) > limit:
            await call.services.feeds.keep_reading(token, order)
    else:
        token, _, passed = place.partition(":")
        used = int(passed)
        kept = await call.services.feeds.reading(token)
        if kept is None:
            raise errors.failed_precondition("this cursor has expired: begin again without one")
        order = kept
    items: list[FeedItem] = []
    for _ in range(MOST_REFILLS):
        page = dict(order[used : used + limit - len(items)])
        used += len(page)
        rows = {row["id"]: row for row in await posts.load(tx, list(page))} if page else {}
        shown = (_item(call, rows[post_id], score) for post_id, score in page.items() if post_id in rows)
        items.extend(item for item in shown if item is not None)
        if len(items) == limit or used == len(order):
            break
    more = used < len(order)
    return FeedPage(
        items=items,
        next_cursor=call.services.cursors.seal(viewer_id, scope, f"{token}:{used}") if more else None,
    )


def _item(call: Call, row: posts.PostRow, score: float | None) -> FeedItem | None:
    reason = visibility.feed_reason(row, call.viewer.id)
    return reason and FeedItem(post=present.post(row, call.show_media), reason=reason, score=score and round(score, 4))


async def _stored(call: Call, tx: Transaction) -> list[int]:
    """Post ids, newest first. Rebuilds a feed that Redis has lost or evicted."""
    feeds, viewer_id = call.services.feeds, call.viewer.id
    found = await feeds.read(viewer_id)
    if found is None:
        require_primary(tx)  # or posts would be lost whose fan-out came before the rebuild, and their rows after it
        await feeds.begin_rebuild(viewer_id)
        rebuilt = await posts.feed_ids(tx, LONGEST)
        await feeds.finish_rebuild(viewer_id, rebuilt)
        found = await feeds.read(viewer_id)
    return found if found is not None else rebuilt
