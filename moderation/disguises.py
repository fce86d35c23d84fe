"""Reads a text as a person does who sees through its disguises.

A disguise is a letter of another script that looks alike («аdmin» with a Cyrillic а), a sign between letters
(«ح_م_ا_ر», "c.a.s.i.n.o", "c a s i n o"), or a digit that stands for a letter ("cas1no"). Invisible characters, marks
and elongation are what `language` folds anyway. Linear time.
"""

from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple

import regex
from confusable_homoglyphs import confusables

from language.folding import LONGEST_TEXT, fold
from language.words import read_word, tokens

MOST_TOKENS = 1_000

# Letters that stand alone, three or more, with up to three signs or blanks between them. Possessive: linear time.
_SPELT_OUT = regex.compile(
    r"(?<![\p{L}\p{N}\p{M}])\p{L}\p{M}*+(?:[^\p{L}\p{N}\p{M}\n]{1,3}+\p{L}\p{M}*+(?![\p{L}\p{N}])){2,}+"
)
_BETWEEN_LETTERS = regex.compile(r"(?<=[\p{L}\p{N}]\p{M}{0,9})[^\p{L}\p{N}\p{M}\s#@]{1,3}+(?=[\p{L}\p{N}])")
_LINK = regex.compile(r"[a-z]{1,20}+://\S*+", regex.IGNORECASE)  # its dots and slashes hide no word
_BETWEEN_SPELT_OUT = regex.compile(r"[^\p{L}\p{M}]+")
_INK = regex.compile(r"[\p{L}\p{N}]+")
_STRETCHED = regex.compile(r"(\p{L})\1{2,}+")
# Digits and signs that stand for Latin letters. Those of Arabizi (2, 3, 5, 7) are read as such by phonetic keys.
_LOOKS_LIKE = str.maketrans("013457", "oieast")
_MIXED = regex.compile(r"(?=.*[a-z])(?=.*\d)[a-z\d]{3,40}")
_SIGNS = str.maketrans("@$!€£|", "asiell")
_SIGN_IN_WORD = regex.compile(r"(?<=\p{Latin})[@$!€£|](?=\p{Latin})")
_SOURCES = regex.compile(r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Cherokee}\p{Lisu}\p{Latin}]")


class Reading(NamedTuple):
    """The contents of a text as people read it.

    lines: its folded words between blanks, once in each form in which they may be meant, for terms of whole words.
    squeezed: its letters and digits with nothing between them. keys: phonetic, of its words.
    """

    words: tuple[str, ...]
    lines: str
    squeezed: str
    keys: frozenset[str]


def read(text: str) -> Reading:
    """Read a text; at most its first 5,000 characters and 1,000 words."""
    text = _in_letters(text)
    plain = _words(text)
    without_links = _LINK.sub(" ", text) if "://" in text else text
    joined = _BETWEEN_LETTERS.sub("", _SPELT_OUT.sub(_join, without_links))
    variants = [plain]
    if joined != without_links:
        variants.append(_words(joined))
    said = tuple(dict.fromkeys(chain.from_iterable(variants)))
    read_words = [read_word(word) for word in said]
    bare = [form for word in read_words for form in word.bare if form != word.folded]
    digits_read = [form for word in said if (form := _without_digits(word)) != word]
    return Reading(
        words=said,
        lines="\n".join(f" {' '.join(line)} " for line in (*variants, bare, digits_read) if line),
        squeezed=_squeeze(text),
        keys=frozenset(chain.from_iterable(word.keys for word in read_words)),
    )


def squeezed(text: str) -> str:
    """The letters and digits of a text, folded, with nothing between them."""
    return _squeeze(_in_letters(text))


def as_term(term: str) -> str:
    """The folded words of a term, between blanks; empty if it has none."""
    return " ".join(_words(_in_letters(term)))


def as_part(term: str) -> str:
    """A term as it is looked for inside words; empty if it has no letter or digit."""
    return squeezed(term)


def as_sound(term: str) -> frozenset[str]:
    """The phonetic keys of a term of one word, without rough ones; none for other terms."""
    found = _words(_in_letters(term))
    return (
        frozenset(key for key in read_word(found[0]).keys if not key.endswith("*")) if len(found) == 1 else frozenset()
    )


def _in_letters(text: str) -> str:
    """The start of a text with the letters that its look-alikes, and the signs within its words, stand for."""
    letters = text[:LONGEST_TEXT].translate(_look_alikes())
    signed: str = _SIGN_IN_WORD.sub(lambda sign: sign[0].translate(_SIGNS), letters)
    return signed


def _squeeze(text: str) -> str:
    squeezed: str = _STRETCHED.sub(r"\1", "".join(_INK.findall(fold(text))))
    return squeezed


def _words(text: str) -> list[str]:
    return [token.lstrip("#") for token in tokens(text)[:MOST_TOKENS]]


def _join(found: regex.Match[str]) -> str:
    joined: str = _BETWEEN_SPELT_OUT.sub("", found[0])
    return joined


@lru_cache(16_384)
def _without_digits(word: str) -> str:
    return word.translate(_LOOKS_LIKE) if _MIXED.fullmatch(word) else word


@cache
def _look_alikes() -> dict[int, str]:
    """Letters of other scripts, and odd Latin ones, to the basic Latin letter that they look like."""
    table: dict[int, str] = {}
    for character, similar in confusables.confusables_data.items():
        if len(character) != 1 or character.isascii() or not _SOURCES.match(character):
            continue
        latin = next((each["c"] for each in similar if len(each["c"]) == 1 and each["c"].isascii()), "")
        if latin.isalpha():
            table[ord(character)] = latin
    return table
