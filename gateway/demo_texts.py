"""Texts of demo posts: Egyptian Arabic, Franco and English, with a long tail of rare words.

Few words are very frequent and most are rare, as in real texts: each list is drawn from by Zipf's law, and rare words
are built from roots and patterns.
"""

import random
from itertools import accumulate, product

_TEMPLATES = (
    "حد جرب {food} في {place}؟",
    "الزحمة في {place} النهارده مش طبيعية",
    "ماتش {club} و{club} الليلة، مين هيكسب؟",
    "أحلى {food} أكلته في {place} مع {name}",
    "مين رايح {place} يوم {day}؟",
    "صباح الخير من {place} ☀️",
    "يا جماعة محتاج ترشيح {thing} كويس في {place}",
    "{name} وحشتني قعدتك على القهوة في {place}",
    "مبروك {club} على الفوز وحظ أوفر ل{club}",
    "النهارده خلصت {thing} جديد وحكيت عنه مع {name}",
    "والله {food} البيت أحسن من أي مطعم",
    "الجو في {place} حلو جدا وناوي أتمشى شوية",
    "بكرة إن شاء الله نتقابل في {place}",
    "حد يعرف سعر {thing} كام في {place} دلوقتي؟",
    "أنا و{name} بنتفرج على {club} 😂",
    "أغنية {name} الجديدة عاملة قلبان في {place}",
    "{day} الجاي معاد {thing} ومحدش يتأخر",
    "كل سنة وانت طيب يا {name} 🎉",
    "فاكرين أيام {thing} في {place}؟",
    "enta ray7 {franco} emta ya {franco}?",
    "a7la {franco} fe masr wallahi",
    "ana w {franco} fel {franco} 😂",
    "{franco} wa7eshni awy",
    "sa7el {franco} el sana di zay kol sana",
    "Best {english} in {place}?",
    "Anyone else into {english} this week?",
    "Finally tried the {english} near {place}",
    "Thinking about {english} all day",
)
_SLOTS = {
    "food": (
        "كشري فول طعمية ملوخية حواوشي شاورما محشي مسقعة فتة كبدة سجق رز بلبن كنافة بسبوسة قطايف بليلة عصير "
        "قصب مانجة فسيخ رنجة جمبري سبيط طاجن بامية مكرونة بشاميل أم علي زبادي جبنة قديمة عيش بلدي شاي كركديه "
        "سحلب"
    ),
    "place": (
        "القاهرة الجيزة إسكندرية المعادي الزمالك مدينة_نصر مصر_الجديدة وسط_البلد التجمع الشيخ_زايد أكتوبر "
        "الدقي المهندسين شبرا العباسية حلوان المنصورة طنطا الأقصر أسوان الغردقة شرم_الشيخ دهب بورسعيد "
        "الإسماعيلية السويس الفيوم المنيا أسيوط سوهاج قنا دمياط الزقازيق بنها كفر_الشيخ مطروح الساحل العريش "
        "سيوة المقطم الحسين"
    ),
    "club": ("الأهلي الزمالك بيراميدز الإسماعيلي المصري الاتحاد سموحة المقاولون إنبي المنتخب ليفربول برشلونة مدريد"),
    "name": (
        "محمد أحمد محمود مصطفى علي عمر يوسف إبراهيم خالد طارق كريم منى سارة مريم نور هبة آية ياسمين دينا سلمى "
        "صلاح عمرو حسن حسين عبدالله عبدالرحمن إسلام شيماء إيمان أسماء هدى فاطمة زينب رنا ندى مي شريف هشام "
        "وليد ماجد"
    ),
    "thing": (
        "كتاب فيلم مسلسل موبايل دكتور سباك نجار مدرس عربية شقة كورس امتحان رحلة لابتوب نضارة جزمة جيم كافيه "
        "مطعم خياط ميكانيكي محامي حضانة مدرسة جامعة شغل مشروع عيادة صيدلية مكتبة"
    ),
    "day": ("الجمعة السبت الأحد الاتنين التلات الأربع الخميس"),
    "franco": (
        "7abibi el7ayah sa7bi koshary shawerma el3arabeya el2ahwa el gam3a el madrasa 3amo 5alo gedo mo7amed "
        "a7med ma7moud 5aled youssef salma nour el a7ly el zamalek el 3eid ramadan el ba7r el nadi el far7"
    ),
    "english": (
        "koshary football coffee books music coding design startup running cinema travel photography gym "
        "painting chess cooking history museum market sunset"
    ),
}
_TAGS = (
    "القاهرة صباح_الخير كورة الأهلي الزمالك أكل_مصري رمضان مصر إسكندرية قراءة قهوة Cairo food study "
    "koshary music franco الساحل الدراسة شغل سفر أفلام محمد_صلاح المنتخب الجو زحمة نكت خواطر صحة رياضة "
    "تصوير تكنولوجيا برمجة Egypt summer"
)
_ROOTS = "بتجحخدرزسشصضطعغفقكلمنهوي"
_PATTERNS = (
    "{0}{1}{2}",
    "{0}ا{1}{2}",
    "م{0}{1}و{2}",
    "{0}{1}ا{2}",
    "ت{0}{1}ي{2}",
    "است{0}{1}ا{2}",
    "م{0}{1}{2}ة",
    "{0}{1}{2}ان",
)
_RARE = 40_000


class Texts:
    """A generator of texts with hashtags. seed: of its random numbers."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._slots = {slot: _by_zipf(words.split()) for slot, words in _SLOTS.items()}
        self._tags = _by_zipf([*_TAGS.split(), *(f"حكاية_{number}" for number in range(5_000))])
        roots = ["".join(letters) for letters in product(_ROOTS, repeat=3)]
        self._random.shuffle(roots)
        patterns = (_PATTERNS[number % len(_PATTERNS)] for number in range(_RARE))
        self._rare = _by_zipf([pattern.format(*root) for pattern, root in zip(patterns, roots * 4, strict=False)])

    def one(self) -> tuple[str, list[str]]:
        """A text, and its hashtags without #."""
        text = self._random.choice(_TEMPLATES)
        for slot in _SLOTS:
            while f"{{{slot}}}" in text:
                text = text.replace(f"{{{slot}}}", self._draw(self._slots[slot]).replace("_", " "), 1)
        rare = (self._draw(self._rare) for _ in range(self._random.randrange(4)))
        tags = list(dict.fromkeys(self._draw(self._tags) for _ in range(self._random.choice((0, 0, 1, 1, 2)))))
        return " ".join((text, *rare, *(f"#{tag}" for tag in tags))), tags

    def _draw(self, words: "Weighted") -> str:
        return self._random.choices(words[0], cum_weights=words[1])[0]


Weighted = tuple[list[str], list[float]]


def _by_zipf(words: list[str]) -> Weighted:
    """The words with their cumulated weights: the n-th weighs 1/n."""
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
