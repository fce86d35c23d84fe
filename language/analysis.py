"""What search asks of a text: the terms to index, the terms to look for, and how similar two texts are.

A term is a stem, `~` with a phonetic key, or `-` with consonants of which one may be missing: two words of four or more
consonants that differ in one share such a term. docs/search.md shows the steps from a text to its terms.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from language.folding import LONGEST_TEXT, fold
from language.phonetics import ROUGH, skeletons
from language.words import Word, join, words

__all__ = ["LONGEST_QUERY", "LONGEST_TEXT", "Word", "document_terms", "fold", "query_terms", "similarity", "words"]

LONGEST_QUERY = 200  # characters
MOST_QUERY_WORDS = 10
MOST_ALTERNATIVES = 8  # of a word of a query
SOUND, MISTYPED = "~", "-"  # begin terms; queries name those of mistyped words last
_MOST_ROUGH = 2
_FEWEST_CONSONANTS = 4  # of a word that may be mistyped
_MOST_SKELETONS = 2
_CACHED = 65_536  # words, and pairs of them
_COMPARED = 1_000  # characters of a text that is compared with a query
_SAME_STEM = 0.95
_SAME_SOUND = 0.9  # less for each less likely reading
_UNLIKELY = 0.02
_SAME_CONSONANTS = 0.75
_SIMILAR = 0.85  # times the similarity of letters or sounds


def document_terms(text: str) -> list[str]:
    """The distinct terms by which a text is found."""
    found: dict[str, None] = {}
    said = words(text)
    for word in said:
        found.update(dict.fromkeys(word.stems))
        found.update((SOUND + key, None) for key in word.keys)
        found.update(dict.fromkeys(_mistyped(word)))
    for one, other in pairwise(said):
        found.update(dict.fromkeys(_joined(one, other)))
    return list(found)


def query_terms(text: str) -> list[tuple[str, ...]]:
    """For each word of a query, the terms that may stand for it: the best first, at most `MOST_ALTERNATIVES`."""
    asked = _query_words(text)
    joined = [_joined(one, other) for one, other in pairwise(asked)]
    around = zip(((), *joined), (*joined, ()), strict=True)
    groups = (_alternatives(word, (*before, *behind)) for word, (before, behind) in zip(asked, around, strict=True))
    return list(dict.fromkeys(groups))


def _alternatives(word: Word, joined: Sequence[str]) -> tuple[str, ...]:
    """joined: terms of the word together with its neighbours."""
    rough = [SOUND + key for key in word.keys if key.endswith(ROUGH)][:_MOST_ROUGH]
    fine = [SOUND + key for key in word.keys if not key.endswith(ROUGH)]
    kept = len(word.stems) + len(rough) + len(joined)
    found = (*word.stems, *fine[: MOST_ALTERNATIVES - kept], *rough, *joined, *_mistyped(word))
    return tuple(dict.fromkeys(found))[:MOST_ALTERNATIVES]


def _mistyped(word: Word) -> list[str]:
    """The consonants of a word, and then without each of them in turn."""
    return [
        MISTYPED + form
        for skeleton in skeletons(word.keys)[:_MOST_SKELETONS]
        if len(skeleton) >= _FEWEST_CONSONANTS
        for form in (skeleton, *(skeleton[:index] + skeleton[index + 1 :] for index in range(len(skeleton))))
    ]


@lru_cache(_CACHED)
def _joined(one: Word, other: Word) -> tuple[str, ...]:
    """Terms of two short words written as one: فيس بوك and فيسبوك."""
    word = join(one, other)
    if word is None:
        return ()
    key = word.keys[-1] if word.keys else ""
    return (word.stem, SOUND + key) if len(key) > _FEWEST_CONSONANTS else (word.stem,)


def similarity(query: str, text: str) -> float:
    """How much of a query a text says, from 0 to 1: by words, in either script, with few of other words."""
    wanted, said = _query_words(query), words(text[:_COMPARED])
    if not wanted or not said:
        return 0.0
    likeness = sum(max(_likeness(one, other) for other in said) for one in wanted) / len(wanted)
    return 0.9 * likeness + 0.1 * likeness * min(1.0, len(wanted) / len(said))


@lru_cache(1_024)
def _query_words(text: str) -> tuple[Word, ...]:
    return tuple(words(text[:LONGEST_QUERY])[:MOST_QUERY_WORDS])


@lru_cache(_CACHED)
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
    return _SIMILAR * float(max(letters, sounds))
