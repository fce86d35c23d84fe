"""Measures of exposure: coverage of the catalogue, Gini coefficient of authors, share of new creators."""

import numpy as np

from evaluation.feed_log import Flags, Floats, Ints


def coverage(shown: Ints, catalogue: int) -> float:
    """The share of the catalogue that anybody was shown. shown: post numbers, with repetitions."""
    return len(np.unique(shown)) / catalogue if catalogue else 0.0


def gini(amounts: Floats | Ints) -> float:
    """0 if all have the same amount, near 1 if one has all. amounts: not negative, also those of 0."""
    total = float(amounts.sum())
    if not total:
        return 0.0
    ordered = np.sort(amounts)
    count = len(ordered)
    ranks = np.arange(1, count + 1)
    return float(2 * (ranks * ordered).sum() / (count * total) - (count + 1) / count)


def gini_of_exposure(shown_authors: Ints, authors: Ints) -> float:
    """Return the Gini coefficient of places by author. authors: all who have posts in the catalogue."""
    known = np.unique(authors)
    amounts = np.bincount(np.searchsorted(known, shown_authors), minlength=len(known))
    return gini(amounts)


def share_of(shown: Ints, is_counted: Flags) -> float:
    """The share of what was shown that is counted. is_counted: by what `shown` numbers."""
    return float(is_counted[shown].mean()) if len(shown) else 0.0
