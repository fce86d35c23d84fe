"""Texts of notifications: plural forms, digits, and names that cannot change the text around them."""

import gettext
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from senders.texts import KINDS, LOCALES, language_of, media_text, message_line, notification_text, shorten

ROOT = Path(__file__).parents[2]
FORMS = {"ar": ("zero", "one", "two", "few", "many", "other"), "en": ("one", "other")}  # in the order of the catalogues
COUNTS = (0, 1, 2, 3, 10, 11, 99, 100, 101, 102, 103, 111, 1_000)


def catalogue(language: str):
    with (ROOT / f"senders/catalogues/{language}.po").open("rb") as file:
        return read_po(file)


MONA = "\u2068منى\u2069"


@pytest.mark.parametrize(
    ("others", "arabic", "english"),
    [
        (0, f"تعليق جديد من {MONA}", f"New comment from {MONA}"),
        (1, f"تعليقان جديدان من {MONA} وشخص آخر", f"New comments from {MONA} and 1 other"),
        (2, f"تعليقات جديدة من {MONA} وشخصين آخرين", f"New comments from {MONA} and 2 others"),
        (3, f"تعليقات جديدة من {MONA} و٣ أشخاص آخرين", f"New comments from {MONA} and 3 others"),
        (10, f"تعليقات جديدة من {MONA} و١٠ أشخاص آخرين", f"New comments from {MONA} and 10 others"),
        (11, f"تعليقات جديدة من {MONA} و١١ شخصًا آخر", f"New comments from {MONA} and 11 others"),
        (99, f"تعليقات جديدة من {MONA} و٩٩ شخصًا آخر", f"New comments from {MONA} and 99 others"),
        (100, f"تعليقات جديدة من {MONA} و١٠٠ شخص آخر", f"New comments from {MONA} and 100 others"),
        (101, f"تعليقات جديدة من {MONA} و١٠١ شخص آخر", f"New comments from {MONA} and 101 others"),
        (102, f"تعليقات جديدة من {MONA} و١٠٢ شخص آخر", f"New comments from {MONA} and 102 others"),
        (103, f"تعليقات جديدة من {MONA} و١٠٣ أشخاص آخرين", f"New comments from {MONA} and 103 others"),
        (111, f"تعليقات جديدة من {MONA} و١١١ شخصًا آخر", f"New comments from {MONA} and 111 others"),
        (1_000, f"تعليقات جديدة من {MONA} و١٬٠٠٠ شخص آخر", f"New comments from {MONA} and 1,000 others"),
    ],
)
def test_how_many_others(others, arabic, english):
    assert notification_text("ar-EG", "comment", ["منى"], others + 1) == (arabic, "")
    assert notification_text("en-GB", "comment", ["منى"], others + 1) == (english, "")


@pytest.mark.parametrize(
    ("count", "arabic", "english"),
    [
        (0, "لا إشعارات جديدة", "0 new notifications"),
        (1, "إشعار جديد", "1 new notification"),
        (2, "إشعاران جديدان", "2 new notifications"),
        (3, "٣ إشعارات جديدة", "3 new notifications"),
        (10, "١٠ إشعارات جديدة", "10 new notifications"),
        (11, "١١ إشعارًا جديدًا", "11 new notifications"),
        (99, "٩٩ إشعارًا جديدًا", "99 new notifications"),
        (100, "١٠٠ إشعار جديد", "100 new notifications"),
        (101, "١٠١ إشعار جديد", "101 new notifications"),
        (102, "١٠٢ إشعار جديد", "102 new notifications"),
        (103, "١٠٣ إشعارات جديدة", "103 new notifications"),
        (111, "١١١ إشعارًا جديدًا", "111 new notifications"),
        (1_000, "١٬٠٠٠ إشعار جديد", "1,000 new notifications"),
    ],
)
def test_how_many_notifications(count, arabic, english):
    assert notification_text("ar", "several", [], count)[0] == arabic
    assert notification_text("en", "several", [], count)[0] == english


