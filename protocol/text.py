"""Cleans all text that clients send, and folds different spellings of a word into one.

`Text.clean` does these steps in this order. Each takes linear time for any input, because the steps before it have set
bounds.

1. Length. NFC makes one character from at most four, and white space around the text is not counted. A text of more
   than `4 * longest + 100` characters is refused at once.
2. Lone surrogates and NUL are refused: UTF-8 and PostgreSQL cannot store them.
3. Marks. Normalising sorts each run of combining marks in quadratic time. Runs of more than `MOST_MARKS`
   characters that decompose into marks are refused before normalising; U+0F73, U+0F75 and U+0F81 are such characters
   although their own combining class is 0. The same bound then holds for the decomposed text.
4. NFC.
5. White space around the text is removed, unless the field keeps it (passwords).
6. Length in characters, as the contract counts them.
7. Visibility. A text that is not empty must show at least one letter, digit, punctuation mark or symbol. Marks, blanks,
   default-ignorable characters (U+200B, U+3164, …) and signs without ink (U+2800) do not count.
8. Lines. A field of one line must hold no control characters, no line or paragraph separators, and no embeddings or
   overrides of direction (U+202A to U+202E).
9. Direction. Each embedding, override and isolate must be closed in the paragraph that opens it, in order. An unclosed
   one would reorder what an app shows beside the text. Texts are refused, not repaired, so that users get what the
   author sent.

Fields with their own small alphabet (ids, usernames, cursors) use patterns instead; see `protocol/fields.py`.
"""

import unicodedata
from typing import NamedTuple

import regex

from protocol import errors

MOST_MARKS = 30  # Unicode's Stream-Safe Text Format (UAX #15): no language needs more on one letter
_MOST_DECOMPOSED = 4  # characters that NFC can make into one
_MOST_AROUND = 100  # characters of white space around a text

_MARK = r"[\P{ccc=0}\u0f73\u0f75\u0f81]"
_RUN_OF_MARKS = regex.compile(rf"{_MARK}++")
# A mark decomposes into at most two, and the letter before into at most three: shorter runs stay within the bound.
_PILE_OF_MARKS = regex.compile(rf"{_MARK}{{{(MOST_MARKS - 3) // 2 + 1}}}")
# The last four are an empty notehead, the object replacement character and hieroglyphic blanks.
_VISIBLE = regex.compile(
    r"[[\p{L}\p{N}\p{P}\p{S}\p{Co}\p{Cn}\p{Prepended_Concatenation_Mark}]"
    r"--[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\ufffc\U0001d159\U00013441\U00013442]]",
    regex.V1,
)
_NOT_IN_A_LINE = regex.compile(r"[\p{Cc}\u2028\u2029\u202a-\u202e]")
_DIRECTIONS = regex.compile(r"[\u202a-\u202e\u2066-\u2069\p{Bidi_Class=B}]")
_PDF, _PDI = "\u202c", "\u2069"
_CLOSED_BY = dict.fromkeys("\u202a\u202b\u202d\u202e", _PDF) | dict.fromkeys("\u2066\u2067\u2068", _PDI)

# Tashkeel, Quranic marks, tatweel, and characters that are never shown.
_NOT_FOLDED = regex.compile(
    r"[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\p{Default_Ignorable_Code_Point}]+"
)
_FOLDED = str.maketrans("أإآٱىة٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "اااايه01234567890123456789")


class Text(NamedTuple):
    """Bounds of a text, in characters after NFC; `strip` removes white space around it."""

    shortest: int
    longest: int
    strip: bool = True
    lines: bool = True  # False: the text is shown in one line

    def clean(self, field: str, value: str) -> str:
        """The text as it is stored. Raises INVALID_ARGUMENT that names the field."""
        if len(value) > _MOST_DECOMPOSED * self.longest + _MOST_AROUND:
            raise self._wrong_length(field, value)
        if "\x00" in value:
            raise errors.invalid(field, "contains NUL")
        if not value.isascii():
            value = _compose(field, value)
        if self.strip:
            value = value.strip()
        if not self.shortest <= len(value) <= self.longest:
            raise self._wrong_length(field, value)
        if value and not _VISIBLE.search(value):
            raise errors.invalid(field, "has no visible character")
        if not self.lines and _NOT_IN_A_LINE.search(value):
            raise errors.invalid(field, "contains line breaks, control characters or overrides of direction")
        if not value.isascii() and not _closes_directions(value):
            raise errors.invalid(field, "has unbalanced characters that change the direction of text")
        return value

    def _wrong_length(self, field: str, value: str) -> errors.CallError:
        return errors.invalid(field, f"has {len(value)} characters; {self.shortest} to {self.longest} are allowed")


def fold(text: str) -> str:
    """A form that different spellings of a word share, for lookups. Idempotent. Meant for short texts.

    NFKC and case folding, then Arabic: without tashkeel and tatweel, one alef, one ya, ه for ة, and Western digits.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Again: a character that is now removed may have stood between a letter and its hamza.
    return unicodedata.normalize("NFKC", _NOT_FOLDED.sub("", text)).translate(_FOLDED)


def _compose(field: str, value: str) -> str:
    """The text in NFC. Raises INVALID_ARGUMENT for lone surrogates and for too many marks on a letter."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise errors.invalid(field, "contains a lone surrogate") from None
    if _PILE_OF_MARKS.search(value):
        _check_marks(field, value)
        _check_marks(field, unicodedata.normalize("NFD", value))
    return unicodedata.normalize("NFC", value)


def _check_marks(field: str, value: str) -> None:
    if any(len(run) > MOST_MARKS for run in _RUN_OF_MARKS.findall(value)):
        raise errors.invalid(field, f"has more than {MOST_MARKS} marks on a letter")


def _closes_directions(value: str) -> bool:
    awaited: list[str] = []
    for character in _DIRECTIONS.findall(value):
        if character in _CLOSED_BY:
            awaited.append(_CLOSED_BY[character])
        elif character in (_PDF, _PDI):
            if not awaited or awaited.pop() != character:
                return False
        elif awaited:  # the paragraph ends
            return False
    return not awaited
