"""Suggestions while a user types a search, and the user's recent searches."""

from collections.abc import Sequence

from domain import search_documents, search_ranking
from handlers.call import Call
from language.analysis import fold
from protocol.limits import Limit
from protocol.rpc import NoArguments, Nothing, methods
from protocol.search import ClearSearches, RecentSearch, RecentSearches, Suggestion, Suggestions, SuggestSearch
from protocol.timestamps import to_wire
from storage import present, search
from storage.database import Transaction
from storage.search_engine import Found

SUGGEST = Limit("suggest", "600/minute", "search.suggest by user")
MOST = 10
MOST_OF_KIND = 20  # that the engine finds; some of them may be hidden from the caller
_PEOPLE, _HASHTAGS = 5, 3  # of the suggestions, if there are enough others


@methods.rpc("search.suggest", limit=SUGGEST, overlaps=True, shed="minor")
async def suggest(call: Call, request: SuggestSearch) -> Suggestions:
    """At most 10 people, hashtags and words that continue the query, without people whom the caller mutes."""
    groups = search_documents.suggestion_groups(request.q)
    if not groups:
        return Suggestions(items=[])
    viewer_id, services = call.viewer.id, call.services
    found = await services.search.suggest(groups, MOST_OF_KIND)
    people = [each for each in found if each.kind == "user"]
    if len(people) == MOST_OF_KIND:
        username = search_ranking.username_in(request.q)
        likely = await services.database.read(viewer_id, lambda tx: search.likely_ids(tx, username), budget=call.budget)
        people += await services.search.candidates("user", groups, MOST_OF_KIND, among=likely)

    async def read(tx: Transaction) -> Suggestions:
        return await _suggestions(tx, request.q, people, found)

    return await services.database.read(viewer_id, read, budget=call.budget)


@methods.rpc("search.recent", reads=True)
async def list_recent(call: Call, request: NoArguments, tx: Transaction) -> RecentSearches:
    """The caller's own searches, newest first, each once."""
    rows = await search.recent(tx, call.viewer.id)
    return RecentSearches(items=[RecentSearch(q=row["q"], searched_at=to_wire(row["searched_at"])) for row in rows])


@methods.rpc("search.clear")
async def clear_recent(call: Call, request: ClearSearches, tx: Transaction) -> Nothing:
    """Remove one of the caller's recent searches, or all. Repeating it changes nothing."""
    await search.forget(tx, call.viewer.id, None if request.q is None else fold(request.q) or request.q)
    return Nothing()


async def _suggestions(tx: Transaction, q: str, people: Sequence[Found], found: Sequence[Found]) -> Suggestions:
    """found: of each kind, the heaviest first."""
    by_tag = {search_documents.tag_term(each.title): each.title for each in found if each.kind == "hashtag"}
    seen = await search.found_hashtags(tx, list(by_tag)[:MOST]) if by_tag else set()
    hashtags = [Suggestion(kind="hashtag", text=f"#{title}") for tag, title in by_tag.items() if tag in seen]
    if q.startswith(("#", "＃")):
        return Suggestions(items=hashtags[:MOST])
    found_people = await search.suggestible_users(tx, [each.id for each in people])
    rows = {row["id"]: row for row in found_people if not row["mutes"]}
    order = search_ranking.rank_users(q, people, list(rows.values()))
    users = [
        Suggestion(kind="user", text=row["username"], user=present.user_lite(row, row["id"]))
        for row in (rows[user_id] for _, user_id in order)
    ]
    words = [Suggestion(kind="word", text=each.title) for each in found if each.kind == "word"]
    others = [*hashtags[:_HASHTAGS], *words]
    users = users[: max(_PEOPLE, MOST - len(others))]
    return Suggestions(items=[*users, *others][:MOST])
