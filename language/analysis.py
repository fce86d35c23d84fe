"""Analyses texts for search: the terms to index, the terms to look for, and the similarity of two texts.

A term is a stem, `~` with a phonetic key, or `-` with consonants or letters of which one may be missing: words that
differ in one share such a term. docs/search.md shows the steps from a text to its terms.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from rapidfuzz.distance import Levenshtein

from language.folding import LONGEST_TEXT, fold
from language.phonetics import ROUGH, consonants, in_turn, written_sounds
from language.stems import is_arabic, short_host
from language.words import Word, asked_words, folded_words, join, read_word, words

__all__ = [
    "LONGEST_QUERY", "LONGEST_TEXT", "Word", "document_terms", "fold", "folded_words", "query_terms", "similarity",
    "words",
]  # fmt: skip

LONGEST_QUERY = 200  # characters
MOST_QUERY_WORDS = 10
MOST_ALTERNATIVES = 16  # of a word of a query
SOUND, MISTYPED = "~", "-"  # begin terms; queries name those of mistyped words last
_MOST_ROUGH = 3
_FEWEST_CONSONANTS = 4  # of a word that is known by its other consonants alone
_FEWEST_SOUNDS = 4  # of a word of three consonants that may be mistyped: they and a vowel
_WRITTEN = range(4, 11)  # letters of a word of fewer consonants that may be mistyped
_ANY = "?"  # in the place of one consonant
_CACHED = 16_384  # words, and pairs of them
_COMPARED = 1_000  # characters of a text that is compared with a query
_ORDER, _BREVITY = 0.08, 0.07  # what the order of words and the absence of others count
_SAME_WORD = 0.98
_SAME_STEM, _OTHER_ENDING = 0.95, 0.1
_SAME_SOUND = 0.9
_UNLIKELY = 0.01  # less for each less likely reading
_SAME_CONSONANTS = 0.75
_OTHER_VOWELS = 0.1
_UNLIKE = 0.4  # similarity of letters
_SIMILAR = 0.85  # times the similarity of letters or sounds


def document_terms(text: str) -> list[str]:
    """The distinct terms by which a text is found: the surest of all words first, so that the last can be spared."""
    said = folded_words(text)
    if not said:
        return []
    stems, fine, rough, mistyped = zip(*map(_terms, dict.fromkeys(said)), strict=True)
    joined = [_joined(one, other) for one, other in pairwise(said)]
    return list(dict.fromkeys(chain.from_iterable(map(in_turn, (stems, fine, rough, joined, mistyped)))))


@lru_cache(_CACHED)
def _terms(folded: str) -> tuple[Sequence[str], ...]:
    """The stems, fine keys, rough keys, and mistyped forms of a word."""
    word = read_word(folded)
    return word.stems, _sounds(word.fine_keys), _sounds(word.rough_keys), _mistyped(folded)


def query_terms(text: str) -> list[tuple[str, ...]]:
    """For each word of a query, the terms that may stand for it: the best first, at most `MOST_ALTERNATIVES`."""
    asked = _query_words(text)
    joined = [_joined(one.folded, other.folded) for one, other in pairwise(asked)]
    in_context = zip(asked, ((), *joined), (*joined, ()), strict=False)
    return list(dict.fromkeys(_alternatives(word, (*before, *behind)) for word, before, behind in in_context))


def _alternatives(word: Word, joined: Sequence[str]) -> tuple[str, ...]:
    """joined: terms of the word together with its neighbours."""
    stems, fine, rough, mistyped = _terms(word.folded)
    rough = rough[:_MOST_ROUGH]
    is_short = len(_skeleton(word)) < _FEWEST_CONSONANTS  # its mistyped forms are vague: they get what is left
    host = short_host(word.folded)
    others = (*joined, host) if host else joined
    kept = len(stems) + len(rough) + len(others) + (0 if is_short else len(mistyped))
    found = (
        *stems,
        *fine[: max(MOST_ALTERNATIVES - kept, len(word.bare), 1 if rough else 2)],
        *rough,
        *others,
        *mistyped,
    )
    return tuple(dict.fromkeys(found))[:MOST_ALTERNATIVES]


def _sounds(keys: Iterable[str]) -> list[str]:
    return [SOUND + key for key in keys]


@lru_cache(_CACHED)
def _mistyped(folded: str) -> tuple[str, ...]:
    """The consonants of a word, and then without each of them in turn.

    Fewer than four stand for too many words. Such a word of five letters or more is known by its letters, too, and
    these without each in turn; one of four by its sounds, with any consonant in the place of the second, and the third.
    """
    word = read_word(folded)
    skeleton, letters = _skeleton(word), word.bare[0]
    if len(skeleton) >= _FEWEST_CONSONANTS:
        forms = _without_one(skeleton)
    else:
        forms = [skeleton] if len(skeleton) == _FEWEST_CONSONANTS - 1 else []
        if word.keys and len(letters) in _WRITTEN:
            forms += _without_one(letters) if len(letters) > _WRITTEN[0] else [letters, *_with_any_consonant(word)]
    return tuple(MISTYPED + form for form in forms)


def _skeleton(word: Word) -> str:
    return consonants(word.keys[0]) if word.keys else ""


def _without_one(form: str) -> list[str]:
    """The form, and without each of its letters."""
    return [form, *(form[:place] + form[place + 1 :] for place in range(len(form)))]


def _with_any_consonant(word: Word) -> list[str]:
    """The sounds of a word of three consonants and a vowel, with any in the place of its second, and of its third."""
    key, skeleton = word.keys[0].rstrip(ROUGH), _skeleton(word)
    if len(skeleton) < _FEWEST_CONSONANTS - 1 or len(key) < _FEWEST_SOUNDS:
        return []
    places = [place for place, sound in enumerate(key) if sound in skeleton]
    return [f"{key[:place]}{_ANY}{key[place + 1 :]}" for place in places[1:]]


@lru_cache(_CACHED)
def _joined(one: str, other: str) -> tuple[str, ...]:
    """Terms of two short words written as one: فيس بوك and فيسبوك."""
    both = join(one, other)
    if both is None:
        return ()
    word = read_word(both)
    distinct = next((key for key in (*word.rough_keys, *word.keys) if len(key) > _FEWEST_CONSONANTS), None)
    return (word.stem, SOUND + distinct) if distinct else (word.stem,)


def similarity(query: str, text: str) -> float:
    """How well a text answers a query, from 0 to 1, in either script: its words, their order, and few others."""
    wanted, (told, length) = _asked(query), _told(text[:_COMPARED])
    if not wanted or not told:
        return 0.0
    likeness, order, last = 0.0, 0.0, -1
    for forms in wanted:
        best, follows, place = _best(forms, told, last)
        likeness += best
        order += 1.0 if follows or last < 0 else 0.5 * (place > last)
        last = place
    brevity = min(1.0, len(wanted) / length)
    weight = 1 - _ORDER - _BREVITY + _ORDER * order / len(wanted) + _BREVITY * brevity
    return min(1.0, likeness / len(wanted) * weight)


def _best(forms: Sequence[str], told: Mapping[str, Sequence[int]], last: int) -> tuple[float, bool, int]:
    """The likeness of the word that is most like one of the forms, whether it follows `last`, and its place.

    Among equally good words, it is the one that follows, or the first.
    """
    # Mostly the word itself is there: then the others are not compared, nor even read.
    alike = [(1.0, places) for form in forms if (places := told.get(form))] or [
        (_likeness(form, other), places) for form in forms for other, places in told.items()
    ]
    likeness, follows, before = max((like, place == last + 1, -place) for like, places in alike for place in places)
    return likeness, follows, -before


@lru_cache(1_024)
def _asked(query: str) -> list[list[str]]:
    return _with_joined([word.folded for word in _query_words(query)])


@lru_cache(4_096)
def _told(text: str) -> tuple[dict[str, list[int]], int]:
    """The places of each form of its words, and the number of its words."""
    said, places = folded_words(text), dict[str, list[int]]()
    for place, forms in enumerate(_with_joined(said)):
        for form in forms:
            places.setdefault(form, []).append(place)
    return places, len(said)


def _with_joined(found: Sequence[str]) -> list[list[str]]:
    """Each word, and it together with a neighbour if both are short."""
    if not found:
        return []
    joined = [join(one, other) for one, other in pairwise(found)]
    around = zip(found, (None, *joined), (*joined, None), strict=True)
    return [[form for form in forms if form] for forms in around]


@lru_cache(1_024)
def _query_words(text: str) -> tuple[Word, ...]:
    return tuple(map(read_word, asked_words(text[:LONGEST_QUERY])[:MOST_QUERY_WORDS]))


@lru_cache(_CACHED)
def _likeness(folded: str, other_folded: str) -> float:
    if folded == other_folded:
        return 1.0
    letters = float(Levenshtein.normalized_similarity(folded, other_folded))
    if letters < _UNLIKE and _are_unrelated(folded, other_folded):
        return _SIMILAR * letters  # as of most words of a text: to read them would take long
    one, other = read_word(folded), read_word(other_folded)
    if bare := _first_shared(one.bare, other.bare):
        return _SAME_WORD - _UNLIKELY * bare[0]
    if stems := _first_shared(one.stems, other.stems):
        bare_letters = Levenshtein.normalized_similarity(one.bare[0], other.bare[0])
        return _SAME_STEM - _UNLIKELY * stems[0] - _OTHER_ENDING * (1 - float(bare_letters))
    if keys := _first_shared(one.keys, other.keys):
        likeness = _SAME_CONSONANTS if keys[1].endswith(ROUGH) else _SAME_SOUND - _UNLIKELY * keys[0]
        vowels = Levenshtein.normalized_similarity(written_sounds(one.bare[0]), written_sounds(other.bare[0]))
        return likeness - _OTHER_VOWELS * (1 - float(vowels))
    sounds = Levenshtein.normalized_similarity(one.keys[0], other.keys[0]) if one.keys and other.keys else 0.0
    return _SIMILAR * max(letters, float(sounds))


def _are_unrelated(one: str, other: str) -> bool:
    """Whether two words with few letters in common are surely no forms of one: Arabic, neither within the other."""
    return is_arabic(one) and is_arabic(other) and one not in other and other not in one


def _first_shared(one: Sequence[str], other: Sequence[str]) -> tuple[int, str] | None:
    """Return the least sum of places that an entry of both lists has, and the entry; None if they share none."""
    least: tuple[int, str] | None = None
    for place, each in enumerate(one):
        if each in other and (least is None or (place + other.index(each), each) < least):
            least = place + other.index(each), each
    return least
