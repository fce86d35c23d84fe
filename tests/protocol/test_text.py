"""The rules for text fields, and the cost of checking them."""

import re
import sys
import time
import unicodedata
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import node  # noqa: F401 - declares all methods
from protocol import fields
from protocol.errors import CallError
from protocol.rpc import methods
from protocol.text import MOST_MARKS, Text, fold

POST = Text(0, 5_000)
NAME = Text(1, 50, lines=False)


def text_fields() -> dict[str, Text]:
    """Return every `Text` field of every request, by name."""
    found = {}
    structs = [method.request for method in methods]
    while structs:
        struct = structs.pop()
        for name, clean in fields._cleans(struct):
            rule = getattr(clean, "__self__", None)
            if isinstance(rule, Text):
                found[f"{struct.__name__}.{name}"] = rule
    return found


FIELDS = text_fields()
RULES = sorted(set(FIELDS.values()))


def refusal(rule: Text, value: str) -> str | None:
    try:
        rule.clean("field", value)
    except CallError as error:
        return f"{error.code} {error.message}"
    return None


def seconds(work: Callable[[], object], tries: int) -> float:
    best = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def grows_faster_than_its_input(work: Callable[[str], object], unit: str, longest: int) -> bool:
    """Return whether 16 times the input takes more than 64 times as long (quadratic work takes 256 times as long)."""
    long, short = (unit * longest)[:longest], (unit * longest)[: longest // 16]
    return all(
        seconds(lambda: work(long), tries) > 64 * seconds(lambda: work(short), tries + 1) for tries in (1, 3, 9, 27)
    )


def one_of_each_kind() -> list[str]:
    """Return a character of each kind that normalisation distinguishes, from every block; of ideographs, a sample.

    Blocks begin and end at multiples of 16.
    """
    found: dict[tuple[object, ...], str] = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cs", "Cn") or (
            code % 0x400 and (category == "Co" or 0x3400 <= code < 0xD7B0 or code > 0x17000)
        ):
            continue
        decomposed = unicodedata.normalize("NFD", character)
        kind = (code >> 4, len(decomposed), unicodedata.combining(decomposed[0]) > 0)
        found.setdefault(kind, character)
    return list(found.values())


def test_fields_of_all_kinds_are_found():
    assert {
        "CreatePost.text",
        "SendToRoom.text",
        "UpdateUser.display_name",
        "Register.password",
        "Register.email",
    } <= set(FIELDS)


def test_no_character_of_any_block_takes_more_than_linear_time():
    """It is tested up to the longest input that is read; all fields share the code."""
    message = Text(1, 2_000)
    slow = [
        unit
        for unit in one_of_each_kind()
        if grows_faster_than_its_input(lambda text: refusal(message, text), unit, 4 * message.longest + 100)
    ]
    assert [hex(ord(unit)) for unit in slow] == []


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_too_long_a_text_is_refused_before_it_is_processed(rule):
    assert "characters" in refusal(rule, "\u0f73" * (4 * rule.longest + 101))
    assert seconds(lambda: refusal(rule, "\u0f73" * 1_000_000), tries=3) < 0.005


