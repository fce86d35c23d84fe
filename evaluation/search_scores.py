"""Scores of a search engine on the gold set, for each form of queries."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from evaluation.gold_set import GoldQuery
from evaluation.metrics import Interval, bootstrap, ndcg, recall, reciprocal_rank

K = 10

_FORMS = ("script", "arabizi", "mixed", "typo", "english", "plain")


class JudgedQuery(NamedTuple):
    query: GoldQuery
    ranking: Sequence[str]  # ids of documents, best first

    @property
    def recall(self) -> float:
        return recall(self.ranking, self.query.grades, K)

    @property
    def reciprocal_rank(self) -> float:
        return reciprocal_rank(self.ranking[:K], self.query.grades)

    @property
    def ndcg(self) -> float:
        return ndcg(self.ranking, self.query.grades, K)


class SearchScores(NamedTuple):
    """The scores of one group of queries. MRR, too, takes the first K results."""

    group: str
    queries: int
    recall: Interval
    mrr: Interval
    ndcg: Interval


def score(answered: Sequence[JudgedQuery]) -> list[SearchScores]:
    """Scores of each form, of its held-out queries, and of all."""
    return list(_scores(answered))


def variants(answered: Sequence[JudgedQuery]) -> list[SearchScores]:
    """Scores of each variant of each form: `script:hamza`, `arabizi:7`, …"""
    names = sorted({(each.query.form, each.query.variant) for each in answered if each.query.variant})
    return [
        _group(":".join(name), [each for each in answered if (each.query.form, each.query.variant) == name])
        for name in names
    ]


def _scores(answered: Sequence[JudgedQuery]) -> Iterator[SearchScores]:
    tests: list[tuple[str, Callable[[GoldQuery], bool]]] = [
        ("", lambda query: True),
        (", held out", lambda query: query.topic.is_held_out),
    ]
    for form in (*_FORMS, "all"):
        for suffix, test in tests:
            chosen = [each for each in answered if form in (each.query.form, "all") and test(each.query)]
            if chosen:
                yield _group(form + suffix, chosen)


def _group(name: str, answered: Sequence[JudgedQuery]) -> SearchScores:
    return SearchScores(
        name,
        len(answered),
        bootstrap([each.recall for each in answered]),
        bootstrap([each.reciprocal_rank for each in answered]),
        bootstrap([each.ndcg for each in answered]),
    )
