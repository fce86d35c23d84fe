"""Summaries of chats quote each topic once, in the chat's order, and no noise."""

import itertools
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import summary
from domain.small_talk import SMALL_TALK
from domain.summary import MOST_CHOSEN, MOST_STEMMED, summarise

METRO = [
    "السلام عليكم يا جماعة",
    "وعليكم السلام نورت 🌹",
    "هههههههه",
    "سعر تذكرة المترو زاد تاني النهاردة",
    "أيوة شفت الخبر، التذكرة بقت ب ١٥ جنيه",
    "الطلبة ليهم اشتراك مخفض في المترو",
    "حد سامعني؟",
    "صوتك واطي",
    "الاشتراك المخفض للطلبة لازم يتجدد كل ترم من الجامعة",
    "👍",
    "الخط التالت زحمة جدا من محطة العباسية",
    "زحمة الخط التالت بسبب إن القطر بيتأخر بين المحطات",
    "https://cairometro.example/prices",
    "أنا رايح أعمل شاي",
]

MIXED = [
    "hello everyone",
    "python أحسن لغة للبرمجة في البداية",
    "lol",
    "ana 5adt course python 3ala udemy w kan momtaz gedan",
    "the free Harvard course uses Python too",
    "ok",
    "مرتبات المبرمجين بالدولار أحسن من المرتبات المحلية",
    "مرتب الجونيور في الشركات المحلية من ١٠ ل ٢٠ ألف",
    "haha true",
    "thanks guys",
]


def test_one_quote_for_each_topic():
    assert summarise(METRO, 3) == [3, 8, 11]


def test_languages_may_mix():
    quoted = summarise(MIXED, 2)
    assert len(quoted) == 2
    assert quoted[0] in {1, 3, 4}
    assert quoted[1] in {6, 7}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("رواية", "روايه"),
        ("أسعار", "اسعار"),
        ("إلغاء", "الغاء"),
        ("آخرة", "اخرة"),
        ("مستشفى", "مستشفي"),
        ("قِصَّةٌ", "قصة"),
        ("جمـــيل", "جميل"),
        ("مبروووووك", "مبروك"),
        ("الأه\u200cلي", "الأهلي"),
        ("Python", "python"),
        ("gameeeel", "gamel"),
        ("3'aly", "ghaly"),
        ("ticket", "tickets"),
        ("elmatch", "match"),
        ("شركة", "الشركة"),
        ("شركة", "شركات"),
        ("شركات", "والشركات"),
        ("محطة", "بالمحطة"),
        ("محطة", "للمحطات"),
        ("مبرمج", "المبرمجين"),
    ],
)
def test_spellings_and_forms_of_a_word_are_one(one, other):
    # Two words are too few for a quote: a form counted separately would be the third.
    assert summarise([f"زحام {one} {other}"], 1) == []
    assert summarise([f"زحام {one} قطار"], 1) == [0]


def test_links_and_mentions_do_not_count_but_hashtags_do():
    assert summarise(["@ali شوفوا الماتش https://t.example/a?b=1 youtu.example/xyz www.example.com"], 1) == []
    assert summarise(["#غلاء_الأسعار بالقاهرة"], 1) == [0]


def test_the_most_common_topic_is_quoted_first():
    texts = [
        "جمعوا توقيعات ضد قفل الحديقة القديمة",
        "جمعوا توقيعات ضد قفل الحديقة الجديدة",
        "المنتخب خسر ودية تونس بهدف متأخر",
        "مدافع برشلونة رفض ينضم لمعسكر المنتخب",
        "تذاكر المنتخب نفدت خلال دقايق معدودة",
        "قميص المنتخب شكله غريب ولونه باهت",
    ]
    assert summarise(texts, 1)[0] >= 2


def test_the_second_quote_is_about_another_topic():
    texts = [
        "أسعار اللحمة زادت في السوق",
        "زادت أسعار اللحمة تاني في السوق كله",
        "السوق فيه لحمة أسعارها زادت الضعف",
        "ماتش الأهلي والزمالك اتأجل ليوم الجمعة",
    ]
    first, second = summarise(texts, 2)
    assert first in {0, 1, 2}
    assert second == 3


def test_a_message_that_adds_little_is_not_quoted():
    assert len(summarise(["الحكومة رفعت سعر البنزين", "الحكومة رفعت سعر البنزين امبارح بليل"], 2)) == 1


def test_repeating_a_message_does_not_raise_its_weight():
    advertisement = "اكسب فلوس كتير من البيت كلمني خاص"
    assert summarise([advertisement] * 50 + METRO, 1)[0] >= 50


def test_repeating_a_word_does_not_raise_its_weight():
    assert summarise(["بيتزا " * 40 + "سخنة لذيذة", *METRO], 1) != [0]


def test_quotes_keep_the_order_of_the_chat():
    texts = ["القهوة التركي طعمها جميل", "المترو زحمة النهاردة جدا الصبح", "زحمة المترو الصبح بسبب عطل القطر"]
    assert summarise(texts, 1) == [2]
    assert summarise(texts, 2) == [0, 2]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["هههه", "ههههههههه", "هاهاها", "خخخخ", "hahaha", "Lolololol", "LOL"],
        ["👍", "😂😂😂", "❤️", "...", "؟؟", "!!", "ـــ", "\u200f\u200b"],
        ["ok", "OK 👍", "تمام", "أيوة", "ماشي يا باشا", "tmam ya basha"],
        ["السلام عليكم ورحمة الله وبركاته", "صباح الخير يا جماعة", "hi guys, thanks for having me"],
        ["https://example.com/a-long/path?x=1", "www.example.com", "t.example/abc ali@example.com @ali"],
        ["١٢٣ 456 2026", "10 / 20 / 30"],
        ["قلت المترو", "المترو غالي"],
    ],
)
def test_noise_has_no_summary(texts):
    assert summarise(texts, 5) == []


def test_stop_words_are_stored_in_normalised_spelling():
    # Two words are too few for a quote: a stop word that counted would be the third.
    assert [word for word in SMALL_TALK if summarise([f"المترو زحمة {word}"], 1)] == []


def test_no_quotes_if_none_are_requested():
    assert summarise(METRO, 0) == []


@given(st.lists(st.one_of(st.sampled_from(METRO + MIXED), st.text(max_size=80)), max_size=40), st.integers(0, 30))
def test_any_texts_have_a_valid_summary(texts, most):
    quoted = summarise(texts, most)
    assert quoted == sorted(set(quoted))
    assert len(quoted) <= min(most, MOST_CHOSEN, len(texts))
    assert all(0 <= index < len(texts) for index in quoted)
    assert quoted == summarise(texts, most)


def test_the_summary_is_the_same_in_every_process():
    program = f"from domain.summary import summarise; print(summarise({METRO + MIXED!r}, 6))"
    answers = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        answers.add(run.stdout)
    assert answers == {f"{summarise(METRO + MIXED, 6)}\n".encode()}


def test_only_the_most_common_words_of_a_very_large_chat_are_stemmed(monkeypatch):
    """Stemming all words would take several seconds."""
    letters = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
    words = [
        "وبال" + "".join(four) + "اتهم" for four in itertools.islice(itertools.product(letters, repeat=4), 150_000)
    ]
    texts = [" ".join(words[150 * index : 150 * index + 150]) for index in range(1_000)]
    stemmed = []
    monkeypatch.setattr(summary, "stem", lambda word: stemmed.append(word) or word)
    assert len(summarise(texts, 1_000)) == MOST_CHOSEN
    assert len(stemmed) == MOST_STEMMED