# Alone or mixed: characters that decompose into marks, in and against their canonical order; fillers, joiners, Hangul
# that composes, directions that open.
HOSTILE = (
    "\u0f73", "\u0f75", "\u0f81", "\u0344", "\u0f73\u0301", "\u0301\u0327", "e\u0f73", "\u0f71\u0f72",
    "\u1100\u1161\u11a8",
    "\U0001d160", "\ufdfa", "\u200d", "\u3164", "\u2067", "\u202e\u202c", "\u2029", "\uff9e", "a\u0315\u0300\u05ae",
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_hostile_texts_take_linear_time_in_every_field(rule):
    for unit in HOSTILE:
        longest = 4 * rule.longest + 100
        assert not grows_faster_than_its_input(lambda text: refusal(rule, text), unit, longest), ascii(unit)


PATTERNS = {
    name: meta.pattern
    for name, kind in vars(fields).items()
    for meta in getattr(kind, "__metadata__", ())
    if isinstance(meta, msgspec.Meta) and meta.pattern
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_take_linear_time(name):
    pattern = re.compile(PATTERNS[name])
    for prefix in ("", "a", "a@a", "a@a.aa"):
        for unit in (*HOSTILE, "a", "1", "a@", "a.", "a-", " ", "\n"):
            assert not grows_faster_than_its_input(lambda text, p=prefix: pattern.search(f"{p}{text}@"), unit, 20_000)


def test_marks_of_combining_class_0_are_refused_at_once():
    assert "marks" in refusal(POST, "\u0f73" * 20_100)
    assert seconds(lambda: refusal(POST, "\u0f73" * 20_100), tries=10) < 0.005


def test_every_character_that_decomposes_into_marks_counts_as_one():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        decomposed = unicodedata.normalize("NFD", character)
        assert len(decomposed) <= 4, hex(code)
        if unicodedata.combining(decomposed[0]):
            assert len(decomposed) <= 2, hex(code)
            assert "marks" in (refusal(POST, f"e{character * (MOST_MARKS + 1)}") or "taken"), hex(code)


def test_marks_are_bounded_after_decomposition():
    assert refusal(POST, "e" + "\u0301" * MOST_MARKS) is None
    assert refusal(POST, "é" + "\u0301" * MOST_MARKS) is not None
    assert refusal(POST, "ᾂ" + "\u0f73" * 14) is not None
    assert refusal(POST, "ཨ" + "\u0f73" * (MOST_MARKS // 2)) is None
    assert refusal(POST, "ཨ" + "\u0f73" * (MOST_MARKS // 2 + 1)) is not None


INVISIBLE = (
    "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4",
    "\u180e", "\u200e", "\u200f", "\u2061", "\u2068\u2069", "\u206a", "\u2800", "\u3164", "\uffa0", "\ufe0f", "\ufff9",
    "\ufffc", "\U0001bca0", "\U0001d159", "\U0001d173", "\U000e0001", "\U000e0041", "\U000e0100", "\u0301", "\u064b",
    "\x01", "\ufffe", "\u200b \u3164\n\u2800",
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_invisible_texts_are_refused_in_every_field(rule, text):
    assert refusal(rule, text * max(rule.shortest, 1))
    filling = "x" * rule.shortest
    assert refusal(rule, f"a{filling}") is None


@pytest.mark.parametrize(
    "text", ["a", "ا", "٣", "👍🏽", "❤️", ".", "一", "हिन्दी", "می‌خواهم", "۝", "\ue000", "\U0001fad9"]
)
def test_visible_texts_are_accepted_unchanged(text):
    assert NAME.clean("field", text) == text
    assert POST.clean("field", f" \u2003{text}\n") == text


@pytest.mark.parametrize(
    "character", "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\t\x00\x7f\u202a\u202b\u202c\u202d\u202e"
)
def test_one_line_fields_refuse_line_breaks_and_controls(character):
    assert refusal(NAME, f"a{character}b")
    assert refusal(NAME, f"a{character}b\u202c")


@pytest.mark.parametrize(
    "text",
    [
        "a\u2067b", "a\u2069b", "\u2066a\u2069\u2069", "\u2069\u2066", "\u2066\u202ba\u2069\u202c", "\u2066a\n\u2069",
        "\u202bاب", "\u202ea", "a\u202c", "\u2066" * 200 + "a", "\u2067a\u2029b\u2069",
    ],
)  # fmt: skip
def test_open_directions_are_refused(text):
    assert refusal(POST, text)
    assert refusal(NAME, text)


def test_closed_directions_and_direction_marks_are_accepted():
    assert refusal(POST, "call \u202a+20 100\u202c\nand \u2067\u2066a\u2069\u2069 \u200f\u061c\u200e") is None
    assert refusal(NAME, "\u2068مريم\u2069 \u200f") is None
    assert refusal(NAME, "\u202aa\u202c")


@pytest.mark.parametrize(
    ("spellings"),
    [
        ("أهلاً_وسهلاً", "اهلا_وسهلا", "أهــلا_وسهلا", "ا\u0654هلا_وسهلا"),
        ("مُبارك", "مبارك"),
        ("القاهرة", "القاهره"),
        ("مصطفى", "مصطفي"),
        ("٢٥_يناير", "25_يناير", "۲۵_يناير"),
        ("می‌خواهم", "میخواهم"),
        ("Cairo", "CAIRO", "ｃａｉｒｏ"),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_of_a_word_fold_to_one(spellings):
    assert len({fold(spelling) for spelling in spellings}) == 1


def test_marks_that_change_the_word_are_kept():
    assert fold("रिश्ता") == "रिश्ता"
    assert fold("résumé") == "résumé"


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60))
def test_cleaning_twice_changes_nothing(text):
    try:
        cleaned = NAME.clean("field", text)
    except CallError:
        return
    assert NAME.clean("field", cleaned) == cleaned
