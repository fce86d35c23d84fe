"""What search asks of a text: the terms to index, the terms to look for, and how similar two texts are.

A term is a stem, or a phonetic key with `~` before it. docs/search.md shows the steps from a text to its terms.
"""

from functools import lru_cache
from itertools import islice

from rapidfuzz.distance import Levenshtein

from language.folding import LONGEST_TEXT, fold
from language.phonetics import ROUGH
from language.words import Word, words

__all__ = ["LONGEST_QUERY", "LONGEST_TEXT", "Word", "document_terms", "fold", "query_terms", "similarity", "words"]

LONGEST_QUERY = 200  # characters
MOST_QUERY_WORDS = 10
MOST_ALTERNATIVES = 8  # of a word of a query
_MOST_ROUGH = 2
_COMPARED = 1_000  # characters of a text that is compared with a query
_KEY = "~"
_SAME_STEM = 0.95
_SAME_SOUND = 0.9  # less for each less likely reading
_UNLIKELY = 0.02
_SAME_CONSONANTS = 0.75
_MISTYPED = 0.85  # times the similarity of letters or sounds


def document_terms(text: str) -> list[str]:
    """The distinct terms by which a text is found."""
    found: dict[str, None] = {}
    for word in words(text):
        found.update(dict.fromkeys(word.stems))
        found.update((_KEY + key, None) for key in word.keys)
    return list(found)


def query_terms(text: str) -> list[tuple[str, ...]]:
    """For each word of a query, the terms that may stand for it: the best first, at most `MOST_ALTERNATIVES`."""
    return [_alternatives(word) for word in _query_words(text)]


def _alternatives(word: Word) -> tuple[str, ...]:
    rough = [_KEY + key for key in word.keys if key.endswith(ROUGH)][:_MOST_ROUGH]
    fine = [_KEY + key for key in word.keys if not key.endswith(ROUGH)]
    return (*word.stems, *fine[: MOST_ALTERNATIVES - len(word.stems) - len(rough)], *rough)


def similarity(query: str, text: str) -> float:
    """How much of a query a text says, from 0 to 1: by words, in either script, with few of other words."""
    wanted, said = _query_words(query), words(text[:_COMPARED])
    if not wanted or not said:
        return 0.0
    likeness = sum(max(_likeness(one, other) for other in said) for one in wanted) / len(wanted)
    return 0.9 * likeness + 0.1 * likeness * min(1.0, len(wanted) / len(said))


@lru_cache(1_024)
def _query_words(text: str) -> tuple[Word, ...]:
    found = dict.fromkeys(words(text[:LONGEST_QUERY]))
    return tuple(islice(found, MOST_QUERY_WORDS))


@lru_cache(65_536)
def _likeness(one: Word, other: Word) -> float:
    if one.folded == other.folded:
        return 1.0
    if set(one.stems) & set(other.stems):
        return _SAME_STEM
    same = set(one.keys) & set(other.keys)
    if same and all(key.endswith(ROUGH) for key in same):
        return _SAME_CONSONANTS
    shared = [one.keys.index(key) + other.keys.index(key) for key in same]
    if shared:
        return _SAME_SOUND - _UNLIKELY * min(shared)
    letters = Levenshtein.normalized_similarity(one.folded, other.folded)
    sounds = Levenshtein.normalized_similarity(one.keys[0], other.keys[0]) if one.keys and other.keys else 0.0
    return _MISTYPED * float(max(letters, sounds))
