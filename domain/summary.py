"""Summaries of a room's chat: the messages that say best what was talked about.

SumBasic (Nenkova and Vanderwende, "The Impact of Frequency on Summarization", 2005): a word weighs as much as it is
common; of the texts with the weightiest word, the one of the best average is chosen; its words then weigh their
square, so that the next one says something else. Arabic, English and Franco words are compared by their stems.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import snowballstemmer

from domain.stop_words import STOP_WORDS
from protocol.text import fold

MOST_CHOSEN = 20
FEWEST_WORDS = 3  # that say something, in a text worth choosing
TYPICAL_WORDS = 6  # a text of fewer is worth no more for being short
LONGEST_READ = 300  # characters of a text: what it is about, it says at its beginning
LONGEST_WORD = 25  # stemming takes quadratic time
MOST_STEMMED = 1_500  # words, the most common ones, at 0.1 ms each; the others are compared as they are

Stems = tuple[str, ...]  # of what a text says: each once, sorted

_APOSTROPHES = re.compile("['’]")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_WORD = re.compile(r"[^\W_]+")
_BARE_LINK = re.compile(r"www\.|[\w-]+(?:\.[\w-]+)+/", re.ASCII | re.IGNORECASE)
_LAUGHTER = re.compile(r"هه|(?:ها){2,}|a?(?:ha){2,}h?|hh|lo(?:lo)*l")
_ARTICLE = re.compile(r"^(?:[وف]?(?:[بك]?ال|لل)(?=..)|el(?=...))")
_PLURAL = re.compile(r"(?<=..)ات$")


def summarise(texts: Sequence[str], most: int) -> list[int]:
    """The indexes of the texts to quote, in their order: at most `most`, and never more than MOST_CHOSEN.

    Meant for up to 1,000 texts of 2,000 characters, in NFC; these may take half a second: not on an event loop.
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
        for stem in best:
            weights[stem] **= 2
        candidates = [stems for stems in candidates if _is_new(stems, covered)]
    return sorted(chosen)


def _distinct(texts: Sequence[str]) -> dict[Stems, int]:
    """What was said, and the first text that said it: who repeats a message does not make it weightier."""
    words = [_words(text) for text in texts]
    stem_of = _stem(Counter(word for spoken in words for word in spoken))
    said: dict[Stems, int] = {}
    for index, spoken in enumerate(words):
        said.setdefault(tuple(sorted({stem_of[word] for word in spoken})), index)
    said.pop((), None)
    return said


def _words(text: str) -> list[str]:
    """The normalised words of a text that say something."""
    plain = " ".join(part for part in text[:LONGEST_READ].split() if not _is_address(part))
    return [word for word in _WORD.findall(_normalise(plain)) if _says_something(word)]


def _is_address(part: str) -> bool:
    return "://" in part or "@" in part or _BARE_LINK.match(part) is not None


def _normalise(text: str) -> str:
    """Spellings that people mix become one: what `fold` unites, apostrophes, stretched letters."""
    return _STRETCHED.sub(r"\1", _APOSTROPHES.sub("", fold(text)))


def _says_something(word: str) -> bool:
    return (
        1 < len(word) <= LONGEST_WORD
        and word not in STOP_WORDS
        and not word.isdecimal()
        and _LAUGHTER.fullmatch(word) is None
    )


def _stem(words: Counter[str]) -> dict[str, str]:
    # A stemmer keeps state while it works, so each call has its own.
    arabic, english = snowballstemmer.stemmer("arabic"), snowballstemmer.stemmer("english")
    stem_of = {word: word for word in words}
    for word, _ in words.most_common(MOST_STEMMED):
        # Snowball stems شركه unlike الشركه and شركات, and keeps an article behind و.
        bare = _PLURAL.sub("ه", _ARTICLE.sub("", word))
        stem_of[word] = (english if bare.isascii() else arabic).stemWord(bare)
    return stem_of


def _weigh(said: Iterable[Stems]) -> dict[str, float]:
    """The probability of each stem. It counts once in a text, so that nobody makes it weightier by repeating it."""
    common = Counter(stem for stems in said for stem in stems)
    total = common.total()
    return {stem: count / total for stem, count in common.items()}


def _worth(stems: Stems, weights: Mapping[str, float]) -> tuple[float, float]:
    spoken = [weights[stem] for stem in stems]
    return max(spoken), sum(spoken) / max(len(spoken), TYPICAL_WORDS)


def _is_new(stems: Stems, covered: set[str]) -> bool:
    """Whether half of it at least was not chosen yet."""
    return 2 * len(covered.intersection(stems)) <= len(stems)
