"""The feed: post ids from the stored feed and from large authors, one query for their rows, viewer rules, messages."""

from collections.abc import Awaitable

from domain import ranking, visibility
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from handlers.ranked_pages import cursor_in_order, place_in_order, stored_order
from protocol.feed import FeedItem, FeedPage, FeedSource, GetFeed
from protocol.rpc import methods
from storage import feed_ranking, posts, present
from storage.database import Transaction, require_primary
from storage.exposures import Exposure
from storage.feed_ranking import FeedOrder
from storage.feeds import LONGEST, LONGEST_READING

# Hidden posts leave gaps in a page. They are filled with older posts, by at most this many queries a page.
MOST_REFILLS = 5


@methods.rpc("feed.get", reads=True)
async def get_feed(call: Call, request: GetFeed, tx: Transaction) -> FeedPage:
    """The caller's feed, ranked or newest first. Pages of a ranked feed keep one order for 10 minutes.

    Only a ranked feed has recommendations: at most a fifth of a page, and never two in a row. A feed with fewer than 20
    posts that are new to the caller ends with recommendations alone.
    """
    if request.sponsored_only:
        return FeedPage(items=[], next_cursor=None)
    return await (_latest if request.mode == "latest" else _ranked)(call, tx, request, request.limit or DEFAULT_LIMIT)


async def _latest(call: Call, tx: Transaction, request: GetFeed, limit: int) -> FeedPage:
    scope = _scope("latest", request)
    before = page_start(call, scope, request.cursor)
    stored = await stored_ids(call, tx)
    items: list[FeedItem] = []
    # A post and its shares are one item, shown where the newest of them is.
    shown = set[int]()
    if request.cursor is not None:
        shown = await posts.originals_shared_above(tx, stored, before, LONGEST_READING)
    for _ in range(MOST_REFILLS):
        older = [post_id for post_id in stored if post_id < before][:limit]
        stretch = await posts.load_latest(tx, older, before, limit)
        for row in stretch.rows:
            item = _item(call, row, request)
            original_id = row["shared_post_id"] or row["id"]
            # A mention by a stranger is in no latest feed: otherwise anybody could put posts into it.
            if item is not None and item.reason == "follow" and original_id not in shown:
                shown.add(original_id)
                items.append(item)
                if len(items) == limit:
                    return FeedPage(items=items, next_cursor=next_cursor(call, scope, row["id"]))
        if stretch.candidates < limit:
            return FeedPage(items=items, next_cursor=None)
        before = stretch.oldest
    return FeedPage(items=items, next_cursor=next_cursor(call, scope, before))


async def _ranked(call: Call, tx: Transaction, request: GetFeed, limit: int) -> FeedPage:
    viewer_id, orders = call.viewer.id, call.services.feed_orders
    scope = _scope("feed.get:ranked", request)
    token, used = place_in_order(call, scope, request.cursor)
    left_out = set[int]()
    kept: Awaitable[object] | None = None
    if request.cursor is None:
        order = await _rank(call, tx, request)
        if len(order.post_ids) > limit:
            kept = orders.keep(token, order)
    else:
        order = await stored_order(orders, token)
        call.services.seen.mark(viewer_id, order.post_ids[:used])  # the cursor shows that these have arrived
        left_out = await feed_ranking.left_out(tx, order.post_ids[used:])
    items: list[FeedItem] = []
    exposures: list[Exposure] = []
    for _ in range(MOST_REFILLS):
        page = range(used, min(used + limit - len(items), len(order.post_ids)))
        used = page.stop
        asked = [order.post_ids[at] for at in page if order.post_ids[at] not in left_out]
        rows = {row["id"]: row for row in await posts.load(tx, asked)} if asked else {}
        for at in page:
            row = rows.get(post_id := order.post_ids[at])
            source, propensity = order.recommended.get(post_id, (None, None))
            if row is not None and (item := _item(call, row, request, source, order.scores[at])) is not None:
                items.append(item)
                chance = propensity if item.reason == "suggested" else None
                exposures.append(Exposure(post_id, at, item.source, chance))
        if len(items) == limit or used == len(order.post_ids):
            break
    call.services.exposures.note(viewer_id, exposures)
    if kept is not None:
        await kept
    return FeedPage(items=items, next_cursor=cursor_in_order(call, scope, token, used, len(order.post_ids)))


async def _rank(call: Call, tx: Transaction, request: GetFeed) -> FeedOrder:
    """The order of a ranked feed: unseen posts of the feed, and recommended ones."""
    viewer_id, services = call.viewer.id, call.services
    seen, kept = services.seen.ask(viewer_id), services.recommendations.ask(viewer_id)  # in one write with the feed
    stored = await stored_ids(call, tx, LONGEST_READING)
    found = await services.recommendations.of(tx, viewer_id, kept)
    ranked = await feed_ranking.rank(
        tx, stored, list(found), LONGEST_READING, services.now(), bool(request.creators_only)
    )
    unseen = set(await services.seen.unseen(viewer_id, [*ranked.post_ids, *ranked.recommended_ids], seen))
    explored = [post_id for post_id, each in found.items() if each.source == "exploration"]
    order = ranking.mix(ranked, explored, unseen)
    post_ids, scores = map(list, zip(*order, strict=True)) if order else ([], [])
    placed = set(post_ids) if found else set[int]()
    shown = sum(post_id in placed for post_id in explored) / max(len(explored), 1)
    recommended = {
        post_id: (each.source, each.propensity and each.propensity * shown)
        for post_id, each in found.items()
        if post_id in placed
    }
    return FeedOrder(post_ids, scores, recommended)


def _item(
    call: Call,
    row: posts.PostRow,
    request: GetFeed,
    recommended_by: FeedSource | None = None,
    score: float | None = None,
) -> FeedItem | None:
    if request.creators_only and not row["author_is_creator"]:
        return None
    reason = visibility.feed_reason(row, call.viewer.id)
    if reason is not None:
        source: FeedSource = reason
    elif recommended_by is not None and visibility.may_recommend(row, call.viewer.id):
        source = recommended_by
    else:
        return None
    post = present.post(row, call.show_media)
    return FeedItem(post=post, reason=reason or "suggested", source=source, score=score and round(score, 4))


def _scope(name: str, request: GetFeed) -> str:
    return f"{name}:creators" if request.creators_only else name


async def stored_ids(call: Call, tx: Transaction, newest: int = LONGEST) -> list[int]:
    """So many post ids of the caller's feed, newest first. Rebuilds a feed that Redis has lost or evicted."""
    feeds, viewer_id = call.services.feeds, call.viewer.id
    found = await feeds.read(viewer_id, newest)
    if found is None:
        require_primary(tx)  # or posts would be lost whose fan-out came before the rebuild, and their rows after it
        await feeds.begin_rebuild(viewer_id)
        rebuilt = await posts.feed_ids(tx, LONGEST)
        await feeds.finish_rebuild(viewer_id, rebuilt)
        found = await feeds.read(viewer_id, newest)
    return found if found is not None else rebuilt[:newest]
