"""A node whose database holds the gold set and nothing else, on servers of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from evaluation.baselines import Search
from evaluation.gold_set import GoldKind, GoldSet
from evaluation.search_corpus import Names, index_corpus, insert_corpus
from evaluation.search_scores import K
from gateway import client, demo
from gateway.embedded import EmbeddedServers
from gateway.listener import listen
from gateway.node import Node
from gateway.owner import owner_connection
from gateway.search_engines import prepare_search, search_engine
from gateway.settings import Settings
from gateway.stores import open_database, open_stores
from protocol.rpc import methods
from protocol.tokens import AccessTokens
from storage import seeding
from storage.migrating import migrate
from storage.opensearch_indices import OpenSearchIndices

READER = "reader_of_all"
LIFETIME = timedelta(hours=1)
CALL_TIMEOUT_S = 60
MOST_TRIES = 10  # while this machine is busy with other things
UNLIMITED = "1000000/second"
# Fields of an item that name it, as `Names` does.
_KNOWN_BY = {"post": "id", "user": "username", "hashtag": "name", "room": "topic"}


@asynccontextmanager
async def scratch_servers(opensearch: dict[str, Any]) -> AsyncIterator[Settings]:
    """Settings of new servers, which are gone afterwards. opensearch: the settings of a running OpenSearch, or none."""
    with TemporaryDirectory(prefix="daira-evaluation-") as folder:
        servers = EmbeddedServers(Path(folder))
        found = await servers.start()
        try:
            # Nothing is read from the environment: the servers that it names hold real data.
            yield Settings(
                _env_file=None,
                _env_prefix="NOTHING_",
                data_dir=Path(folder),
                prefix=f"evaluation-{found.id}",
                **opensearch,
            )
        finally:
            await servers.stop()


@asynccontextmanager
async def gold_node(settings: Settings, gold: GoldSet) -> AsyncIterator[Search]:
    """Fill the empty database of the settings with the gold set, and search it through a node as an ordinary user."""
    limits = dict.fromkeys(("limit_calls", "limit_work", "limit_handshake"), UNLIMITED)
    limits_of_methods = {limit.name: UNLIMITED for limit in methods.limits}
    settings = settings.model_copy(update={**limits, "limit": limits_of_methods})
    await migrate(settings.owner_database, settings.app_database, settings.worker_database, alone=True)
    await prepare_search(settings)
    async with AsyncExitStack() as closing:
        owner = await closing.enter_async_context(owner_connection(settings.owner_database))
        await seeding.write_lazily(owner, urlsplit(settings.owner_database).path.removeprefix("/"))
        names = await insert_corpus(owner, gold.documents)
        stores = await closing.enter_async_context(open_stores(settings))
        workers = await closing.enter_async_context(open_database(settings.worker_database, 2, serves=False))
        await index_corpus(workers, search_engine(stores.opensearch, workers))
        if stores.opensearch is not None:
            indices = OpenSearchIndices(stores.opensearch)
            await indices.refresh(indices.alias)
            closing.push_async_callback(_delete, indices)
        database = await closing.enter_async_context(open_database(settings.app_database, 4, serves=True))
        listener = listen("127.0.0.1", 0)
        node = Node(stores, database)
        await node.start(listener)
        closing.push_async_callback(node.stop)
        sessions = await demo.open_sessions(owner, [READER], create=True)
        [token] = demo.access_tokens(AccessTokens(settings.keys), sessions, LIFETIME)
        reader = await closing.enter_async_context(
            client.connected(f"http://127.0.0.1:{listener.getsockname()[1]}", token)
        )

        async def search(kind: GoldKind, text: str) -> list[str]:
            argument = {"q": text, "kind": kind, "limit": K}
            for _ in range(MOST_TRIES):
                answer = await reader.call("search.query", argument, timeout=CALL_TIMEOUT_S)
                if answer["ok"]:
                    return [_name(names, item) for item in answer["data"]["items"]]
                if not answer["error"]["retryable"]:
                    break
                await asyncio.sleep(answer["error"].get("retry_after_ms", 0) / 1_000)
            raise LookupError(f"search.query {argument}: {answer['error']}")

        yield search


async def _delete(indices: OpenSearchIndices) -> None:
    index = await indices.current()
    assert index is not None
    await indices.delete(index)


def _name(names: Names, item: Any) -> str:
    """The id in the gold set of an item; of others, such as the reader, a name that nobody judged."""
    kind = item["kind"]
    known = item[kind][_KNOWN_BY[kind]]
    return names.get((kind, known), f"unjudged {kind} {known}")
