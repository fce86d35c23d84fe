"""Which texts find each other, which do not, and in what order."""

import pytest

from language.analysis import MISTYPED, document_terms, fold, query_terms, similarity, words


def finds(query: str, text: str, *, although_mistyped: bool = False) -> bool:
    """Whether the text has a term of each word of the query."""
    terms = set(document_terms(text))
    return all(
        any(term in terms for term in alternatives if although_mistyped or not term.startswith(MISTYPED))
        for alternatives in query_terms(query)
    )


SCRIPT_VARIANTS = [
    ("hamza", "أحمد", "احمد إحمد ا\u0654حمد"),
    ("hamza", "إسراء", "اسراء أسراء إسرا"),
    ("hamza", "مسؤول", "مسئول مسوول"),
    ("hamza", "رئيس", "رييس رئيـس"),
    ("taa", "القاهرة", "القاهره قاهره"),
    ("yaa", "مصطفى", "مصطفي"),
    ("tashkeel", "مُحَمَّد", "محمد محمّد"),
    ("tatweel", "جميل", "جمـــيل"),
    ("elongation", "مبروك", "مبروووووك"),
    ("digits", "٢٠٢٦", "2026 ۲۰۲۶"),
    ("forms", "سلام", "ﺳﻼﻡ"),
    ("persian", "بيبسي", "پيپسي"),
    ("clitics", "مدرسة", "المدرسة والمدرسة بالمدرسة للمدرسة فالمدرسة كالمدرسة ولمدرسة بمدرسة وللمدرسة عالمدرسة"),
    ("clitics", "مصر", "لمصر بمصر ومصر فمصر ولمصر وبمصر كمصر"),
    ("clitics", "لبن", "اللبن للبن وللبن فللبن"),  # ل and the article are written as one
    ("clitics", "ليلى", "لليلى ولليلى"),
    ("endings", "شركة", "شركات شركتنا شركته الشركات"),
    ("endings", "مهندس", "مهندسين المهندسين مهندسة"),
    ("endings", "امتحان", "امتحانات الامتحان"),
    ("endings", "شقة", "شقتي شقتك شقتنا الشقة"),  # two letters before ة
    ("endings", "لغة", "لغتنا اللغات بلغته"),
    ("endings", "سنة", "سنتين السنة"),
    ("endings", "بنت", "بنتي بنتك البنت"),  # its ت is no ending
    ("endings", "جمعية", "جمعيات الجمعيات جمعياتنا جمعيتهم"),
    ("endings", "رواية", "روايات رواياته روايتي"),
    ("endings", "ساعة", "ساعتين ساعات"),
    ("endings", "ساكت", "ساكتين ساكتة"),
    ("verbs", "لعب", "بيلعب بتلعب هيلعب بنلعب هتلعبي"),
    ("verbs", "سافر", "بيسافر هنسافر"),
    ("spaces", "عبد الرحمن", "عبدالرحمن"),
    ("spaces", "نور الدين", "نورالدين"),
    ("spaces", "فيس بوك", "فيسبوك"),
    ("loans", "تليفزيون", "تلفزيون"),
    ("separators", "email", "e-mail E-Mail"),
    ("separators", "wifi", "wi-fi Wi-Fi"),
    ("separators", "tshirt", "t-shirt"),
    ("separators", "usa", "U.S.A U.S.A."),
    ("separators", "1000", "1,000 1.000 ١٬٠٠٠"),
]
ARABIZI = [
    ("حبيبي", "habibi 7abibi 7abeby habeebi"),
    ("خلاص", "5alas khalas 5ls 7'alas kh2las"),
    ("محمد", "mohamed mohammed mohammad muhammad mo7amed mhmd m7md"),
    ("مصر", "masr misr ma9r"),
    ("القاهرة", "elqahera alqahira ka7era 2ahera ahera cairo"),
    ("كشري", "koshary kushari koshari koshry"),
    ("التحرير", "tahrir ta7rir el-tahrir eltahrir"),
    ("الأهلي", "ahly ahli el-ahly elahly"),
    ("قلب", "alb 2alb qalb"),
    ("جميل", "gamil gameel jamil"),
    ("ثابت", "thabet sabet tabet"),
    ("ظريف", "zarif dhareef"),
    ("ضابط", "zabet dabet 9'abet"),
    ("غالي", "ghali ghaly 8aly 3'aly"),
    ("عمر", "omar 3omar"),
    ("عمرو", "amr 3amr"),
    ("سعيد", "saeed sa3eed said"),
    ("مدينة", "madina madinah madinet madeenat"),
    ("شكرا", "shokran shukran"),
    ("ممدوح", "mamdouh mamdoo7"),
    ("شغل", "sho8l 4o8l shoghl"),
    ("قهوة", "2ahwa 8ahwa 9ahwa ahwa kahwa"),
    ("حقيقي", "7a2i2i 7a8i8i 7aqiqi"),
    ("ذهب", "dahab 4ahab zahab"),
    ("مستشفى", "mostashfa"),
    ("ماتش", "match matsh"),
    ("عطشان", "3atshan atshan"),
    ("هتشوف", "hatshof"),
    ("فتحي", "fathy fat7y"),
    ("مدحت", "medhat med7at"),
    ("حب", "7ob 7eb"),
    ("عبده", "abdo abdu 3abdo"),
    ("جدع", "gada3 gadaa"),
    ("تسلل", "tasallol"),
    ("الشمس", "elshams eshshams shams esh-shams ash-shams"),
    ("الريان", "ar-rayyan el-rayyan"),
    ("التلاتة", "et-talata"),
    ("علي", "ʿali ʻAlī"),
    ("البحر", "ba7r elba7r welba7r lelba7r belba7r felba7r 3alba7r"),
    ("عبد الرحمن", "abdelrahman abdulrahman 3abdelra7man"),
    ("نور الدين", "noureldin noureddine"),
    ("بيتزا", "pizza"),
    ("تويتر", "twitter"),
    ("فيسبوك", "facebook"),
    ("اون لاين", "online"),
    ("آية", "aya ayah"),
    ("إن شاء الله", "inshallah insha2allah nshallah انشالله"),
    ("والله", "wallahi wallahy walahi والله"),
    ("هبة الله", "hebatallah hebat-allah هبةالله"),
    ("منة الله", "mennatallah menatallah"),
    ("خير الله", "khairallah 5eirallah"),
    ("عطا الله", "atallah 3atallah"),
    ("استغفر الله", "astaghfirullah astaghferallah"),
    ("الله أكبر", "allahuakbar allahoakbar"),
    ("الحمد لله", "alhamdulillah el7amdolellah hamdulillah"),
]


