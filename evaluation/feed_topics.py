"""The topics of the generated world: parts of Egyptian life, with hashtags and sentences."""

from typing import NamedTuple


class Topic(NamedTuple):
    """half_life_h: how long its posts are worth reading. arabic, latin: sentences, the latter Franco and English."""

    hashtags: tuple[str, ...]
    half_life_h: float
    arabic: tuple[str, ...]
    latin: tuple[str, ...]


TOPICS = (
    Topic(
        ("الأهلي", "الزمالك", "كورة", "الدوري_المصري"), 8,
        ("مين شاف الجون التاني؟ عالمي", "الحكم ضيع الماتش كله", "التشكيل النهارده غريب جدا", "مو صلاح بيعمل تاريخ"),
        ("el match kan nar", "meen haykseb el dawry?", "What a save in the last minute"),
    ),
    Topic(
        ("القاهرة", "زحمة", "المحور", "المترو"), 4,
        ("الدائري واقف من ساعة", "المترو زحمة موت النهارده", "حد يعرف طريق تاني للتجمع؟", "نص ساعة علشان أعدي الكوبري"),
        ("el za7ma fel ring road fazee3a", "Ta7rir is moving again", "Metro line 3 is late"),
    ),
    Topic(
        ("أكل_مصري", "كشري", "مطاعم", "وصفات"), 48,
        ("طريقة الملوخية من غير ما تسقط", "أحسن كشري فين؟", "المحشي بتاع ماما مفيش زيه", "جربت الحواوشي"),
        ("a7la koshary fe masr", "Molokhia, step by step", "el fetar: fool w ta3meya"),
    ),
    Topic(
        ("مهرجانات", "عمرو_دياب", "أغاني", "تامر_حسني"), 24,
        ("الأغنية الجديدة مش راضية تطلع من دماغي", "حفلة الساحل كانت رهيبة", "مين فاكر أيام ألبومات زمان؟"),
        ("el track el gedeed gamed", "Amr Diab forever", "mahraganat all night"),
    ),
    Topic(
        ("رمضان", "دعاء", "جمعة_مباركة", "صباح_الخير"), 12,
        ("اللهم بارك لنا في يومنا", "جمعة مباركة عليكم جميعا", "صباح الورد على أحلى ناس", "دعاء الصباح"),
        ("gom3a mobaraka", "saba7 el foll", "Have a blessed Friday"),
    ),
    Topic(
        ("مسلسلات", "سينما", "أفلام", "كوميديا"), 30,
        ("الحلقة الأخيرة وجعت قلبي", "الفيلم ده لازم تتفرجوا عليه", "إفيهات عادل إمام مالهاش حل"),
        ("el 7al2a el akheera 3azama", "Best comedy this season", "film gamed fel cinema"),
    ),
    Topic(
        ("الدولار", "اقتصاد", "أسعار", "دهب"), 6,
        ("سعر الدهب النهارده كام؟", "الأسعار نار والمرتب زي ما هو", "الدولار عامل إيه؟"),
        ("el do2lar be kam?", "Gold is up again", "as3ar el so2 nar"),
    ),
    Topic(
        ("مذاكرة", "ثانوية_عامة", "جامعة_القاهرة", "امتحانات"), 20,
        ("ادعولي امتحان بكرة صعب", "ملخص الفصل التالت في صورة", "مين بيذاكر معايا دلوقتي؟"),
        ("ed3oly bokra final", "Notes for chapter three", "mozakra lel fagr"),
    ),
    Topic(
        ("الساحل", "دهب", "شرم_الشيخ", "سفر"), 72,
        ("غروب دهب مالوش زي", "أرخص طريقة تسافر سيوة", "البحر في أكتوبر أحلى من أغسطس"),
        ("Dahab sunsets", "rayeh sharm el week end", "Siwa on a budget"),
    ),
    Topic(
        ("برمجة", "تقنية", "شغل", "ذكاء_اصطناعي"), 60,
        ("بتعلم بايثون منين؟", "أول شغل ليا عن بعد", "الموبايل الجديد يستاهل؟"),
        ("ez.ay at3allem programming?", "Hiring backend engineers in Cairo", "New phone, honest review"),
    ),
    Topic(
        ("أمومة", "أطفال", "مدارس", "بيبي"), 40,
        ("ابني مش راضي ينام", "أحسن حضانة في مدينة نصر؟", "أكل صحي للمدرسة"),
        ("ebny mesh byenam", "School lunch ideas", "7adana kwayesa fe nasr city?"),
    ),
    Topic(
        ("ميمز", "كوميكس", "ضحك", "نكت"), 16,
        ("لما المدير يقولك خمس دقايق", "أنا يوم السبت الصبح", "مصر كلها دلوقتي"),
        ("ana fel ented7aan", "when the boss says five minutes", "kol el masryeen delwa2ty"),
    ),
    Topic(
        ("جيم", "دايت", "صحة", "جري"), 50,
        ("أول خمسة كيلو من غير وقوف", "دايت من غير حرمان", "تمرين ظهر في البيت"),
        ("gym el sob7", "First 5k done", "diet men gher 7erman"),
    ),
    Topic(
        ("قراءة", "كتب", "نجيب_محفوظ", "شعر"), 90,
        ("خلصت الحرافيش تاني مرة", "كتاب غير طريقة تفكيري", "بيت شعر على الصبح"),
        ("ketab lazem te2rah", "Mahfouz never gets old", "A poem for tonight"),
    ),
    Topic(
        ("موضة", "مكياج", "حجاب", "عروض"), 36,
        ("لفة طرح جديدة للشغل", "روتين البشرة في الشتا", "تنسيق ألوان الخريف"),
        ("lebs el shetta", "Skin care on a student budget", "New scarf tutorial"),
    ),
    Topic(
        ("إسكندرية", "كورنيش", "قهوة", "تصوير"), 70,
        ("مطر إسكندرية حكاية", "قهوة سادة وفيروز", "صورة من على الكورنيش"),
        ("eskendereya fel shetta", "Coffee and Fairuz", "Shot on the Corniche"),
    ),
)  # fmt: skip
TAGS = tuple(tag for topic in TOPICS for tag in topic.hashtags)  # each topic has four
SPAM = (
    "كسبت آيفون! دوس على اللينك فورا", "اكسب ٥٠٠٠ جنيه في اليوم من بيتك", "متابعة بمتابعة 🔥🔥",
    "Free followers here", "earn $$$ from home", "ادخل اللينك قبل الحذف",
)  # fmt: skip


def sentence(topic: int, number: int, *, is_latin: bool, is_spam: bool) -> str:
    """The text of a post; `number` varies it."""
    if is_spam:
        return SPAM[number % len(SPAM)]
    texts = TOPICS[topic].latin if is_latin else TOPICS[topic].arabic
    return texts[number % len(texts)]
