"""Phonetic keys: the Arabic and the Latin spellings of a word have at least one in common.

Both scripts are read into the same sounds. A letter that stands for several sounds in Egypt (ق is k or a glottal stop,
ذ is z or d) is read as each, so a word may have several keys, at most `MOST_KEYS`. Arabic does not write short vowels,
so a key holds less of the vowels the more consonants there are:

* five consonants or more: consonants only
* four: consonants, and the vowel that Arabic writes before the last of them (محمد is not محمود)
* three: also the vowels before the others, and whether a vowel begins or ends the word
* fewer: also which vowel ends the word

Words of three and four consonants have a rough key of consonants only, last: `slm*`. Latin words without vowels need
it. A Latin vowel may be short, that is, not written in Arabic, so it is read as both. Linear time.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, product, zip_longest

MOST_KEYS = 10
ROUGH = "*"  # ends a key of consonants only
_MOST_ROUGH = 3
_LONGEST_WORD = 25  # letters that are read
_MOST_READINGS = 64

# Capitals: S is sh, G is gh, X is kh; A, I and U are vowels. An apostrophe stands for the vowel that begins a word.
_ARABIC: Mapping[str, Sequence[str]] = {
    "ب": "b", "ت": "t", "ث": "st", "ج": "g", "ح": "h", "خ": "X", "د": "d", "ذ": "zd", "ر": "r", "ز": "z", "س": "s",
    "ش": "S", "ص": "s", "ض": "dz", "ط": "t", "ظ": "zd", "غ": "Gg", "ف": "f", "ق": "k2", "ك": "k", "ل": "l",
    "م": "m", "ن": "n", "ه": "h", "تش": ("S", "tS"),
}  # fmt: skip
_LATIN: Mapping[str, Sequence[str]] = {
    "b": "b", "c": "k", "d": "d", "f": "f", "g": "g", "h": "h", "j": "g", "k": "k", "l": "l", "m": "m", "n": "n",
    "p": "b", "q": "k2", "r": "r", "s": "s", "t": "t", "v": "f", "z": "z", "4": "Sdz", "5": "X", "6": "t", "7": "h",
    "8": "Gk", "9": "sk", "kh": "X", "gh": "G", "sh": "S", "ch": "S", "th": "tzs", "dh": "dz", "ph": "f", "ck": "k",
    "tch": "S", "tsh": ("S", "tS"),
}  # fmt: skip
_ARABIC_PARTS = re.compile("[اويعء]+|تش|[ب-ه]")
_LATIN_PARTS = re.compile("[aeiouyw3]+|t[cs]h|[kgscd]h|th|ph|ck|[a-z24-9]")
_SOFT_C = re.compile("c(?=[eiy])")
_DOUBLED = re.compile(r"([^\Waeiou])\1+")
_WH = re.compile("^wh")
_FEMININE = re.compile("(?:[aeiou]|(?<![tdskgcp]))h$|(?<=..)[ae]t$")
_TAA = re.compile("(?<=..)ه$")  # ة, folded
_APART_FROM_H = re.compile("(?<=[ksdtg])(?=h(?:a|[ou]?m)$)|(?<=[aeiou][dt])(?=h[aeiouy])")
_VOWEL_OF = str.maketrans("aeiouywاوي", "AIIUUIUAUI", "3عء")
_WRITTEN_VOWEL = _VOWEL_OF | {ord("ع"): "3", ord("3"): "3"}
_VOWELS = frozenset("AIU")
_APART = "."  # between two consonants that are not one doubled consonant: Arabic writes that as one
_MAY_BE_VOWEL = frozenset(("A", "I", "U", "'", ""))
_REPEATED = re.compile(r"[AIU]{2,}|(.)\1+")
_NOT_CONSONANTS = re.compile("[AIUa'*]+")

Parts = list[tuple[str, ...]]  # what a word may sound like: the alternatives of each part


def arabic_keys(words: Sequence[str]) -> tuple[str, ...]:
    """The keys of a folded Arabic word, given as its readings without clitics; best first."""
    return _keys([_arabic_parts(_ARABIC_PARTS.findall(word[:_LONGEST_WORD])) for word in words])


def latin_keys(words: Sequence[str]) -> tuple[str, ...]:
    """The keys of a folded Latin word, given as its readings without clitics; digits are letters of Arabizi."""
    spellings = chain.from_iterable(_spellings(word[:_LONGEST_WORD]) for word in words)
    return _keys([_latin_parts(_LATIN_PARTS.findall(spelling)) for spelling in spellings])


def written_sounds(word: str) -> str:
    """All sounds of a folded word as it is written: with each vowel, and ع."""
    table, parts = (_LATIN, _LATIN_PARTS) if word.isascii() else (_ARABIC, _ARABIC_PARTS)
    spelling = next(_spellings(_TAA.sub("ا", word[:_LONGEST_WORD])))
    return "".join(
        table[part][0] if part in table else part.translate(_WRITTEN_VOWEL) for part in parts.findall(spelling)
    )


def consonants(key: str) -> str:
    """The consonants of a key."""
    return _NOT_CONSONANTS.sub("", key)


def _spellings(word: str) -> Iterator[str]:
    if "zz" in word:  # «بيتزا»
        yield word.replace("zz", "tz")
    word = _DOUBLED.sub(r"\1", _SOFT_C.sub("s", _WH.sub("w", word.replace("x", "ks"))))
    yield word
    if _FEMININE.search(word):  # ة is written a, ah, eh, h, et or at; «ليه» leh
        yield _FEMININE.sub("e" if word.endswith(("eh", "ih")) else "a", word)
    if _APART_FROM_H.search(word):  # sh is not ش in "rasha", her head, nor th ث in "fathy"
        yield _APART_FROM_H.sub("-", word)


def _arabic_parts(letters: Sequence[str]) -> Parts:
    parts: Parts = []
    for index, part in enumerate(letters):
        first, last = index == 0, index == len(letters) - 1
        if part in _ARABIC:
            if last and part == "ه" and not first:
                parts.append(("A",))
            elif first and part == "ق":
                parts.append(("k", "'"))
            elif not first and part == letters[index - 1]:
                parts.append((_APART + _ARABIC[part][0], ""))
            else:
                parts.append(tuple(_ARABIC[part]))
            continue
        if first and part[0] in "وي" and len(letters) > 1:
            parts.append(("w" if part[0] == "و" else "y",))
            part = part[1:]
        elif first:
            parts.append(("'",))
            part = part[1:]
        written = part.translate(_VOWEL_OF)
        heard = ("U", "I") if "U" in written and "I" in written else (written,)
        if last and index > 1 and part[-1:] == "ا":
            heard = (*heard, written + "n")  # شكرا is said shokran
        elif last and part == "ي":
            heard = ("I", "A")  # it may be ى
        parts.append(heard)
    return parts


def _latin_parts(letters: Sequence[str]) -> Parts:
    parts: Parts = []
    for index, part in enumerate(letters):
        first, last = index == 0, index == len(letters) - 1
        if part in "2q" and first:
            parts.append(("'",) if part == "2" else ("k", "'"))
        elif part == "2":
            parts.append(("2", ""))
        elif part in _LATIN:
            parts.append(tuple(_LATIN[part]))
        elif part[0] in "aeiouyw3":
            if first and part[0] in "wy" and (len(part) > 1 or not last):
                parts.append((part[0],))
                part = part[1:]
            elif first:
                parts.append(("'",))
            parts.append(_last_vowels(part) if last and not part.endswith("3") else _vowels(part))
    return parts


def _vowels(part: str) -> tuple[str, ...]:
    """Return the Arabic letters that a Latin vowel within a word may stand for."""
    if "w" in part:
        return ("U",)
    if (len(part) > 1 and "y" in part) or part in ("ai", "ei"):
        return ("I",)
    if part == "au":
        return ("U",)
    return (*dict.fromkeys(part.translate(_VOWEL_OF)), "")


def _last_vowels(part: str) -> tuple[str, ...]:
    if part == "e":
        return ("I", "A", "")
    if part == "aa":
        return ("A", "")  # اع or ع
    if part in ("o", "u"):
        return ("U", "A")  # "abdo" and "abdu" are عبده
    return tuple(dict.fromkeys(part.translate(_VOWEL_OF))) or ("",)


def _keys(readings: Sequence[Parts]) -> tuple[str, ...]:
    """The keys of all readings, those of each reading in turn; the rough ones last."""
    found = [_keys_of(parts) for parts in readings]
    fine = in_turn([keys for keys, _ in found])
    rough = in_turn([keys for _, keys in found])[:_MOST_ROUGH]
    return (*fine[: MOST_KEYS - len(rough)], *rough)


def in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """The distinct entries of all lists: the first of each, then the second of each, and so on."""
    return list(dict.fromkeys(key for key in chain.from_iterable(zip_longest(*lists)) if key))


def _keys_of(parts: Parts) -> tuple[list[str], list[str]]:
    fine, rough = [], []
    for reading in islice(_readings(_without_what_no_key_holds(parts)), _MOST_READINGS):
        sounds = _REPEATED.sub(_once, "".join(reading)).replace(_APART, "").replace("nb", "mb")  # as it is said
        skeleton = consonants(sounds)
        if skeleton or len(sounds) > 1:
            fine.append(_with_vowels(sounds, skeleton))
        if len(skeleton) in (3, 4):
            rough.append(skeleton + ROUGH)
    return list(dict.fromkeys(fine)), list(dict.fromkeys(rough))


def _readings(parts: Parts) -> Iterator[Sequence[str]]:
    """All that a word may sound like: a consonant that occurs twice is read alike («8a8» is ق and ق, or غ and غ)."""
    slots = [index if _MAY_BE_VOWEL.issuperset(part) else parts.index(part) for index, part in enumerate(parts)]
    if len(set(slots)) == len(slots):
        yield from product(*parts)
        return
    heard = {slot: parts[slot] for slot in slots}
    for chosen in product(*heard.values()):
        sounds = dict(zip(heard, chosen, strict=True))
        yield [sounds[slot] for slot in slots]


def _without_what_no_key_holds(parts: Parts) -> Parts:
    """With one alternative for each vowel that no key of so many consonants holds: there are fewer readings to try."""
    heard = [index for index, alternatives in enumerate(parts) if _MAY_BE_VOWEL.isdisjoint(alternatives)]
    if len(heard) < 4:
        return parts
    held = heard[-1] - 1 if len(heard) == 4 else -1
    return [
        ("A",) if len(each) > 1 and index != held and _MAY_BE_VOWEL.issuperset(each) else each
        for index, each in enumerate(parts)
    ]


def _once(repeated: re.Match[str]) -> str:
    """One vowel for a run of them (a glide is always heard), one consonant for a doubled one."""
    found = repeated[0]
    return next((vowel for vowel in "UIA" if vowel in found), found[0])


def _with_vowels(sounds: str, skeleton: str) -> str:
    if len(skeleton) > 4:
        return skeleton
    if len(skeleton) == 4:
        before = sounds.rstrip("AIU")[-2]
        return skeleton[:3] + (before if before in _VOWELS else "") + skeleton[3]
    if len(skeleton) < 3:
        return sounds
    if sounds[0] == "'" and sounds[1] in _VOWELS:
        sounds = "'" + sounds[2:]
    return sounds[:-1] + "a" if sounds[-1] in _VOWELS else sounds
