"""The words of a text, each in the forms by which texts are compared."""

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import regex

from language.folding import LONGEST_TEXT, fold
from language.phonetics import ROUGH, arabic_keys, latin_keys
from language.stems import is_arabic, split_compound, stems, without_clitics
from language.stop_words import STOP_WORDS, is_franco, sounds_like_stop_word

_LONGEST_WORD = 100  # characters, as of a hashtag
_CACHED = 16_384  # words

_HASHTAG = regex.compile(r"[#＃][\p{L}\p{M}\p{N}_]+")
_CAMEL = regex.compile(r"(?<=\p{Ll})(?=\p{Lu})")
_DOTTED = regex.compile(r"(?<=\p{L})([35679])['’`]|([35679])['’`](?=\p{L})")  # 7' is kh
_DOTTED_LETTERS = {"3": "gh", "5": "kh", "6": "dh", "7": "kh", "9": "dh"}
_DOLLAR = regex.compile(r"(?<=\p{L}[\p{L}\p{N}]{0,9})\$+|\$(?=[37]?\p{L})")  # sh
_APOSTROPHE = regex.compile(r"[ʿʾʻʼ]|(?<=[\p{L}\p{N}])['’`](?=\p{L})")
_WITHIN_WORD = regex.compile(
    r"(?<=(?<![\p{L}\p{N}-])[a-z])-(?=[a-z]{2})"  # t-shirt
    r"|(?<=(?<![\p{L}\p{N}-])[a-z]{2})-(?=[a-z]{2}(?![\p{L}\p{N}-]))"  # wi-fi
    r"|(?<=(?<![\p{L}\p{N}])[a-z])\.(?=[a-z](?![\p{L}\p{N}]))"  # u.s.a
    r"|(?<=(?<!\d)\d{1,3})[.,٬](?=\d{3}(?!\d))"  # 1,000
)
_ASSIMILATED = regex.compile(r"(?<![\p{L}\p{N}])[ae](sh|[tdszrn])-(?=\1)")  # the article in ash-shams
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
# Phrases that are written as one word, as several, and in both scripts. «منه» alone is a stop word.
_PHRASES = {
    "inshallah": "ان شاء الله", "mashallah": "ما شاء الله", "hamd": "الحمد لله", "subhan": "سبحان الله",
    "wallahi": "والله", "akbar": "الله اكبر", "menna": "منا الله",
}  # fmt: skip
_PHRASE = re.compile(
    r"(?<!\w)(?:(?P<inshallah>ان ?شاء? ?ا?لله|[ie]?n ?sha{1,3}2?h? ?2?a?llah?)"
    r"|(?P<mashallah>ما ?شاء? ?ا?لله|ma ?sha{1,3}2?h? ?2?a?llah?)"
    r"|(?P<hamd>(?:[ae]l ?)?[h7]amd[uo]? ?l{1,2}[ei]l{1,2}ah?)|(?P<subhan>s[uo]b[h7]an ?allah?)"
    r"|(?P<wallahi>w[ae]?l{1,2}a{1,2}h[iye]?)|(?P<akbar>allah[uo] ?2?akbar)|(?P<menna>منه ?الله))(?!\w)"
)
_TOKEN = regex.compile(r"#[\p{L}\p{M}\p{N}_]+|\p{RI}\p{RI}|[\p{L}\p{N}][\p{L}\p{M}\p{N}]*|\p{Extended_Pictographic}")
_SCRIPT = re.compile("[ء-ي0-9]*[ء-ي][ء-ي0-9]*|[^ء-ي]+")
# Arabic affixes of a word in Latin letters: «الblog», «بالـ visa», «هshare», «boyات».
_PROCLITIC = regex.compile(r"(?<![\p{L}\p{N}])[وف]?(?:[بكعل]ال|لل)[\s-]{1,2}(?=[a-z0-9])")
_AFFIX = re.compile("[وف]?(?:[بكعل]?ال|لل|[به]?[ايتن]|[بكلعهم])?|ات|ين|ها|هم|نا")
_ARABIZI = re.compile("[235679](?=[ء-ي])")  # a digit that is a letter before Arabic letters
_ARABIZI_LETTERS = {"2": "ا", "3": "ع", "5": "خ", "6": "ط", "7": "ح", "9": "ص"}


