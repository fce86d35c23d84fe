"""The forms in which texts are compared: what they share, and what they do not."""

import pytest

from language.analysis import document_terms, query_terms


def finds(query: str, text: str) -> bool:
    terms = set(document_terms(text))
    return all(terms.intersection(alternatives) for alternatives in query_terms(query))


@pytest.mark.parametrize(
    ("arabic", "spellings"),
    [
        ("حبيبي", "habibi 7abibi 7abeby habeebi"),
        ("خلاص", "5alas khalas 5ls 7'alas"),
        ("محمد", "mohamed mohammed mohammad muhammad mo7amed mhmd m7md"),
        ("مصر", "masr misr ma9r"),
        ("القاهرة", "elqahera alqahira ka7era 2ahera ahera"),
        ("كشري", "koshary kushari koshari koshry"),
        ("التحرير", "tahrir ta7rir el-tahrir eltahrir"),
        ("الأهلي", "ahly ahli el-ahly elahly"),
        ("قلب", "alb 2alb qalb"),
    ],
)
def test_spellings_in_both_scripts_find_each_other(arabic, spellings):
    for spelling in spellings.split():
        assert finds(spelling, arabic), spelling
        assert finds(arabic, spelling), spelling
