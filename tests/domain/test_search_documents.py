"""What is indexed, and what queries ask for: each kind of thing is found by the words that people type for it."""

import pytest

from domain import search_documents
from language.analysis import MOST_ALTERNATIVES
from storage.search import FIRST_AUTHORS, IndexedPost, IndexedRoom, IndexedUser, Used
from storage.search_engine import Document, word_id

POST = IndexedPost(1 << 22, 2, "أحلى كشري في وسط البلد #أكل_مصري", ["أكل_مصري"], is_open=True)
USER = IndexedUser(1 << 22, "mo7amed_salah99", "محمد صلاح", 1_000)


def matches(document: Document, groups: list[tuple[str, ...]]) -> bool:
    return bool(groups) and all(set(group) & set(document.terms) for group in groups)


@pytest.mark.parametrize("q", ["كشري", "الكشري", "koshary", "وسط البلد", "#أكل_مصري", "#اكل_مصرى", "اكل مصري", "أحلى"])
def test_a_post_is_found(q):
    assert matches(search_documents.of_post(POST), search_documents.query_groups(q))


@pytest.mark.parametrize("q", ["شاورما", "كشري شاورما", "#كشري_سوري", "@!؟"])
def test_a_post_is_not_found_by_other_words(q):
    assert not matches(search_documents.of_post(POST), search_documents.query_groups(q))


@pytest.mark.parametrize("q", ["mo7amed_salah99", "MO7AMED", "mohamed salah", "محمد", "صلاح محمد", "@mo7amed_salah99"])
def test_a_user_is_found(q):
    assert matches(search_documents.of_user(USER), search_documents.query_groups(q))


@pytest.mark.parametrize("q", ["م", "محم", "moha", "mo7", "صلا", "sal", "محمد صل", "mohamed s", "mo7amed_sa"])
def test_a_user_is_suggested_from_the_first_letters_on(q):
    assert matches(search_documents.of_user(USER), search_documents.suggestion_groups(q))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("elahly", "الأهلي"),
        ("el ahly", "الأهلي"),
        ("الأهلي", "Al Ahly"),
        ("mohamed elshenawy", "محمد الشناوي"),
        ("abdelrahman", "عبد الرحمن"),
        ("abdallah", "عبد الله"),
        ("عبدالرحمن", "عبد الرحمن"),
        ("عبدالرحمن", "Abdelrahman"),
        ("noureldin", "نور الدين"),
        ("nasrallah", "نصر الله"),
        ("aya", "آية"),
        ("آية", "Aya"),
        ("3amr", "عمرو"),
        ("إيهاب", "Ehab"),
        ("يوسف", "Youssef"),
        ("khaled", "خالد"),
    ],
)
def test_a_name_is_suggested_at_each_letter_typed(typed, name):
    document = search_documents.of_user(USER._replace(username="x9", display_name=name))
    for length in range(3, len(typed) + 1):
        assert matches(document, search_documents.suggestion_groups(typed[:length])), typed[:length]


@pytest.mark.parametrize("typed", ["k", "sh", "aya", "elah", "عبدالر", "mona"])
def test_other_names_are_not_suggested(typed):
    document = search_documents.of_user(USER._replace(username="z9", display_name="عمر طارق"))
    assert not matches(document, search_documents.suggestion_groups(typed))


def test_hashtags_and_words_are_suggested():
    tag = search_documents.of_use(Used(1, "#أكل_مصري", 7, 1))
    assert tag is not None
    assert (tag.kind, tag.title, tag.weight) == ("hashtag", "أكل_مصري", 3)
    for q in ("#أك", "مصر", "#أكل_م"):
        assert matches(tag, search_documents.suggestion_groups(q)), q
    assert search_documents.of_use(Used(1, "كشري", 900, FIRST_AUTHORS - 1)) is None
    word = search_documents.of_use(Used(1, "كشري", 900, FIRST_AUTHORS))
    assert word is not None
    assert matches(word, search_documents.suggestion_groups("kos"))


def test_words_of_a_post_are_counted_only_if_everybody_may_read_it():
    named = search_documents.named_in(POST)
    assert {*named.values()} == {"#أكل_مصري", "أحلى", "كشري", "وسط", "البلد"}
    assert named[word_id("كشري")] == "كشري"
    assert [*search_documents.named_in(POST._replace(is_open=False)).values()] == ["#أكل_مصري"]
    addresses = POST._replace(text="mona@example.org https://example.org/secret @salma", hashtags=[])
    assert search_documents.named_in(addresses) == {}


def test_weights_order_rooms_by_state_and_users_by_followers():
    rooms = [search_documents.of_room(IndexedRoom(1, "مجلس", state)) for state in ("live", "scheduled", "ended")]
    weights = [room.weight for room in rooms]
    assert weights == sorted(weights, reverse=True)
    followers = (0, 1, 3, 100, 10**6, 2**63)
    weights = [search_documents.of_user(USER._replace(follower_count=count)).weight for count in followers]
    assert weights == sorted({*weights})
    assert weights[-1] <= 63


def test_a_long_post_is_found_by_each_of_its_words():
    consonants = "بتحدرسصطفقلمن"
    said = [f"{one}{two}ا{three}" for one in consonants for two in consonants for three in "جشك"][:300]
    document = search_documents.of_post(POST._replace(text=" ".join(said)))
    assert len(document.terms) == search_documents.MOST_TERMS
    assert not [word for word in said if search_documents.query_groups(word)[0][0] not in document.terms]


def test_terms_are_bounded():
    long = " ".join(f"كلمة{number}" for number in range(5_000))
    document = search_documents.of_post(POST._replace(text=long))
    assert len(document.terms) == len(set(document.terms)) <= search_documents.MOST_TERMS
    groups = search_documents.query_groups(long)
    assert len(groups) <= 10
    assert all(len(group) <= MOST_ALTERNATIVES for group in groups)