_CODE = re.compile(r"[a-z]?\d+[a-z]?|(?=.*\d).*[pvx].*")  # «3d», «mp3», «7up»: their digits are no letters


class Word(NamedTuple):
    """A word in the forms by which it is found."""

    folded: str
    bare: tuple[str, ...]  # without clitics, in each reading of them; the likeliest first
    stems: tuple[str, ...]  # of these, the likeliest first
    keys: tuple[str, ...]  # phonetic, best first; none for a word without Arabic or Latin letters

    @property
    def stem(self) -> str:
        return self.stems[0]

    @property
    def fine_keys(self) -> tuple[str, ...]:
        return tuple(key for key in self.keys if not key.endswith(ROUGH))

    @property
    def rough_keys(self) -> tuple[str, ...]:
        return tuple(key for key in self.keys if key.endswith(ROUGH))


def words(text: str) -> list[Word]:
    """The words of a text, in order; without stop words, unless there are no others.

    Hashtags and emoji are words too. The parts of a hashtag follow it.
    """
    return [read_word(token) for token in folded_words(text)]


def folded_words(text: str) -> list[str]:
    """The folded forms of `words`, without stems and keys: cheaper where these may not be needed."""
    return _without_stop_words(tokens(text))


def asked_words(text: str) -> list[str]:
    """The folded words of a query. Of one in Franco, words that sound like a stop word are left out, too.

    Documents keep them: «bas» and «men» may be meant, and a query without them still finds the document.
    """
    found = tokens(text)
    asked = _without_stop_words(found)
    if not any(map(is_franco, found)):
        return asked
    return [token for token in asked if not sounds_like_stop_word(token)] or asked


def _without_stop_words(found: list[str]) -> list[str]:
    return [token for token in found if token not in STOP_WORDS] or found


@lru_cache(_CACHED)
def join(one: str, other: str) -> str | None:
    """Two short folded words of one script as one; None if they are not short."""
    both = one + other
    is_short = 4 < len(both) < 10 and min(len(one), len(other)) > 1
    if not is_short or is_arabic(one) != is_arabic(other) or not both.isalnum() or both.isdecimal():
        return None
    return both


def tokens(text: str) -> list[str]:
    """The folded words of a text, in order, with stop words."""
    text = _HASHTAG.sub(_with_parts, text[:LONGEST_TEXT])
    text = _DOTTED.sub(lambda found: _DOTTED_LETTERS[found[1] or found[2]], fold(text))
    text = _STRETCHED.sub(r"\1", _APOSTROPHE.sub("", _DOLLAR.sub("sh", text)))
    for spare in (_ASSIMILATED, _WITHIN_WORD, _PROCLITIC):
        text = spare.sub("", text)
    text = _PHRASE.sub(lambda phrase: _PHRASES[phrase.lastgroup or ""], text)
    found: list[str] = []
    for token in _TOKEN.findall(text):
        found += (token,) if token[0] == "#" else _split(token[:_LONGEST_WORD])
    return found


def _with_parts(found: regex.Match[str]) -> str:
    """A hashtag with its parts behind it: they are separated by _ or written in CamelCase."""
    return f"{found[0]} {_CAMEL.sub(' ', found[0][1:].replace('_', ' '))} "


@lru_cache(_CACHED)
def _split(token: str) -> tuple[str, ...]:
    """The words of a token: one for each script in it, without Arabic affixes of another."""
    if is_arabic(token):
        token = _ARABIZI.sub(lambda digit: _ARABIZI_LETTERS[digit[0]], token)
    parts = _SCRIPT.findall(token)
    if len(parts) > 1:
        parts = [part for part in parts if not _AFFIX.fullmatch(part)]
    return tuple(chain.from_iterable(map(split_compound, parts)))


@lru_cache(_CACHED)
def read_word(token: str) -> Word:
    """The forms of a folded word."""
    if token[0] == "#":
        return Word(token, (token,), (token,), ())
    readings = without_clitics(token)
    if is_arabic(token):
        keys = arabic_keys(readings)
    else:
        readings = tuple(_without_accents(reading) for reading in readings)
        is_latin = (token.isascii() and not _CODE.fullmatch(token)) or readings[0] != token
        keys = latin_keys(readings) if is_latin else ()
    return Word(token, readings, stems(readings), keys)


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    bare = "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
    return bare if bare.isascii() else word
