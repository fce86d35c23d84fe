"""Search: an engine's candidates, viewer rules, ranking, and pages of one order."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from domain import search_documents, search_ranking, visibility
from domain.search_ranking import Scored
from handlers.call import Call
from handlers.live_rooms import show_rooms
from handlers.paging import DEFAULT_LIMIT
from handlers.ranked_pages import cursor_in_order, place_in_order, stored_order
from language.analysis import fold
from protocol.limits import Limit
from protocol.rpc import methods
from protocol.search import FoundHashtag, SearchItem, SearchPage, SearchQuery
from storage import posts, present, search, users
from storage.database import Transaction
from storage.search import SearchPlace
from storage.search_engine import MOST_CANDIDATES, MOST_EVER, MOST_LOOSER, DocumentKind, Found

SEARCH = Limit("search", "120/minute", "search.query by user")
LONGEST_ORDER = 500
# Hidden items leave gaps in a page. They are filled with later ones, by at most this many queries a page.
MOST_REFILLS = 5
MOST_HASHTAGS = 50
FEW = 5  # results with both words; if there are fewer, those with one of them follow
# A search for everything shows so many of these before the posts, if they match well.
_MIXED: Mapping[DocumentKind, int] = {"user": 3, "hashtag": 3, "room": 2}
_WELL = 0.5

Candidates = Mapping[DocumentKind, Sequence[Found]]
Groups = Sequence[Sequence[str]]  # for each word of a query, the terms that stand for it


@methods.rpc("search.query", limit=SEARCH, overlaps=True, shed="read")
async def search_everything(call: Call, request: SearchQuery) -> SearchPage:
    """Results that the caller may see, best first. Pages keep one order for 10 minutes."""
    if request.kind == "sound":
        return SearchPage(items=[], next_cursor=None)  # nobody can publish sounds yet
    viewer_id, limit = call.viewer.id, request.limit or DEFAULT_LIMIT
    scope = f"search.query:{request.kind}:{hashlib.sha256(request.q.encode()).hexdigest()}"
    orders, is_first = call.services.search_orders, request.cursor is None
    token, start = place_in_order(call, scope, request.cursor)
    candidates: Candidates = {}
    kept: list[SearchPlace] = []
    groups = search_documents.query_groups(request.q) if is_first else []
    if is_first:
        candidates = await _candidates(call, request.q, groups, request.kind)
        call.after_commit(lambda: _remember(call, request.q))
    else:
        kept = await stored_order(orders, token)

    async def read(tx: Transaction) -> tuple[list[SearchPlace], list[SearchItem], int]:
        order = await _rank(call, tx, request.q, candidates) if is_first else kept
        return order, *await _page(call, tx, order, start, limit)

    order, items, used = await call.services.database.read(viewer_id, read, budget=call.budget)
    if is_first and _may_miss_others(candidates, order, request.kind or "post", limit):
        more = await _candidates(call, request.q, groups, request.kind or "post", MOST_EVER)
        candidates = {**candidates, **more}
        order, items, used = await call.services.database.read(viewer_id, read, budget=call.budget)
    if len(order) < min(limit, FEW) and search_documents.are_two_words(groups):
        candidates = await _with_either(call, request.q, groups, request.kind, _of_order(candidates, order))
        order, items, used = await call.services.database.read(viewer_id, read, budget=call.budget)
    if is_first and used < len(order):
        await orders.keep(token, order[:LONGEST_ORDER])
    return SearchPage(items=items, next_cursor=cursor_in_order(call, scope, token, used, len(order)))


def _may_miss_others(candidates: Candidates, order: Sequence[SearchPlace], kind: DocumentKind, limit: int) -> bool:
    """Whether the caller may see so few candidates of a kind that others, for which no place was left, are missing."""
    shown = sum(place[0] == kind for place in order)
    return shown < min(limit, DEFAULT_LIMIT) and len(candidates.get(kind, ())) >= MOST_LOOSER


async def _candidates(
    call: Call, q: str, groups: Groups, kind: DocumentKind | None, most: int = MOST_CANDIDATES
) -> Candidates:
    """Ask the engine for all kinds at once."""
    if not groups:
        return {}
    kinds = (kind,) if kind is not None else (*_MIXED, "post")
    found = await asyncio.gather(*(_candidates_of_kind(call, q, groups, each, most) for each in kinds))
    return dict(zip(kinds, found, strict=True))


async def _candidates_of_kind(call: Call, q: str, groups: Groups, kind: DocumentKind, most: int) -> Sequence[Found]:
    """Search for one kind. Users whom the caller follows or names are searched apart: they may have little weight."""
    engine = call.services.search
    most = MOST_HASHTAGS if kind == "hashtag" else most
    found = await engine.candidates(kind, groups, most)
    if kind != "user" or len(found) < MOST_LOOSER:
        return found
    username = search_ranking.username_in(q)
    likely = await call.services.database.read(
        call.viewer.id, lambda tx: search.likely_ids(tx, username), budget=call.budget
    )
    apart = await engine.candidates(kind, groups, most, among=likely)
    return list({user.id: user for user in (*apart, *found)}.values())


async def _with_either(call: Call, q: str, groups: Groups, kind: DocumentKind | None, both: Candidates) -> Candidates:
    """Add documents that have one of the words, for a caller who sees few that have both.

    both: what the caller may see. What the engine finds does not matter: otherwise the answer would reveal whether a
    hidden document has both.
    """
    found = {each: {one.id: one for one in of_kind} for each, of_kind in both.items()}
    for of_word in await asyncio.gather(*(_candidates(call, q, [group], kind) for group in groups)):
        for each, of_kind in of_word.items():
            for one in of_kind:
                found[each].setdefault(one.id, one._replace(text_score=search_ranking.LOOSE * one.text_score))
    return {each: list(known.values()) for each, known in found.items()}


def _of_order(candidates: Candidates, order: Sequence[SearchPlace]) -> Candidates:
    places = {place[:2] for place in order}
    return {kind: [each for each in found if (kind, each.id) in places] for kind, found in candidates.items()}


async def _rank(call: Call, tx: Transaction, q: str, candidates: Candidates) -> list[SearchPlace]:
    """The order of what the caller may see."""
    order: list[SearchPlace] = []
    for kind, found in candidates.items():
        titles = {each.id: each.title for each in found}
        scored = await _RANKS[kind](call, tx, q, found)
        if kind != "post" and len(candidates) > 1:
            scored = [each for each in scored[: _MIXED[kind]] if each[0] >= _WELL]
        order.extend((kind, found_id, titles[found_id]) for _, found_id in scored)
    return order


async def _rank_posts(call: Call, tx: Transaction, q: str, found: Sequence[Found]) -> list[Scored]:
    rows = await search.found_posts(tx, _ids(found))
    return search_ranking.rank_posts(q, found, rows, call.viewer.id, call.services.now())


async def _rank_users(call: Call, tx: Transaction, q: str, found: Sequence[Found]) -> list[Scored]:
    return search_ranking.rank_users(q, found, await search.found_users(tx, _ids(found)))


async def _rank_hashtags(call: Call, tx: Transaction, q: str, found: Sequence[Found]) -> list[Scored]:
    shown = await search.found_hashtags(tx, [search_documents.tag_term(each.title) for each in found])
    seen = [each for each in found if search_documents.tag_term(each.title) in shown]
    return search_ranking.rank_hashtags(q, seen)


async def _rank_rooms(call: Call, tx: Transaction, q: str, found: Sequence[Found]) -> list[Scored]:
    rows = await search.found_rooms(tx, _ids(found))
    return search_ranking.rank_rooms(q, found, rows, call.services.now())


_RANKS: Mapping[DocumentKind, Callable[[Call, Transaction, str, Sequence[Found]], Awaitable[list[Scored]]]] = {
    "post": _rank_posts,
    "user": _rank_users,
    "hashtag": _rank_hashtags,
    "room": _rank_rooms,
}


async def _page(
    call: Call, tx: Transaction, order: Sequence[SearchPlace], used: int, limit: int
) -> tuple[list[SearchItem], int]:
    """The items from `used` on, and where the next page begins."""
    items: list[SearchItem] = []
    for _ in range(MOST_REFILLS):
        part = order[used : used + limit - len(items)]
        used += len(part)
        items += await _shown(call, tx, part)
        if len(items) == limit or used >= len(order):
            break
    return items, used


async def _shown(call: Call, tx: Transaction, part: Sequence[SearchPlace]) -> list[SearchItem]:
    """Those that the caller may see now, with the rows that they have now."""
    ids: dict[DocumentKind, list[int]] = {}
    for kind, found_id, _ in part:
        ids.setdefault(kind, []).append(found_id)
    shown: dict[tuple[DocumentKind, int], SearchItem] = {}
    if "post" in ids:
        for post in await posts.load(tx, ids["post"]):
            if visibility.may_find(post, call.viewer.id):
                shown["post", post["id"]] = SearchItem(kind="post", post=present.post(post, call.show_media))
    if "user" in ids:
        for user_id, user in (await users.load(tx, ids["user"])).items():
            if not user["blocks"]:
                shown["user", user_id] = SearchItem(kind="user", user=present.user(user))
    if "room" in ids:
        for room in await show_rooms(call, tx, ids["room"]):
            shown["room", int(room.id)] = SearchItem(kind="room", room=room)
    if "hashtag" in ids:
        tags = {search_documents.tag_term(title): (kind, tag_id, title) for kind, tag_id, title in part}
        for tag in await search.found_hashtags(tx, [tag for tag, place in tags.items() if place[0] == "hashtag"]):
            kind, tag_id, title = tags[tag]
            shown[kind, tag_id] = SearchItem(kind="hashtag", hashtag=FoundHashtag(name=title))
    return [shown[kind, found_id] for kind, found_id, _ in part if (kind, found_id) in shown]


async def _remember(call: Call, q: str) -> None:
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        await search.remember(tx, call.viewer.id, fold(q) or q, q)


def _ids(found: Sequence[Found]) -> list[int]:
    return [each.id for each in found]
