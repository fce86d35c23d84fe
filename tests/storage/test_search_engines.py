"""The contract of search engines, on real servers: OpenSearch and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio

from storage.database import Database
from storage.metrics import SEARCH_ITEMS
from storage.opensearch import OpenSearch
from storage.opensearch_bulk import DocumentsRefused
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink, OpenSearchServers
from storage.opensearch_reindex import ReindexUnderWay, reindex
from storage.search_engine import (
    MOST_CANDIDATES,
    MOST_LOOSER,
    Document,
    DocumentKind,
    Found,
    SearchEngine,
    SearchUnavailable,
    reading_time,
)
from storage.search_postgres import PostgresSearch
from tests.cluster import Cluster
from tests.opensearch_node import OpenSearchNode
from tests.patience import WAIT_S

START = datetime(2026, 11, 1, tzinfo=UTC)
HIGHEST = 1_000_000  # above all ids of a test
_numbers = iter(range(1, 1_000))


class Index:
    """An engine as a test sees it: no other test has its terms and ids."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine
        self._number = next(_numbers)

    async def settle(self) -> None:
        """Wait until all that was written is found."""

    async def write(self, *documents: Document, read_at: int | None = None) -> None:
        await self._engine.write(self.own(documents), read_at=read_at)
        await self.settle()

    async def remove(self, *ids: int, read_at: int | None = None) -> None:
        await self._engine.remove("post", [self._id(each) for each in ids], read_at=read_at)
        await self.settle()

    async def find(self, *groups: list[str], most: int = MOST_CANDIDATES) -> list[int]:
        return [each.id for each in await self.candidates("post", groups, most)]

    async def candidates(
        self, kind: DocumentKind, groups: Sequence[list[str]], most: int, *, among: list[int] | None = None
    ) -> list[Found]:
        ids = None if among is None else [self._id(each) for each in among]
        found = await self._engine.candidates(kind, [self._terms(group) for group in groups], most, among=ids)
        return [each._replace(id=each.id % HIGHEST) for each in found]

    async def suggest(self, groups: Sequence[list[str]], most: int) -> list[tuple[str, str]]:
        """Kind and title."""
        found = await self._engine.suggest([self._terms(group) for group in groups], most)
        return [(each.kind, each.title) for each in found]

    def own(self, documents: Sequence[Document]) -> list[Document]:
        replace = msgspec.structs.replace
        return [replace(each, id=self._id(each.id), terms=self._terms(each.terms)) for each in documents]

    def _id(self, number: int) -> int:
        return self._number * HIGHEST + number

    def _terms(self, terms: Sequence[str]) -> list[str]:
        return [f"{term}_{self._number}" for term in terms]


class OpenSearchIndex(Index):
    def __init__(self, node: OpenSearchNode) -> None:
        servers = OpenSearchServers(node.url, f"test{next(_numbers)}", shards=2, deadline_s=WAIT_S)
        self.link = OpenSearchLink(servers)
        self.indices = OpenSearchIndices(self.link)
        super().__init__(OpenSearch(self.link))

    async def settle(self) -> None:
        await self.indices.refresh(self.indices.alias)

    async def reindex(self, pages: AsyncIterator[tuple[int, list[Document]]], *, restart: bool = False) -> int:
        """Returns how many documents were filled in."""
        filled = 0

        def progress(step: str, amount: int) -> None:
            nonlocal filled
            filled += amount if step == "filling" else 0

        async def own_pages() -> AsyncIterator[tuple[int, list[Document]]]:
            async for read_at, documents in pages:
                yield read_at, self.own(documents)

        await reindex(self.link, own_pages(), progress, restart=restart)
        return filled


@asynccontextmanager
async def own_index(node: OpenSearchNode) -> AsyncIterator[OpenSearchIndex]:
    await node.start()
    index = OpenSearchIndex(node)
    await index.indices.ensure()
    yield index
    await index.link.close()


@pytest_asyncio.fixture(loop_scope="session")
async def own(opensearch: OpenSearchNode) -> AsyncIterator[OpenSearchIndex]:
    async with own_index(opensearch) as index:
        yield index


@pytest_asyncio.fixture(
    loop_scope="session", params=["postgres", pytest.param("opensearch", marks=pytest.mark.opensearch)]
)
async def index(
    request: pytest.FixtureRequest, idle_cluster: Cluster, opensearch: OpenSearchNode
) -> AsyncIterator[Index]:
    if request.param == "opensearch":
        async with own_index(opensearch) as found:
            yield found
        return
    # As the owner of the tables: workers may only add documents of rows that exist.
    database = Database(idle_cluster.servers.postgres_url("daira_owner"), largest=2)
    await database.connect()
    yield Index(PostgresSearch(database))
    await database.close()


