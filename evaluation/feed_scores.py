"""Scores of a contender's feeds: measures for each person, and for all people together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluation import exposure
from evaluation.feed_judgements import Explored, Judgement
from evaluation.feed_log import Flags, Floats, Ints, Posts
from evaluation.metrics import ndcg, recall

PAGE, DEPTH = 10, 50


class Scores(NamedTuple):
    """The first three: of each person. recall: NaN for people without anything to find. hides: of the first page."""

    ndcg: Floats
    recall: Floats
    hides: Floats


class Spread(NamedTuple):
    """The scores of the first pages of all people. Coverage and Gini depend on the number of people."""

    coverage: float
    gini: float
    new_creators: float


class Estimate(NamedTuple):
    """The mean gain of what chance showed and the contender would have shown, weighted by inverse propensity."""

    gain: float
    found: int


def score(tops: Sequence[Sequence[int]], judgements: Sequence[Judgement]) -> Scores:
    """tops: the first posts of each person's feed."""
    pairs = list(zip(tops, judgements, strict=True))
    return Scores(
        np.array([ndcg(top, judged.grades, PAGE) for top, judged in pairs]),
        np.array([recall(top, judged.grades, DEPTH) if judged.grades else np.nan for top, judged in pairs]),
        np.array([len(judged.hidden.intersection(top[:PAGE])) / max(len(top[:PAGE]), 1) for top, judged in pairs]),
    )


def spread(tops: Sequence[Sequence[int]], offered: Ints, posts: Posts, is_new: Flags) -> Spread:
    """offered: the posts of all catalogues. is_new: of each post, whether its author was a new creator."""
    shown = np.array([post for top in tops for post in top[:PAGE]], np.int64)
    return Spread(
        exposure.coverage(shown, len(offered)),
        exposure.gini_of_exposure(posts.author[shown], posts.author[offered]),
        exposure.share_of(shown, is_new),
    )


def estimate(tops: dict[int, Sequence[int]], explored: Explored) -> Estimate:
    """The self-normalised estimate from a log. tops: by person."""
    would = np.array(
        [post in tops.get(person, ()) for person, post in zip(*map(np.ndarray.tolist, explored[:2]), strict=True)], bool
    )
    if not would.any():
        return Estimate(np.nan, 0)
    gain = np.average(explored.gain[would], weights=explored.weight[would])
    return Estimate(float(gain), int(would.sum()))
