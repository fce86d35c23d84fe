"""Properties of any text: folding is stable, forms and costs are bounded."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.analysis import (
    LONGEST_TEXT,
    MOST_ALTERNATIVES,
    MOST_QUERY_WORDS,
    document_terms,
    fold,
    query_terms,
    similarity,
    words,
)
from language.phonetics import MOST_KEYS
from tests.protocol.test_text import HOSTILE, grows_faster_than_its_input

LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهويأإآىةؤئءًّٰـabcdefghijklmnopqrstuvwxyz0123456789'’#_ $é"
TEXTS = st.one_of(st.text(max_size=60), st.text(LETTERS, max_size=60))
MOST_TERMS_OF_A_WORD = 30


@given(TEXTS)
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_composed_and_decomposed_texts_are_the_same(text):
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(TEXTS)
def test_the_forms_of_any_text_are_bounded(text):
    found = words(text)
    assert all(word.folded and word.stem and len(word.keys) <= MOST_KEYS for word in found)
    assert all(1 <= len(word.bare) <= 3 and len(word.stems) <= 7 for word in found)
    assert len(document_terms(text)) <= MOST_TERMS_OF_A_WORD * len(found)
    groups = query_terms(text)
    assert len(groups) <= MOST_QUERY_WORDS
    assert all(1 <= len(alternatives) <= MOST_ALTERNATIVES for alternatives in groups)
    assert all(len(set(alternatives)) == len(alternatives) for alternatives in groups)


@given(TEXTS)
def test_a_text_is_found_by_itself(text):
    terms = set(document_terms(text))
    assert all(alternatives[0] in terms for alternatives in query_terms(text))


@given(TEXTS, TEXTS)
def test_similarity_is_a_share(query, text):
    assert 0 <= similarity(query, text) <= 1
    assert similarity(text, text) == pytest.approx(1.0 if words(text) else 0.0) or len(words(text)) > MOST_QUERY_WORDS


@pytest.mark.parametrize("unit", [*HOSTILE, "قذ", "7a'", "#a_", "thqy", "عبدال", "ab ", "$3", "a-", "1,000"], ids=ascii)
def test_cost_is_linear(unit):
    assert not grows_faster_than_its_input(document_terms, unit, LONGEST_TEXT)


def test_only_the_beginning_of_a_long_text_is_read():
    assert len(words("كلمة " * 20_000)) == LONGEST_TEXT // 5
    assert fold("a" * 10**6) == "a" * LONGEST_TEXT
