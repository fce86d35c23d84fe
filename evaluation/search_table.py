"""Tables that compare engines: one for each metric, a line for each form of queries, a column for each engine."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evaluation.metrics import Interval
from evaluation.search_scores import K, SearchScores


class MetricTable(NamedTuple):
    title: str
    header: list[str]
    rows: list[list[str]]

    def as_markdown(self) -> str:
        dashes = ["---"] * len(self.header)
        lines = (f"| {' | '.join(cells)} |" for cells in (self.header, dashes, *self.rows))
        return "\n".join((f"**{self.title}**", "", *lines, ""))


def compare(scores: Mapping[str, Sequence[SearchScores]]) -> list[MetricTable]:
    """scores: by engine, each with the same groups. Cells are the mean and its 95 % interval."""
    groups = next(iter(scores.values()))
    tables = []
    for metric, title in (("recall", f"Recall@{K}"), ("mrr", f"MRR@{K}"), ("ndcg", f"NDCG@{K}")):
        rows = [
            [
                group.group,
                str(group.queries),
                *(_cell(getattr(of_engine[line], metric)) for of_engine in scores.values()),
            ]
            for line, group in enumerate(groups)
        ]
        tables.append(MetricTable(title, ["form", "queries", *scores], rows))
    return tables


def _cell(interval: Interval) -> str:
    return "{:.3f} ({:.2f}–{:.2f})".format(*interval)
