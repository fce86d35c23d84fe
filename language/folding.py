"""Folds the spellings of a word into one form."""

from functools import lru_cache

import regex

from protocol import text as protocol_text

LONGEST_TEXT = 5_000  # characters that are read of a text

# Normalising sorts each run of marks in quadratic time. No language needs more on a letter (see protocol/text.py).
_PILE_OF_MARKS = regex.compile(r"([\P{ccc=0}\u0f73\u0f75\u0f81]{14})[\P{ccc=0}\u0f73\u0f75\u0f81]++")
# What the fold that identifies hashtags keeps: carriers of hamza, and Persian letters for p, v, ch and g.
_FOLDED = str.maketrans("ؤئیېےکڪگپچڤڥہھۀەۃ", "وييييككجبجففههههه")


@lru_cache(64)  # a text is folded several times in a row: for its words, for its letters, for its hashtags
def fold(text: str) -> str:
    """A form that the spellings of a text share. Idempotent; reads at most `LONGEST_TEXT` characters.

    NFKC and composing, lower case, then Arabic without tashkeel and tatweel: one alef, one ya, one ha for ة, no hamza
    on waw or ya, and Western digits.
    """
    return protocol_text.fold(_PILE_OF_MARKS.sub(r"\1", text[:LONGEST_TEXT])).translate(_FOLDED)[:LONGEST_TEXT]
