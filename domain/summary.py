"""Summaries of a chat: the messages that represent it best.

SumBasic (Nenkova and Vanderwende, "The Impact of Frequency on Summarization", 2005): the weight
of a word is its frequency. Of the texts with the heaviest word, the one with the highest average weight is chosen. The
weights of its words are then squared, so that the next text is about something else. Arabic, English and Franco words
are compared by their stems.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from domain.small_talk import SMALL_TALK
from language.stems import stem, without_clitics
from language.words import tokens

MOST_CHOSEN = 20
FEWEST_WORDS = 3  # other than stop words, in a text that may be chosen
TYPICAL_WORDS = 6  # a shorter text does not gain from its shortness
LONGEST_READ = 300  # characters of a text: its beginning shows the topic
MOST_STEMMED = 1_500  # the most common words; others are compared as they are

Stems = tuple[str, ...]  # of a text: each once, sorted

_BARE_LINK = re.compile(r"www\.|[\w-]+(?:\.[\w-]+)+/", re.ASCII | re.IGNORECASE)
_LAUGHTER = re.compile(r"هه|(?:ها){2,}|a?(?:ha){2,}h?|hh|lo(?:lo)*l")


def summarise(texts: Sequence[str], most: int) -> list[int]:
    """The indexes of the texts to quote, ascending: at most `most`, and at most MOST_CHOSEN.

    Texts must be in NFC. 1,000 texts of 2,000 characters take up to half a second: do not call it on an event loop.
    """
    said = _distinct(texts)
    weights = _weigh(said)
    candidates = [stems for stems in said if len(stems) >= FEWEST_WORDS]
    chosen: list[int] = []
    covered: set[str] = set()
    while candidates and len(chosen) < min(most, MOST_CHOSEN):
        best = max(candidates, key=lambda stems: _worth(stems, weights))
        chosen.append(said[best])
        covered.update(best)
        for each in best:
            weights[each] **= 2
        candidates = [stems for stems in candidates if _is_new(stems, covered)]
    return sorted(chosen)


def _distinct(texts: Sequence[str]) -> dict[Stems, int]:
    """Stems → index of the first text with them, so that repeating a message adds no weight."""
    words = [_words(text) for text in texts]
    stem_of = _stem(Counter(word for spoken in words for word in spoken))
    said: dict[Stems, int] = {}
    for index, spoken in enumerate(words):
        said.setdefault(tuple(sorted({stem_of[word] for word in spoken})), index)
    said.pop((), None)
    return said


def _words(text: str) -> list[str]:
    """The folded words of a text, without addresses, stop words, numbers, emoji and laughter."""
    plain = " ".join(part for part in text[:LONGEST_READ].split() if not _is_address(part))
    return [word for word in tokens(plain) if _says_something(word)]


def _is_address(part: str) -> bool:
    return "://" in part or "@" in part or _BARE_LINK.match(part) is not None


def _says_something(word: str) -> bool:
    return (
        len(word) > 1
        and word.isalnum()
        and word not in SMALL_TALK
        and not word.isdecimal()
        and _LAUGHTER.fullmatch(word) is None
    )


def _stem(words: Counter[str]) -> dict[str, str]:
    stem_of = {word: word for word in words}
    stem_of.update((word, stem(without_clitics(word)[0])) for word, _ in words.most_common(MOST_STEMMED))
    return stem_of


def _weigh(said: Iterable[Stems]) -> dict[str, float]:
    """The frequency of each stem, counted once per text."""
    common = Counter(stem for stems in said for stem in stems)
    total = common.total()
    return {stem: count / total for stem, count in common.items()}


def _worth(stems: Stems, weights: Mapping[str, float]) -> tuple[float, float]:
    spoken = [weights[stem] for stem in stems]
    return max(spoken), sum(spoken) / max(len(spoken), TYPICAL_WORDS)


def _is_new(stems: Stems, covered: set[str]) -> bool:
    """Whether at least half of the stems are not covered yet."""
    return 2 * len(covered.intersection(stems)) <= len(stems)
