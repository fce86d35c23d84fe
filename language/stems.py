"""Takes clitics off a word, and reduces its forms to a stem.

Arabic writes conjunctions, prepositions and the article together with the next word. «وبالقاهرة» is و + ب + ال + قاهرة.
A single و ف ب ك ل may also belong to the word (بلد, ولد), so both readings are kept.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import snowballstemmer

_LONGEST_STEMMED = 25  # letters; Snowball's stemmers take quadratic time

_ARABIC = re.compile("[ء-ي]")
_ARTICLE = re.compile("^(?:[وف]?(?:[بكعه]?ال|لل)|[وف]ال)(?=..)")
_PROCLITICS = (re.compile("^[وفبكل](?=...)"), re.compile("^[وف][بكل](?=...)"))
_SHORT_HOST = re.compile("^[وف]?[وفبكل](..)$")
_PRONOUN = re.compile("(?<=...)(ت?)(?:ها|هم|نا|كم|كو|ك)$|(?<=...)(ت)[هي]$")
_SUFFIX = re.compile("(?<=...)(?:ات|ين|ون|(?<!ا)يه|(?<!ا)يات|اء|[هياء])$|(?<=..)اء$")
_FORM_OF_FEMININE = re.compile("(?<=..)(?:ا?ت(?:ها|هم|نا|كم|كو|[كهي])|ات|تين)$")
_PRESENT = re.compile("^[به][يتن](?=...)")
_LATIN_ARTICLE = re.compile(
    r"^(?:(?:[wbf]?2?[eai]l|[wbf]?2l|l[ei]l)(?=...)|[wbf]?l(?=[aeiou]2)|3al(?=[^aeiou]..)|[aei](?=(t|d|s|sh|z|n|r)\1..))"
)
_COMPOUNDS = (
    re.compile("^(عبد)(ال..+)$"),
    re.compile("^(?!.?انش|.?ماش)(عز|...+)(الدين|الله)$"),
    re.compile("^(3?abd)[eiaou]?(?:l|(?=([tdsznr])\\2))(...+)$"),
    re.compile("^(...*)[aeiou](?:l|d)(d(?:i|ee)ne?)$"),
    re.compile("^([2-9]?...+?)[aeiou]?(llah)$"),
)
_ABD = re.compile("^(3?abd)[eiaou]l$")
# What is said: words that are not spelt as they sound, and cities that English calls otherwise.
_IRREGULAR = {"عمرو": "عمر", "طه": "طاها", "لله": "الله"}
_EXONYMS = {
    "cairo": "kahera", "luxor": "o2sor", "hurghada": "gharda2a", "suez": "sweis", "damietta": "domyat",
    "rosetta": "rashid",
}  # fmt: skip


def is_arabic(word: str) -> bool:
    return _ARABIC.search(word) is not None


def without_clitics(word: str) -> tuple[str, ...]:
    """The readings of a folded word without its clitics: the likeliest first, at most three."""
    if word in _EXONYMS:
        return (word, _EXONYMS[word])
    if not is_arabic(word):
        bare = _LATIN_ARTICLE.sub("", _ABD.sub(r"\1", word))
        if bare == word:
            return (word,)
        return (bare, word) if word.startswith("el") else (word, bare)
    word = _IRREGULAR.get(word, word)
    bare = _ARTICLE.sub("", word)
    if bare != word:
        if word.lstrip("وف").startswith("لل"):
            return (bare, "ل" + bare)  # «للبن»: to the coffee, or of the milk
        is_certain = word.startswith(("ال", "لل")) or len(bare) > 3  # «والدي» is my father
        return (bare,) if is_certain else (bare, word)
    return tuple(dict.fromkeys((word, *(proclitic.sub("", word) for proclitic in _PROCLITICS))))


def short_host(word: str) -> str | None:
    """The two letters behind clitics, as in «وحب»; None if there are more or fewer.

    Only queries are read so: mostly, three letters are one word, and «بنت» in documents would be found by «نت».
    """
    found = _SHORT_HOST.match(word)
    return found[1] if found else None


def split_compound(word: str) -> tuple[str, ...]:
    """The parts of a name with Abd, al-Din or Allah, which is written with and without a space."""
    found = next(filter(None, (compound.match(word) for compound in _COMPOUNDS)), None)
    return (found[1], found[found.lastindex or 2]) if found else (word,)


def stems(readings: Sequence[str]) -> tuple[str, ...]:
    """The distinct stems of a word, given as its readings without clitics: the likeliest first, at most seven.

    A form with ت may belong to a feminine word: «شقتي» to شقة, «بنتي» to بنت. «بيلعب» may be a form of the verb لعب.
    Then the stem of either is among them.
    """
    feminine = (_FORM_OF_FEMININE.sub("ه", reading) for reading in readings)
    return tuple(dict.fromkeys(map(stem, (*readings, *feminine, _PRESENT.sub("", readings[0])))))


@lru_cache(16_384)
def stem(word: str) -> str:
    """The stem of a folded word without clitics."""
    if len(word) > _LONGEST_STEMMED:
        return word
    if is_arabic(word):
        return _SUFFIX.sub("", _PRONOUN.sub(lambda found: "ه" if found[1] or found[2] else "", word))
    if word.isascii() and word.isalpha():
        # A stemmer has state while it works, so each call uses its own.
        found = str(snowballstemmer.stemmer("english").stemWord(word))
        return found if len(found) > 2 else word
    return word