@pytest.mark.parametrize(
    ("kind", "arabic", "english"),
    [
        ("follow", "متابعة جديدة من {}", "New follower: {}"),
        ("follow_request", "طلب متابعة من {}", "Follow request from {}"),
        ("acceptance", "موافقة من {} على طلب المتابعة", "Follow request accepted by {}"),
        ("reaction", "تفاعل جديد من {}", "New reaction from {}"),
        ("comment", "تعليق جديد من {}", "New comment from {}"),
        ("reply", "رد جديد من {}", "New reply from {}"),
        ("mention", "إشارة جديدة من {}", "New mention by {}"),
        ("share", "مشاركة جديدة من {}", "New share by {}"),
        ("chat_request", "طلب مراسلة من {}", "Message request from {}"),
        ("chat_message", "رسالة جديدة من {}", "New message from {}"),
        ("room_live", "غرفة مباشرة الآن من {}", "Live room by {}"),
        ("room_invitation", "دعوة إلى غرفة مباشرة من {}", "Invitation to a live room from {}"),
        ("security_new_device", "تسجيل دخول جديد إلى حسابك", "New sign-in to your account"),
        ("security_password_changed", "تغيير كلمة مرور حسابك", "The password of your account was changed"),
        ("room_digest", "ملخص غرفة مباشرة", "Summary of a live room"),
        ("system", "رسالة من دائرة", "Message from DAIRA"),
        ("several", "إشعار جديد", "1 new notification"),
    ],
)
def test_the_title_of_each_kind(kind, arabic, english):
    assert notification_text("ar-EG", kind, ["منى"], 1, "x")[0] == arabic.format(MONA)
    assert notification_text("en", kind, ["منى"], 1, "x")[0] == english.format(MONA)


def test_two_known_actors_are_both_named():
    assert notification_text("ar-EG", "reaction", ["منى", "Ali"], 2)[0] == f"تفاعلان جديدان من {MONA} و\u2068Ali\u2069"
    assert (
        notification_text("en", "reaction", ["Mona", "Ali"], 2)[0]
        == "New reactions from \u2068Mona\u2069 and \u2068Ali\u2069"
    )


def test_the_detail_is_the_body_in_one_line():
    assert notification_text("en", "reply", ["Mona"], 1, " first\n\tsecond \u202e third ")[1] == "first second third"
    assert notification_text("en", "reply", ["Mona"], 1, "x" * 400)[1] == "x" * 299 + "…"


@pytest.mark.parametrize(
    ("kinds", "arabic", "english"),
    [
        ([], "", ""),
        (["image"], "صورة", "Picture"),
        (["image"] * 2, "صورتان", "2 pictures"),
        (["image"] * 10, "١٠ صور", "10 pictures"),
        (["video"], "مقطع فيديو", "Video"),
        (["video"] * 3, "٣ مقاطع فيديو", "3 videos"),
        (["audio"], "مقطع صوتي", "Sound recording"),
        (["audio"] * 2, "مقطعان صوتيان", "2 sound recordings"),
        (["image", "video"], "ملفان", "2 files"),
        (["image", "video", "audio"], "٣ ملفات", "3 files"),
    ],
)
def test_files_without_a_text_are_named(kinds, arabic, english):
    assert (media_text("ar-EG", kinds), media_text("en", kinds)) == (arabic, english)


def test_a_security_notification_says_what_to_do_and_names_the_device():
    advice = "If this was not you, change your password now."
    assert notification_text("en", "security_new_device", [], 0)[1] == advice
    assert (
        notification_text("en", "security_new_device", [], 0, "Phone\u2069")[1]
        == f"Device: \u2068Phone\u2069. {advice}"
    )
    arabic = "الجهاز: \u2068هاتف\u2069. إن لم يكن هذا الدخول منك، يلزم تغيير كلمة المرور الآن."
    assert notification_text("ar-EG", "security_new_device", [], 0, "هاتف")[1] == arabic


