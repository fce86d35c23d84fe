"""Explore: trends, trending posts and videos, and people whom the caller may know."""

from collections.abc import Sequence

from domain import visibility
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT
from handlers.ranked_pages import cursor_in_order, place_in_order, stored_order
from protocol import errors
from protocol.explore import (
    Explore,
    ListSuggestedPeople,
    ListTrends,
    PersonRef,
    SuggestedPeople,
    SuggestedPerson,
    Trend,
    TrendList,
)
from protocol.posts import Post
from protocol.rpc import NoArguments, Nothing, methods
from protocol.users import Governorate
from storage import accounts, explore, posts, present, users
from storage.database import Transaction
from storage.explore_pages import ExplorePage

PEOPLE = 10  # on the explore page
MOST_PEOPLE = 200  # on all pages of the list
POSTS = 20
VIDEOS = 10
# A viewer may not see all of them.
SPARE = 2


@methods.rpc("explore.get", reads=True)
async def get_explore(call: Call, request: NoArguments, tx: Transaction) -> Explore:
    """The explore page."""
    page = await _page(call, tx, await accounts.governorate(tx, call.viewer.id))
    rows = {row["id"]: row for row in await posts.load(tx, [*{*page.post_ids, *page.video_ids}])}
    return Explore(
        trends=list(map(_trend, page.trends)),
        local_trends=list(map(_trend, page.local_trends)),
        posts=_shown(call, rows, page.post_ids)[:POSTS],
        videos=_shown(call, rows, page.video_ids)[:VIDEOS],
        people=await _people(tx, await explore.suggested_people(tx, PEOPLE)),
    )


@methods.rpc("explore.trends", reads=True)
async def list_trends(call: Call, request: ListTrends, tx: Transaction) -> TrendList:
    """The trends of a governorate, or of the whole country, hottest first."""
    page = await _page(call, tx, request.governorate)
    return TrendList(items=list(map(_trend, page.local_trends if request.governorate else page.trends)))


@methods.rpc("explore.people", reads=True)
async def list_suggested_people(call: Call, request: ListSuggestedPeople, tx: Transaction) -> SuggestedPeople:
    """At most 200 people whom the caller may know: most common follows first. Pages keep one order for 10 minutes."""
    limit, orders, scope = request.limit or DEFAULT_LIMIT, call.services.people_orders, "explore.people"
    token, used = place_in_order(call, scope, request.cursor)
    suggested = {each.user_id: each for each in await explore.suggested_people(tx, MOST_PEOPLE)}
    if request.cursor is None:
        order = [*suggested]
        if len(order) > limit:
            await orders.keep(token, order)
    else:
        order = await stored_order(orders, token)
    # Without those whom the caller has dismissed, followed or blocked since the order was made.
    page = [at for at in range(used, len(order)) if order[at] in suggested][:limit]
    used = page[-1] + 1 if len(page) == limit else len(order)
    items = await _people(tx, [suggested[order[at]] for at in page])
    return SuggestedPeople(items=items, next_cursor=cursor_in_order(call, scope, token, used, len(order)))


@methods.rpc("explore.dismiss_person")
async def dismiss_person(call: Call, request: PersonRef, tx: Transaction) -> Nothing:
    """Stop suggesting that user. Repeating it changes nothing."""
    user_id = int(request.user_id)
    if user_id == call.viewer.id:
        raise errors.invalid("user_id", "is the caller's own id")
    if await users.load_one(tx, user_id) is None:
        raise errors.not_found("user")
    await explore.dismiss_person(tx, call.viewer.id, user_id)
    return Nothing()


async def _page(call: Call, tx: Transaction, governorate: Governorate | None) -> ExplorePage:
    """The part of the page that is the same for all in that governorate."""

    async def compute() -> ExplorePage:
        # In the caller's transaction: a second one could wait for the first.
        return ExplorePage(
            trends=await explore.trends(tx, None),
            local_trends=await explore.trends(tx, governorate) if governorate else (),
            post_ids=await explore.trending_post_ids(tx, SPARE * POSTS),
            video_ids=await explore.trending_post_ids(tx, SPARE * VIDEOS, only_videos=True),
        )

    return await call.services.explore_pages.get(governorate or explore.COUNTRY, compute)


async def _people(tx: Transaction, suggested: Sequence[explore.PersonSuggestion]) -> list[SuggestedPerson]:
    found = await users.load_lite(tx, [each.user_id for each in suggested])
    return [
        SuggestedPerson(
            user=present.user_lite(found[each.user_id], each.user_id),
            common_count=each.common,
            follows_you=each.follows_viewer,
        )
        for each in suggested
        if each.user_id in found
    ]


def _shown(call: Call, rows: dict[int, posts.PostRow], post_ids: Sequence[int]) -> list[Post]:
    """Those of others that the viewer may see."""
    found = [rows[post_id] for post_id in post_ids if post_id in rows]
    viewer_id = call.viewer.id
    return [
        present.post(row, call.show_media)
        for row in found
        if row["author_id"] != viewer_id and visibility.may_find(row, viewer_id)
    ]


def _trend(row: explore.TrendRow) -> Trend:
    return Trend(tag=row.tag, name=row.spelling, people=row.people, hours=row.hours)