@pytest.mark.parametrize(("rule", "text", "spellings"), SCRIPT_VARIANTS)
def test_spellings_in_arabic_letters_find_each_other(rule, text, spellings):
    for spelling in spellings.split():
        assert finds(spelling, text), spelling
        assert finds(text, spelling), spelling


@pytest.mark.parametrize(("arabic", "spellings"), ARABIZI)
def test_spellings_in_both_scripts_find_each_other(arabic, spellings):
    for spelling in spellings.split():
        assert finds(spelling, arabic), spelling
        assert finds(arabic, spelling), spelling


@pytest.mark.parametrize(
    ("query", "text"),
    [("دعاية", "دعا"), ("هواية", "هواك"), ("بنت", "ابن"), ("شقة", "شق"), ("وقت", "وقود"), ("رواية", "روان")],
)
def test_words_that_look_like_forms_of_one_do_not_find_each_other(query, text):
    assert not finds(query, text)
    assert not finds(text, query)


@pytest.mark.parametrize(("query", "text"), [("وحب", "حب"), ("برز", "رز"), ("ولأم", "أم"), ("فسر", "السر")])
def test_clitics_before_two_letters_are_taken_off_in_queries_alone(query, text):
    assert finds(query, text)
    assert not finds(text, query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("مصر", "مسار"), ("محمد", "محمود حمد"), ("عمر", "عمار"), ("سلام", "سالم سليم"), ("بلد", "ولد"),
        ("mohamed", "محمود"), ("ali", "علا"), ("hassan", "حسين"), ("mona", "مينا"), ("salem", "سلام"), ("men", "ماما"),
        ("ahly", "أهلا"), ("more", "ميرا"), ("cat", "كوتة"), ("government", "جرمان"),
        ("7up", "حب"), ("mp3", "مبع"), ("3d", "عد"), ("g7", "جح"),
        ("ola", "الله"), ("yalla", "الله"), ("umbrella", "الله"),
    ],
)  # fmt: skip
def test_words_of_other_vowels_do_not_meet_by_their_best_terms(query, text):
    """Rough keys, which hold no vowels, may still meet; they are the last to be asked for."""
    terms = set(document_terms(text))
    best = [term for alternatives in query_terms(query) for term in alternatives if not term.endswith("*")]
    assert not [term for term in best if term in terms and not term.startswith(MISTYPED)]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("الزمالط", "الزمالك"),  # another letter
        ("زمالكك", "زمالك"),  # one more
        ("الاسكندية", "الاسكندرية"),  # one less
        ("سحبل", "سحلب"),  # two in another order
        ("zmaalek", "zamalek"),
        ("mansorua", "المنصورة"),
        ("goverment", "government"),
        ("كشرري", "كشري"),
        ("صابي", "صاحبي"),  # of five letters, and few consonants
        ("طيارخ", "طيارة"),
        ("عريبة", "عربية"),
        ("حقبقي", "حقيقي"),
        ("كناقة", "كنافة"),
        ("3asmer", "3aseer"),
        ("سلان", "سلام"),  # of three consonants
        ("كتاف", "كتاب"),
        ("زحنة", "زحمة"),
        ("مانحو", "مانجو"),
        ("salan", "salam"),
    ],
)
def test_one_mistyped_letter_is_forgiven(query, text):
    assert finds(query, text, although_mistyped=True)