def test_a_system_message_in_a_list():
    assert message_line("en", " one\n\u2069two ") == "Message from DAIRA: \u2068one two\u2069"
    assert message_line("ar-EG", "x" * 301) == f"رسالة من دائرة: \u2068{'x' * 299}…\u2069"


TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\n\x85\u2029"


@given(st.text(alphabet=TURNING + "a\u0645{} "), st.text(alphabet=TURNING + "a\u0645{} "))
def test_a_name_cannot_break_out(one, other):
    title, _ = notification_text("ar-EG", "follow", ["a" + one, "b" + other], 2)
    before, first, between, second, after = title.replace("\u2069", "\u2068").split("\u2068")
    assert (before, between, after) == ("متابعتان جديدتان من ", " و", "")
    assert not set(first + second) & set(TURNING)


def test_a_count_that_fell_to_zero_meanwhile():
    assert notification_text("en", "follow", ["Mona"], 0)[0] == "New follower: \u2068Mona\u2069"


def test_an_actor_without_a_visible_name():
    assert notification_text("en", "follow", ["\u2069\u202e"], 1)[0] == "New follower: a user"
    assert notification_text("ar-EG", "follow", [], 12)[0] == "متابعات جديدة من مستخدم و١١ شخصًا آخر"


@pytest.mark.parametrize(
    ("locale", "language", "direction", "eleven"),
    [
        ("ar-EG", "ar", "rtl", "١١"),
        ("ar", "ar", "rtl", "١١"),
        ("ar-XX", "ar", "rtl", "١١"),
        ("ar-MA", "ar", "rtl", "11"),
        ("ar-Arab-EG", "ar", "rtl", "١١"),
        ("en-US", "en", "ltr", "11"),
        ("en-x", "en", "ltr", "11"),
        ("fr-FR", "en", "ltr", "11"),
        ("zz", "en", "ltr", "11"),
    ],
)
def test_the_language_and_the_digits_of_a_locale(locale, language, direction, eleven):
    assert language_of(locale) == (language, direction)
    assert eleven in notification_text(locale, "several", [], 11)[0]


def test_shortening():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdef", 5) == "abcd…"
    assert shorten("abc   def", 5) == "abc…"
    assert shorten("abc", 1) == "…"
    assert shorten("abc", 0) == ""


def test_catalogues_have_the_same_messages_with_all_plural_forms():
    assert {path.stem for path in (ROOT / "senders/catalogues").iterdir()} == LOCALES.keys() == FORMS.keys()
    read = {language: {entry.id: entry for entry in catalogue(language) if entry.id} for language in FORMS}
    assert read["ar"].keys() == read["en"].keys()
    titles = {entry_id if isinstance(entry_id, str) else entry_id[0] for entry_id in read["ar"]}
    assert {f"{kind}.title" for kind in KINDS} <= titles
    for language, forms in FORMS.items():
        for entry_id, entry in read[language].items():
            texts_of = [entry.string] if isinstance(entry_id, str) else entry.string
            assert len(texts_of) == (1 if isinstance(entry_id, str) else len(forms)), (language, entry_id)
            assert all(texts_of), (language, entry_id)


@pytest.mark.parametrize("language", FORMS)
def test_the_plural_rule_of_a_catalogue_is_cldrs(language):
    choose = gettext.c2py(catalogue(language).plural_expr)
    cldr = Locale(language).plural_form
    assert all(FORMS[language][choose(count)] == cldr(count) for count in range(2_001))


def test_no_placeholder_is_left_over():
    for locale in LOCALES:
        for kind in KINDS:
            for count in COUNTS:
                for text in notification_text(locale, kind, ["Mona"], count, "detail"):
                    assert text
                    assert "{" not in text
                    assert ".title" not in text
