"""Metrics, against trec_eval's own code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import bootstrap, ndcg, recall, reciprocal_rank

IDS = [f"d{number}" for number in range(30)]
grades = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1)
rankings = st.lists(st.sampled_from(IDS), unique=True, min_size=1)


@given(ranking=rankings, judged=grades)
def test_metrics_agree_with_trec_eval(ranking: list[str], judged: dict[str, int]) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec-eval-terrier has no wheel for this machine")
    evaluator = pytrec_eval.RelevanceEvaluator({"q": judged}, {"ndcg_cut.10", "recall.10", "recip_rank"})
    theirs = evaluator.evaluate({"q": {each: float(-rank) for rank, each in enumerate(ranking)}})["q"]
    assert ndcg(ranking, judged, 10) == pytest.approx(theirs["ndcg_cut_10"], abs=1e-6)
    assert recall(ranking, judged, 10) == pytest.approx(theirs["recall_10"], abs=1e-6)
    assert reciprocal_rank(ranking, judged) == pytest.approx(theirs["recip_rank"], abs=1e-6)


def test_a_ranking_by_falling_grades_is_perfect() -> None:
    judged = {"a": 3, "b": 2, "c": 1}
    assert ndcg(["a", "b", "c"], judged, 10) == 1
    assert ndcg(["c", "b", "a"], judged, 10) < 1
    assert recall(["x", "a"], judged, 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "a"], judged) == 0.5


def test_nothing_found_and_nothing_relevant_count_as_zero() -> None:
    for ranking, judged in (([], {"a": 1}), (["a"], {}), (["a"], {"a": 0})):
        assert ndcg(ranking, judged, 10) == recall(ranking, judged, 10) == reciprocal_rank(ranking, judged) == 0


def test_an_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    intervals = [bootstrap(random.exponential(1.0, 80), resamples=500) for _ in range(200)]
    assert 0.88 <= np.mean([each.low <= 1.0 <= each.high for each in intervals]) <= 0.99
    assert all(each.low <= each.mean <= each.high for each in intervals)


def test_an_interval_is_the_same_on_each_run_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = list(np.linspace(0, 1, 50))
    assert bootstrap(values) == bootstrap(values)
    monkeypatch.setattr("evaluation.metrics.INDICES_AT_ONCE", 60)
    assert bootstrap(values).mean == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap([])
