"""Finds the terms of all lists in a text, in one pass for each way to match."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick

from moderation.disguises import Reading, as_part, as_sound, as_term
from protocol.rules import TermMatch

MOST_TERMS = 50  # terms that are reported for one text
_SHORTEST_INSIDE = 3  # letters: shorter terms are inside everything


class TermList(NamedTuple):
    name: str
    match: TermMatch
    terms: Sequence[str]  # as they were written


class FoundTerms(NamedTuple):
    """All lists of which a text has a term, and the first 50 of these terms, as the lists have them."""

    lists: tuple[str, ...]
    terms: tuple[str, ...]


class TermMatcher:
    """All lists, built once. Building takes seconds for 50,000 new terms, so do it in a thread."""

    def __init__(self, lists: Iterable[TermList]) -> None:
        # Pattern → the terms that it stands for.
        words: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        parts: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._sounds: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, match, terms in lists:
            for term in terms:
                for form in forms_of(term, match):
                    {"word": words, "inside": parts, "sound": self._sounds}[match][form].append((name, term))
        self._words, self._named_by_word = _automaton(words)
        self._parts, self._named_by_part = _automaton(parts)

    def find(self, reading: Reading) -> FoundTerms:
        found: set[tuple[str, str]] = set()
        for automaton, named, text in (
            (self._words, self._named_by_word, reading.lines),
            (self._parts, self._named_by_part, reading.squeezed),
        ):
            if automaton is not None:
                # Overlapping: " a " and " b " share a blank in " a b ", and one term may be a part of another.
                for index in {match[0] for match in automaton.find_matches_as_indexes(text, overlapping=True)}:
                    found.update(named[index])
        for key in reading.keys & self._sounds.keys():
            found.update(self._sounds[key])
        lists = sorted({name for name, _ in found})
        return FoundTerms(tuple(lists), tuple(sorted({term for _, term in found})[:MOST_TERMS]))


@lru_cache(100_000)  # a new book has most terms of the one before
def forms_of(term: str, match: TermMatch) -> frozenset[str]:
    """Return the pattern that finds a term; empty if the term cannot be found that way."""
    if match == "sound":
        return as_sound(term)
    if match == "inside":
        part = as_part(term)
        return frozenset((part,)) if len(part) >= _SHORTEST_INSIDE else frozenset()
    folded = as_term(term)
    return frozenset((f" {folded} ",)) if folded else frozenset()


def _automaton(
    named: dict[str, list[tuple[str, str]]],
) -> tuple[AhoCorasick | None, list[list[tuple[str, str]]]]:
    return (AhoCorasick(list(named), store_patterns=False) if named else None), list(named.values())
