"""The search index follows posts that change while they are indexed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from protocol.events import PostCreatedEvent
from storage.search_engine import Document
from storage.search_postgres import PostgresSearch
from tests.cluster import Cluster
from workers.job import Job
from workers.search_index import index_posts


class Interrupted(PostgresSearch):
    """Something happens before the first document of a post is written."""

    def __init__(self, cluster: Cluster, statement: str) -> None:
        super().__init__(cluster.workers.tools.database)
        self._cluster = cluster
        self._statement = statement

    async def write(self, documents: Sequence[Document], *, read_at: int | None = None) -> None:
        if self._statement and any(document.kind == "post" for document in documents):
            owner = await self._cluster.owner()
            await owner.execute(self._statement)
            await owner.close()
            self._statement = ""
        await super().write(documents, read_at=read_at)


@pytest.mark.parametrize(
    ("change", "found"),
    [("text = 'بعدها كلام تاني', version = version + 1", ["كلام"]), ("status = 'deleted'", [])],
    ids=["edited", "deleted"],
)
async def test_a_post_that_changes_while_it_is_indexed_is_indexed_as_it_is(
    cluster: Cluster, person: Any, change: str, found: list[str]
):
    author = await person("author")
    post = int((await author.call("post.create", text="قبلها حاجة"))["id"])
    await cluster.settle(author)
    engine = Interrupted(cluster, f"UPDATE posts SET {change} WHERE id = {post}")
    tools = dataclasses.replace(cluster.workers.tools, search=engine)
    event = PostCreatedEvent(post_id=post, author_id=int(author.id))
    await index_posts([Job(1, tools)], [event])
    owner = await cluster.owner()
    terms = await owner.fetchval("SELECT terms::text FROM search_documents WHERE kind = 'post' AND id = $1", post)
    await owner.close()
    assert [word for word in ("كلام", "حاجة") if word in (terms or "")] == found
