"""Search as engines do it by themselves, without our text pipeline: what the table compares us with.

Each sees the texts that we index: of users, names without the bio; of hashtags, words without underscores.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientSession, encode_basic_auth

from evaluation.gold_set import GoldDocument, GoldKind
from evaluation.search_scores import K
from storage.seeding import Connection
from storage.text_baselines import insert_texts, search_texts

INDEX = "evaluation-of-arabic"

Search = Callable[[GoldKind, str], Awaitable[list[str]]]


async def postgres_arabic(connection: Connection, documents: Sequence[GoldDocument]) -> Search:
    """PostgreSQL's configuration `arabic`: Snowball's stemmer. All words of a query must match."""
    await insert_texts(connection, [(each.id, each.kind, _text(each)) for each in documents])

    async def search(kind: GoldKind, q: str) -> list[str]:
        return await search_texts(connection, kind, q, K)

    return search


@asynccontextmanager
async def opensearch_arabic(
    url: str, auth: tuple[str, str] | None, documents: Sequence[GoldDocument]
) -> AsyncIterator[Search]:
    """OpenSearch's analyser `arabic` and BM25, over an index of its own. One word of a query is enough.

    auth: user and password.
    """
    login = {"authorization": encode_basic_auth(*auth)} if auth else None
    async with ClientSession(url, headers=login, raise_for_status=True) as http:
        text = {"type": "text", "analyzer": "arabic"}
        mapping = {"properties": {"kind": {"type": "keyword"}, "text": text}}
        await http.put(f"/{INDEX}", json={"mappings": mapping, "settings": {"number_of_replicas": 0}})
        try:
            lines = (
                line
                for each in documents
                for line in ({"index": {"_id": each.id}}, {"kind": each.kind, "text": _text(each)})
            )
            bulk = "".join(json.dumps(line) + "\n" for line in lines)
            headers = {"Content-Type": "application/x-ndjson"}
            async with http.post(f"/{INDEX}/_bulk?refresh=true", data=bulk, headers=headers) as answer:
                if (await answer.json())["errors"]:
                    raise LookupError("OpenSearch refused documents of the gold set")

            async def search(kind: GoldKind, q: str) -> list[str]:
                wanted = {"bool": {"must": {"match": {"text": q}}, "filter": {"term": {"kind": kind}}}}
                async with http.post(f"/{INDEX}/_search", json={"query": wanted, "size": K}) as answer:
                    return [hit["_id"] for hit in (await answer.json())["hits"]["hits"]]

            yield search
        finally:
            await http.delete(f"/{INDEX}")


def trigrams(documents: Sequence[GoldDocument]) -> Search:
    """Trigrams as pg_trgm counts them: the share of the query's trigrams that a text has, from 0.3 on."""
    known = [(each, _trigrams(_text(each))) for each in documents]

    async def search(kind: GoldKind, q: str) -> list[str]:
        wanted = _trigrams(q)
        scored = [
            (-len(wanted & of_text) / len(wanted), each.id) for each, of_text in known if each.kind == kind and wanted
        ]
        return [found for score, found in sorted(scored)[:K] if score <= -0.3]

    return search


def _text(document: GoldDocument) -> str:
    if document.kind == "user":
        return " ".join(reversed(document.user_names))
    return document.text.replace("_", " ") if document.kind == "hashtag" else document.text


def _trigrams(text: str) -> set[str]:
    padded = (f"  {word} " for word in text.lower().split())
    return {word[start : start + 3] for word in padded for start in range(len(word) - 2)}
