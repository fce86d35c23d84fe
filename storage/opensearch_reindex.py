"""Builds a new index from PostgreSQL and switches to it, while all search and write.

Steps: fill a new index; copy what was written to the old one meanwhile, again until that is little; let the old one
refuse writes, which writers repeat; copy the rest; switch the alias. Versions make the order of these writes
irrelevant. A run that dies has changed nothing that is searched, and `restart` deletes what it left.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from storage import opensearch_bulk
from storage.opensearch_bulk import copied, written
from storage.opensearch_indices import ADMIN_DEADLINE_S, OpenSearchIndices
from storage.opensearch_link import OpenSearchLink, OpenSearchRefused
from storage.search_engine import Document

PAGE = 1_000
FEW = 200  # documents that are copied while writers wait
ROUNDS = 20  # then writers wait for more than that

Checkpoints = dict[str, int]  # of each shard: the number of its last write that all copies have


class ReindexUnderWay(Exception):
    """Another reindex runs, or was interrupted."""


async def reindex(
    link: OpenSearchLink,
    pages: AsyncIterator[tuple[int, Sequence[Document]]],
    progress: Callable[[str, int], None],
    *,
    restart: bool,
) -> None:
    """pages: all documents, each page with its `reading_time`. progress: called with a step and its documents.

    restart: delete what an interrupted reindex left. Raises SearchUnavailable, ReindexUnderWay.
    """
    indices = OpenSearchIndices(link)
    await indices.ensure()
    old = await indices.current()
    assert old is not None
    if left := await indices.next():
        if not restart:
            raise ReindexUnderWay(f"{left} is being filled, or an interrupted reindex left it")
        await indices.unblock_writes(old)
        await indices.delete(left)
    done = await _checkpoints(link, old)
    new = await indices.create_next()
    async for read_at, documents in pages:
        await opensearch_bulk.send(link, indices.next_alias, [written(each, read_at) for each in documents])
        progress("filling", len(documents))
    for _ in range(ROUNDS):
        done, amount = await _copy(link, indices, old, done)
        progress("copying", amount)
        if amount <= FEW:
            break
    await indices.block_writes(old)
    try:
        _, amount = await _copy(link, indices, old, done)
        progress("copying", amount)
        await indices.refresh(new)
        await indices.switch(new)
    finally:
        with suppress(OpenSearchRefused):
            await indices.unblock_writes(old)
    await _end_of_searches(link, old)
    await indices.delete(old)


async def _end_of_searches(link: OpenSearchLink, old: str) -> None:
    """Wait for the searches that began before the switch, for 30 s at most."""
    for _ in range(150):
        await asyncio.sleep(0.2)
        answer = await link.request("stats", "GET", f"{old}/_stats/search", deadline_s=ADMIN_DEADLINE_S)
        searches = answer["_all"]["total"]["search"]
        if not searches["query_current"] and not searches["fetch_current"]:
            return


async def _copy(
    link: OpenSearchLink, indices: OpenSearchIndices, old: str, done: Checkpoints
) -> tuple[Checkpoints, int]:
    """Copy what the old index got after the checkpoints. Returns new ones, and how many documents that were."""
    reached = await _checkpoints(link, old)
    await indices.refresh(old)
    copies = 0
    for shard, checkpoint in done.items():
        path = f"{old}/_search?scroll=1m&preference=_shards:{shard}"
        query = {"range": {"_seq_no": {"gt": checkpoint}}}
        body = {"size": PAGE, "query": query, "sort": ["_doc"], "version": True}
        answer = await link.request("scroll", "POST", path, body, deadline_s=ADMIN_DEADLINE_S)
        while hits := answer["hits"]["hits"]:
            items = [copied(hit["_id"], hit["_version"], hit["_source"]) for hit in hits]
            await opensearch_bulk.send(link, indices.next_alias, items)
            copies += len(items)
            scroll = {"scroll": "1m", "scroll_id": answer["_scroll_id"]}
            answer = await link.request("scroll", "POST", "_search/scroll", scroll, deadline_s=ADMIN_DEADLINE_S)
        await link.request("scroll", "DELETE", "_search/scroll", {"scroll_id": answer["_scroll_id"]})
    return reached, copies


async def _checkpoints(link: OpenSearchLink, index: str) -> Checkpoints:
    answer = await link.request("stats", "GET", f"{index}/_stats/docs?level=shards", deadline_s=ADMIN_DEADLINE_S)
    shards = answer["indices"][index]["shards"]
    return {number: min(copy["seq_no"]["global_checkpoint"] for copy in shards[number]) for number in shards}
