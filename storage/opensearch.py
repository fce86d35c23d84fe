"""The search engine beyond one machine: an OpenSearch cluster."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec

from storage import opensearch_bulk
from storage.metrics import SEARCH_PARTIAL
from storage.opensearch_bulk import removed, written
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink
from storage.search_engine import (
    MOST_EVER,
    MOST_LOOSER,
    Document,
    DocumentKind,
    Found,
    SearchUnavailable,
    by_sound,
    reading_time,
)

SUGGESTED: tuple[DocumentKind, ...] = ("user", "hashtag", "word")
SCORES = (1.0, 0.9, 0.7, 0.4)  # of documents that the first, second, … query finds: see `_matching`

_encode = msgspec.json.Encoder().encode
_Query = dict[str, object]


class OpenSearch:
    """Implements `SearchEngine`, with one request for each answer. Needs a running loop."""

    def __init__(self, link: OpenSearchLink) -> None:
        self._link = link
        self._alias = OpenSearchIndices(link).alias
        self._timeout = f"{500 * link.servers.deadline_s:.0f}ms"  # after which a shard answers what it has found

    async def write(self, documents: Sequence[Document], *, read_at: int | None = None) -> None:
        """Also raises DocumentsRefused for documents that it never takes, once all others are written."""
        version = read_at or reading_time()
        latest = {(each.kind, each.id): written(each, version) for each in documents}
        await opensearch_bulk.send(self._link, self._alias, [*latest.values()])

    async def remove(self, kind: DocumentKind, ids: Sequence[int], *, read_at: int | None = None) -> None:
        version = read_at or reading_time()
        items = [removed(kind, document_id, version) for document_id in {*ids}]
        await opensearch_bulk.send(self._link, self._alias, items)

    async def candidates(
        self, kind: DocumentKind, groups: Sequence[Sequence[str]], most: int, *, among: Sequence[int] | None = None
    ) -> list[Found]:
        if not groups or not all(groups) or most <= 0:
            return []
        most = min(most, MOST_EVER)
        until, kept = max(min(most, MOST_LOOSER), most // 2), most * 3 // 10
        filters: list[_Query] = [{"term": {"kind": kind}}]
        if among is not None:
            filters.append({"ids": {"values": [f"{kind}:{document_id}" for document_id in among]}})
        queries: list[_Query] = [{"bool": {"filter": filters, **matching}} for matching in _matching(groups)]
        answers = await self._search("candidates", queries, most)
        exact, alike, *looser = (
            [_found(kind, hit, score) for hit in hits] for score, hits in zip(SCORES, answers, strict=False)
        )
        alike = alike[:kept] if until - len(exact) < kept else []
        found = {each.id: each for each in (*exact[: most - len(alike)], *alike)}
        for each in chain.from_iterable(looser):
            if len(found) >= until:
                break
            found.setdefault(each.id, each)
        return [*found.values()]

    async def suggest(self, groups: Sequence[Sequence[str]], most: int) -> list[Found]:
        if not groups or not all(groups) or most <= 0:
            return []
        queries: list[_Query] = [
            {"bool": {"filter": [{"term": {"kind": kind}}, *map(_any_of, groups)]}} for kind in SUGGESTED
        ]
        answers = await self._search("suggest", queries, most)
        return [_found(kind, hit, 1.0) for kind, hits in zip(SUGGESTED, answers, strict=True) for hit in hits]

    async def _search(self, operation: str, queries: Sequence[_Query], most: int) -> Iterator[list[Any]]:
        """The first hits of each query, in the order of the index: `terminate_after` ends in the oldest segment."""
        lines = []
        for query in queries:
            lines += [b"{}", _encode({
                "query": query,
                "size": most,
                "sort": [{"weight": "desc"}, {"created_at": "desc"}],
                "track_total_hits": False,
                "timeout": self._timeout,
                "stored_fields": "_none_",
                "docvalue_fields": ["id", "title"],
            })]  # fmt: skip
        answer = await self._link.request(operation, "GET", f"{self._alias}/_msearch", lines=lines)
        for each in answer["responses"]:
            if error := each.get("error"):
                raise SearchUnavailable(f"{error['type']}: {error['reason']}")
            if each["timed_out"] or each["_shards"]["failed"]:
                SEARCH_PARTIAL.inc()
        return (each["hits"]["hits"] for each in answer["responses"])


def _matching(groups: Sequence[Sequence[str]]) -> list[_Query]:
    """From strict to loose: with the first alternative of each word, a likely sound, any form, and all words but one.

    Exact matches are few beside all others, among which they would drown. Those by sound exclude them.
    """
    exact, any_form = [_any_of(group[:1]) for group in groups], [_any_of(group) for group in groups]
    alike: _Query = {"must": [*map(_any_of, by_sound(groups))], "must_not": {"bool": {"must": exact}}}
    matching: list[_Query] = [{"must": exact}, alike, {"must": any_form}]
    if len(groups) > 2:
        matching.append({"should": any_form, "minimum_should_match": len(groups) - 1})
    return matching


def _any_of(group: Sequence[str]) -> _Query:
    return {"terms": {"terms": group}}


def _found(kind: DocumentKind, hit: Any, score: float) -> Found:
    fields = hit["fields"]
    return Found(kind, fields["id"][0], score, fields["title"][0])
