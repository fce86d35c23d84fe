"""Scores of a search engine on judged queries."""

import pytest

from evaluation.gold_set import GoldQuery, GoldTopic
from evaluation.search_scores import JudgedQuery, score, variants

TOPIC = GoldTopic("koshary", "food", False, "Koshary")
HELD_OUT = GoldTopic("siwa", "place", True, "Siwa")
GRADES = {"a": 2.0, "b": 1.0}


def query(form: str, variant: str = "", topic: GoldTopic = TOPIC) -> GoldQuery:
    return GoldQuery(topic, form, variant, "post", "كشري", GRADES)


def test_a_row_for_each_form_its_held_out_queries_and_all():
    answered = [
        JudgedQuery(query("script", "taa"), ["a", "b"]),
        JudgedQuery(query("script", "clitic", HELD_OUT), ["x", "a"]),
        JudgedQuery(query("arabizi", "7"), []),
    ]
    rows = {row.group: row for row in score(answered)}
    assert list(rows) == ["script", "script, held out", "arabizi", "all", "all, held out"]
    assert (rows["script"].queries, rows["script, held out"].queries, rows["all"].queries) == (2, 1, 3)
    assert rows["script"].recall.mean == pytest.approx((1 + 0.5) / 2)
    assert rows["script"].mrr.mean == pytest.approx((1 + 0.5) / 2)
    assert rows["script, held out"].ndcg.mean < 1
    assert rows["arabizi"].recall == rows["arabizi"].mrr == rows["arabizi"].ndcg == (0, 0, 0)
    assert [row.group for row in variants(answered)] == ["arabizi:7", "script:clitic", "script:taa"]


def test_only_the_first_ten_count():
    late = JudgedQuery(query("script"), [*"0123456789", "a"])
    assert late.recall == late.reciprocal_rank == late.ndcg == 0
