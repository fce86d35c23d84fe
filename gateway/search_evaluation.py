"""`daira eval search`: how well search finds what Egyptians mean, beside engines without our text pipeline."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.terminal import counting_bars, fail, load_settings, run, screen

if TYPE_CHECKING:
    from evaluation.baselines import Search
    from evaluation.gold_set import GoldSet
    from evaluation.search_scores import JudgedQuery, SearchScores
    from gateway.settings import Settings


class EvaluatedEngine(StrEnum):
    """The first two are DAIRA's, over the two servers."""

    POSTGRES = "postgres"
    OPENSEARCH = "opensearch"
    POSTGRES_ARABIC = "postgres-arabic"
    OPENSEARCH_ARABIC = "opensearch-arabic"
    TRIGRAM = "trigram"


ON_OPENSEARCH = {EvaluatedEngine.OPENSEARCH, EvaluatedEngine.OPENSEARCH_ARABIC}

Progress = Callable[[str, int], None]  # the step, and its number of queries


def evaluate_search(
    engine: Annotated[
        list[EvaluatedEngine] | None,
        typer.Option(help="engine to measure, may be repeated; default: all available ones"),
    ] = None,
    by_variant: Annotated[
        bool, typer.Option("--by-variant", help="print a line for each variant of each form")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="print tables for documents")] = False,
) -> None:
    """Run the queries of the gold set on a temporary node, and score the results.

    `opensearch` and `opensearch-arabic` use indices of their own at DAIRA_OPENSEARCH_URL. The other engines need no
    running servers.
    """
    from rich.table import Table

    from evaluation.gold_set import load_gold_set
    from evaluation.search_scores import score, variants
    from evaluation.search_table import compare

    settings = load_settings()
    has_opensearch = settings.opensearch_url is not None
    engines = engine or [each for each in EvaluatedEngine if has_opensearch or each not in ON_OPENSEARCH]
    if not has_opensearch and ON_OPENSEARCH.intersection(engines):
        fail("OpenSearch is asked at DAIRA_OPENSEARCH_URL, which is not set")
    gold = load_gold_set()
    scores: dict[str, list[SearchScores]] = {}
    with counting_bars() as progress:
        task = progress.add_task("", total=len(gold.queries))
        for name in engines:
            answered = run(
                search_gold(
                    name, gold, settings, lambda what, done: progress.update(task, description=what, completed=done)
                )
            )
            scores[name] = variants(answered) if by_variant else score(answered)
    screen.width = max(screen.width, 40 + 25 * len(engines))
    for table in compare(scores):
        if markdown:
            print(table.as_markdown())
        else:
            shown = Table(*table.header, title=table.title, box=None)
            for row in table.rows:
                shown.add_row(*row)
            screen.print(shown)


async def search_gold(
    engine: EvaluatedEngine, gold: "GoldSet", settings: "Settings", progress: Progress
) -> "list[JudgedQuery]":
    """Search for each query of the gold set, one after the other. settings: which OpenSearch to ask."""
    from evaluation.search_scores import JudgedQuery

    progress(f"{engine}: starting", 0)
    answered = []
    async with _searching(engine, gold, settings) as search:
        for done, query in enumerate(gold.queries, 1):
            answered.append(JudgedQuery(query, await search(query.kind, query.text)))
            progress(engine, done)
    return answered


@asynccontextmanager
async def _searching(engine: EvaluatedEngine, gold: "GoldSet", settings: "Settings") -> "AsyncIterator[Search]":
    from evaluation import baselines
    from gateway import gold_node
    from gateway.owner import owner_connection

    if engine is EvaluatedEngine.TRIGRAM:
        yield baselines.trigrams(gold.documents)
    elif engine is EvaluatedEngine.OPENSEARCH_ARABIC:
        password = settings.opensearch_password.get_secret_value() if settings.opensearch_password else ""
        auth = (settings.opensearch_user, password) if settings.opensearch_user else None
        assert settings.opensearch_url is not None
        async with baselines.opensearch_arabic(settings.opensearch_url, auth, gold.documents) as search:
            yield search
    else:
        async with gold_node.scratch_servers(
            _opensearch(settings) if engine is EvaluatedEngine.OPENSEARCH else {}
        ) as scratch:
            if engine is EvaluatedEngine.POSTGRES_ARABIC:
                async with owner_connection(scratch.owner_database) as connection:
                    yield await baselines.postgres_arabic(connection, gold.documents)
            else:
                async with gold_node.gold_node(scratch, gold) as search:
                    yield search


def _opensearch(settings: "Settings") -> dict[str, Any]:
    names = ("opensearch_url", "opensearch_user", "opensearch_password", "opensearch_ca")
    return {"search_engine": "opensearch", **{name: getattr(settings, name) for name in names}}
