"""Search finds what the gold set's queries mean, through a node with servers of its own."""

import pytest

from evaluation.gold_set import load_gold_set
from evaluation.search_scores import score
from gateway.search_evaluation import EvaluatedEngine, search_gold
from gateway.settings import Settings

# Half a minute on a calm machine.
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


async def test_search_finds_what_egyptians_mean():
    answered = await search_gold(
        EvaluatedEngine.POSTGRES, load_gold_set(), Settings(_env_file=None), lambda what, done: None
    )
    scores = {each.group: each for each in score(answered)}
    assert scores["script"].recall.mean >= 0.95
    assert scores["arabizi"].recall.mean >= 0.90
    assert min(scores[group].mrr.mean for group in ("script", "arabizi", "all")) >= 0.70


async def test_engines_without_our_pipeline_find_less():
    gold, settings = load_gold_set(), Settings(_env_file=None)
    for engine in (EvaluatedEngine.POSTGRES_ARABIC, EvaluatedEngine.TRIGRAM):
        answered = await search_gold(engine, gold, settings, lambda what, done: None)
        found = {each.group: each.recall.mean for each in score(answered)}
        assert 0.2 < found["all"] < 0.8, engine  # they are asked in earnest, and do not suffice