def post(number: int, *terms: str, weight: int = 0) -> Document:
    return Document("post", number, terms, "", START + timedelta(minutes=number), weight)


async def test_a_document_needs_a_term_of_each_group(index: Index) -> None:
    await index.write(post(1, "كشري", "قاهره"), post(2, "كشري"), post(3, "قاهره", "~k"))
    assert await index.find(["كشري"]) == [2, 1]
    assert await index.find(["كشري", "~k"], ["قاهره"]) == [1, 3]
    assert await index.find(["كشري"], ["غائب"]) == []
    assert await index.find() == []


async def test_the_heaviest_and_newest_come_first_among_equals(index: Index) -> None:
    await index.write(*(post(number, "a") for number in range(1, 8)), post(8, "a", weight=3))
    assert await index.find(["a"], most=3) == [8, 7, 6]


async def test_exact_matches_do_not_drown_among_newer_ones(index: Index) -> None:
    await index.write(post(1, "a", "b"), *(post(number, "~a", "~b") for number in range(2, 30)))
    found = await index.candidates("post", [["a", "~a"], ["b", "~b"]], 5)
    assert [each.id for each in found] == [1, 29, 28, 27, 26]
    assert found[0].text_score == 1.0 > found[1].text_score > 0


@pytest.mark.parametrize("kind", ["post", "user"])
@pytest.mark.parametrize("amount", [90, 180])
async def test_another_spelling_is_found_beside_many_of_the_one_of_the_query(
    index: Index, kind: DocumentKind, amount: int
) -> None:
    many, few, mistyped = range(100, 100 + amount), range(1, 4), range(500, 700)
    latin, arabic, sound = "ramadan", "رمضان", "~rmdn"
    for one, other in ((latin, arabic), (arabic, latin)):
        await index.write(
            *(Document(kind, number, [one, sound], "", START + timedelta(minutes=number)) for number in many),
            *(Document(kind, number, [other, sound], "", START + timedelta(minutes=number)) for number in few),
            *(Document(kind, number, ["-rmd"], "", START + timedelta(minutes=number)) for number in mistyped),
        )
        found = {each.id: each for each in await index.candidates(kind, [[one, sound, "-rmd"]], MOST_CANDIDATES)}
        assert {*few} <= found.keys()
        assert {found[number].text_score for number in few} == {0.9}
        assert len(found) == min(max(amount + len(few), MOST_LOOSER), MOST_CANDIDATES)


async def test_looser_matches_are_added_until_there_are_a_hundred(index: Index) -> None:
    exact, looser = range(1, 121), range(200, 400)
    await index.write(*(post(number, "a") for number in exact), *(post(number, "-b") for number in looser))
    for found_exactly, first in ((0, "none"), (30, "few"), (MOST_LOOSER + 20, "a")):
        if first == "few":
            await index.write(*(post(number, "few") for number in range(500, 530)))
        found = await index.candidates("post", [[first, "-b"]], MOST_CANDIDATES)
        scores = [each.text_score for each in found]
        assert scores.count(1.0) == found_exactly
        assert len(scores) == max(found_exactly, MOST_LOOSER)


async def test_one_of_three_words_may_be_missing(index: Index) -> None:
    await index.write(post(1, "a", "b"), post(2, "a"), post(3, "a", "b", "c"))
    found = await index.candidates("post", [["a"], ["b"], ["c"]], 5)
    assert [each.id for each in found] == [3, 1]
    assert found[0].text_score > found[1].text_score
    assert await index.find(["a"], ["c"]) == [3]


async def test_only_documents_of_the_kind_are_found_and_only_among_these(index: Index) -> None:
    await index.write(post(1, "a"), post(2, "a"), post(3, "a"), Document("user", 1, ["a"], "Ahmed", START))
    assert [each.title for each in await index.candidates("user", [["a"]], 5)] == ["Ahmed"]
    found = await index.candidates("post", [["a"]], 5, among=[1, 3, 99])
    assert {each.id for each in found} == {3, 1}


async def test_suggestions_are_the_heaviest_of_each_kind(index: Index) -> None:
    await index.write(
        *(Document("user", number, ["^a", "^ah"], f"ahmed{number}", START, number) for number in range(1, 5)),
        Document("hashtag", 6, ["^a"], "alahly", START),
        Document("word", 7, ["^a", "^ah"], "ahla", START),
        post(1, "^a"),
    )
    found = [("user", "ahmed4"), ("user", "ahmed3"), ("hashtag", "alahly"), ("word", "ahla")]
    assert sorted(await index.suggest([["^a"]], 2)) == sorted(found)
    assert [title for kind, title in await index.suggest([["^a"]], 2) if kind == "user"] == ["ahmed4", "ahmed3"]
    assert sorted(await index.suggest([["^ah", "^az"]], 1)) == [("user", "ahmed4"), ("word", "ahla")]


