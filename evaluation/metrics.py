"""Metrics of rankings, by the definitions of trec_eval, and their bootstrap intervals.

A ranking is a list of distinct ids, best first. Grades map ids to how relevant they are: 0 is irrelevant, as is an id
without a grade.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2_000
# Bounds the memory of one step of the bootstrap: 16 MB of indices.
INDICES_AT_ONCE = 2_000_000

Id = TypeVar("Id", bound=Hashable)


class Interval(NamedTuple):
    """A mean and its percentile bootstrap interval."""

    mean: float
    low: float
    high: float


def ndcg(ranking: Sequence[Id], grades: Mapping[Id, float], k: int) -> float:
    """Return the normalised discounted cumulative gain of the first k, 0 to 1; 0 if nothing is relevant.

    The gain is the grade, the discount log2(rank + 1), as in trec_eval's `ndcg_cut`.
    """
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades.get(each, 0.0) for each in ranking[:k]]) / ideal if ideal > 0 else 0.0


def recall(ranking: Sequence[Id], grades: Mapping[Id, float], k: int) -> float:
    """Return the share of all relevant ids that are among the first k, 0 to 1; 0 if nothing is relevant."""
    relevant = {each for each, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[Id], grades: Mapping[Id, float]) -> float:
    """Return 1 / the rank of the first relevant id; 0 if there is none. Its mean over queries is MRR."""
    return next((1 / rank for rank, each in enumerate(ranking, 1) if grades.get(each, 0.0) > 0), 0.0)


def bootstrap(values: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the mean of the values, one for each query or user, and its percentile bootstrap interval.

    The interval of a difference between two systems is that of the paired differences: `bootstrap(a - b)`.
    Raises ValueError if there are no values.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size:
        raise ValueError("bootstrap needs a flat list of at least one value")
    random = np.random.default_rng(seed)
    at_once = max(1, INDICES_AT_ONCE // sample.size)
    means: list[NDArray[np.float64]] = []
    for start in range(0, resamples, at_once):
        drawn = random.integers(sample.size, size=(min(at_once, resamples - start), sample.size))
        means.append(sample[drawn].mean(axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(sample.mean()), float(low), float(high))


def _dcg(gains: Sequence[float]) -> float:
    return float(np.dot(np.asarray(gains, dtype=np.float64), 1 / np.log2(np.arange(2, len(gains) + 2))))