def test_terms_of_mistyped_words_are_asked_for_last():
    for alternatives in query_terms("الزمالك mansoura اسكندرية"):
        mistyped = [term.startswith(MISTYPED) for term in alternatives]
        assert mistyped == sorted(mistyped)


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("more", "one more time", "مر من هنا"),
        ("match", "great match", "matches in a box"),
        ("mohamed salah", "محمد صلاح", "محمود صالح"),
        ("محمد صلاح", "محمد صلاح", "صلاح محمد"),
        ("محمد صلاح", "محمد صلاح", "محمد احمد صلاح الدين"),
        ("ta7rir", "ميدان التحرير", "تحذير"),
        ("koshary", "كشري", "كشر في وشي"),
        ("طعمية", "قرص الطعمية", "طعم القهوة"),
        ("7abibi", "حبيبي", "حبوب"),
        ("mansora", "جامعة المنصورة", "عم منصور"),
        ("ma3ash", "صرف معاش", "حضرت ماتش"),
        ("el7osary", "صوت الحصري", "على حصيرة"),
        ("تيك توك", "فيديو على تيكتوك", "سواق التوك توك"),
        ("الزمالط", "الزمالك", "الزملاء"),
        ("حب", "عايشين وبالحب", "حبل طويل"),  # few letters in common
        ("وبالحب", "حب", "وبالحق"),
        ("cairo", "kahera", "carton"),
        ("5o5", "khokh", "5of"),
    ],
)
def test_the_closer_text_is_more_similar(query, better, worse):
    assert similarity(query, better) > similarity(query, worse)


def test_the_same_word_in_the_other_script_is_nearly_as_similar():
    assert similarity("habibi", "habibi") == 1
    assert 0.8 < similarity("habibi", "حبيبي") < 1


def test_hashtags_and_emoji_are_words():
    assert [word.folded for word in words("#محمد_صلاح #MoSalah 😂👍🏽 🇪🇬 ❤️")] == [
        "#محمد_صلاح", "محمد", "صلاح", "#mosalah", "mo", "salah", "😂", "👍", "🇪🇬", "❤",
    ]  # fmt: skip


def test_stop_words_count_only_if_there_are_no_others():
    assert [word.folded for word in words("أنا في القاهرة and the sun")] == ["القاهره", "sun"]
    assert [word.folded for word in words("من هو؟")] == ["من", "هو"]
    assert words("… 。!") == []


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("3andy so2al", "عندي سؤال"),
        ("lessa ma3a ahmed", "لسه مع احمد"),
        ("ba3d elmatch men 3andy", "بعد الماتش من عندي"),
        ("kan fein ahmed", "كان فين احمد"),
        ("ay 7aga", "اي حاجة"),
        ("elmatch beta3 embare7", "ماتش امبارح"),
        ("delwa2ti mish fahem bas keda", "دلوقتي مش فاهم بس كده"),
    ],
)
def test_stop_words_of_franco_are_left_out_as_those_of_arabic(query, text):
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"), [("x men", "x"), ("ben 10", "10"), ("7afla fel leil", "7afla"), ("el cool boy", "boy")]
)
def test_other_words_count_although_they_sound_like_stop_words(query, text):
    assert not finds(query, text)


def test_separators_between_words_and_numbers_count():
    assert [word.folded for word in words("mo-salah 12,30 covid-19")] == ["mo", "salah", "12", "30", "covid", "19"]


def test_each_script_within_a_word_is_read_alone():
    assert [word.folded for word in words("الblog 7بيبي")] == ["blog", "حبيبي"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ال meeting", "meeting النهارده"),
        ("الـ online exam", "online exam"),
        ("بالcode", "code"),
        ("لل iphone", "iphone"),
        ("هshare", "share"),
        ("boyات", "boys"),
        ("ب 50 جنيه", "50 جنيه"),
        ("محمد و أحمد", "محمد أحمد"),
        ("ف الجيم", "الجيم"),
    ],
)
def test_arabic_particles_apart_from_their_word_do_not_count(query, text):
    assert finds(query, text)


def test_folding_keeps_marks_that_make_another_word():
    assert fold("Résumé रिश्ता") == "résumé रिश्ता"
    assert finds("resume", "Résumé")