async def test_a_later_write_replaces_and_a_removal_hides(index: Index) -> None:
    await index.write(post(1, "a"), post(2, "a"))
    await index.write(post(1, "b"))
    assert await index.find(["a"]) == [2]
    assert await index.find(["b"]) == [1]
    await index.remove(1)
    await index.remove(77)
    assert await index.find(["b"]) == []


@pytest.mark.opensearch
async def test_a_late_write_changes_nothing_even_after_a_removal(own: OpenSearchIndex) -> None:
    await own.write(post(1, "new"), read_at=2_000)
    await own.write(post(1, "old"), read_at=1_000)
    await own.remove(1, read_at=1_500)
    assert await own.find(["new"]) == [1]
    await own.remove(1, read_at=3_000)
    await own.write(post(1, "late"), read_at=2_500)
    assert await own.find(["late"]) == []
    await own.write(post(1, "back"), read_at=4_000)
    assert await own.find(["back"]) == [1]


@pytest.mark.opensearch
async def test_a_document_that_is_refused_stops_no_other(own: OpenSearchIndex) -> None:
    poison = post(2, "x" * 40_000)  # Lucene takes terms of 32,766 bytes
    with pytest.raises(DocumentsRefused, match="post:"):
        await own.write(post(1, "a"), poison, post(3, "a"))
    await own.settle()
    assert await own.find(["a"]) == [3, 1]


@pytest.mark.opensearch
async def test_ids_of_words_are_kept_to_the_last_bit(own: OpenSearchIndex) -> None:
    engine = OpenSearch(own.link)
    await engine.write([Document("word", 2**63 - 1, ["^a"], "ahla", START)])
    await own.settle()
    assert [each.id for each in await engine.suggest([["^a"]], 1)] == [2**63 - 1]


@pytest.mark.opensearch
async def test_writes_wait_while_the_index_refuses_them(own: OpenSearchIndex) -> None:
    retried = SEARCH_ITEMS.labels("retried")._value
    before = retried.get()
    current = await own.indices.current()
    assert current is not None
    await own.indices.block_writes(current)
    writing = asyncio.create_task(own.write(post(1, "a")))
    async with asyncio.timeout(WAIT_S):
        while retried.get() == before:
            await asyncio.sleep(0.01)
    await own.indices.unblock_writes(current)
    await writing
    assert await own.find(["a"]) == [1]


@pytest.mark.opensearch
async def test_without_its_index_the_engine_is_unavailable_and_makes_no_other(opensearch: OpenSearchNode) -> None:
    await opensearch.start()
    bare = OpenSearchIndex(opensearch)
    with pytest.raises(SearchUnavailable, match="is not an alias"):
        await bare.write(post(1, "a"))
    with pytest.raises(SearchUnavailable, match="no such index"):
        await bare.find(["a"])
    await bare.link.close()


async def pages(*documents: Document) -> AsyncIterator[tuple[int, list[Document]]]:
    yield reading_time(), [*documents]


@pytest.mark.opensearch
async def test_a_reindex_keeps_what_is_written_while_it_runs(own: OpenSearchIndex) -> None:
    await own.write(post(1, "a"), post(2, "a"), post(9, "gone"))

    async def filled_while_others_write() -> AsyncIterator[tuple[int, list[Document]]]:
        read_at = reading_time()
        yield read_at, [post(1, "a"), post(2, "a")]
        await own.write(post(2, "edited"), post(3, "a"))
        await own.remove(1)
        yield read_at, [post(4, "a"), post(2, "a")]

    before = await own.indices.current()
    assert await own.reindex(filled_while_others_write()) == 4
    assert await own.find(["a"]) == [4, 3]
    assert await own.find(["edited"]) == [2]
    assert await own.find(["gone"]) == []
    assert await own.indices.current() != before
    await own.write(post(5, "a"))
    assert await own.find(["a"]) == [5, 4, 3]


@pytest.mark.opensearch
async def test_an_interrupted_reindex_changes_nothing_and_can_be_restarted(own: OpenSearchIndex) -> None:
    await own.write(post(1, "a"))

    async def breaks() -> AsyncIterator[tuple[int, list[Document]]]:
        yield reading_time(), [post(1, "b")]
        raise KeyError

    with pytest.raises(KeyError):
        await own.reindex(breaks())
    await own.write(post(2, "a"))
    assert await own.find(["a"]) == [2, 1]
    with pytest.raises(ReindexUnderWay):
        await own.reindex(pages())
    await own.reindex(pages(post(1, "a")), restart=True)
    assert await own.find(["a"]) == [1]
    await own.reindex(pages(post(7, "a")))
    assert await own.find(["a"]) == [7]
