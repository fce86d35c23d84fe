"""Words that are too common in chats to show the topic: stop words, greetings, small talk.

They are folded.
"""

from language.stop_words import STOP_WORDS, with_conjunctions

_ARABIC = """
    ام علي هنا ايه مفيش مافيش ماشي فوق تحت بقت يبقي تبقي هيبقي هتبقي راح رايح عليك عليا لينا بيه بيها بيك بيا معاه معاها
    معاك معايا معانا معاهم بعض غير نفس نفسه نفسها حد احد ناس الناس حاجه حاجات شيء شي شويه كتير كثير قليل جدا اوي قوي
    خالص اكثر اكتر بتاع بتاعه بتاعي طب طيب تمام ايوه ايوا اه لاء نعم اوك اوكي اوكيه اصل اصلا يلا خلاص دلوقت النهارده
    انهارده امبارح بكره تاني ثاني اول حين وقت مره والله الله بالله يارب شاء انشالله ماشاء ماشاءالله الحمد لله
    الحمدلله سبحان السلام سلام عليكم ورحمه وبركاته صباح مساء الخير النور الفل اهلا مرحبا منور منورين نورت ازيك ازيكم
    عامل عاملين شكرا تسلم تسلموا حبيبي حبايب جماعه شباب ياجماعه ياشباب حضرتك حضراتكم باشا معلش ممكن لازم عايز عاوز
    عايزه عاوزه عايزين عاوزين يمكن طبعا فعلا اقول قال قالت بيقول بتقول نقول شايف اشوف عارف عارفين عرف اعرف فاكر
"""
_ENGLISH = """
    may off over after before between done doing having wouldnt lets all any both each few more most other some such
    only own same even still yet again ever never now much many lot like get got go going gonna wanna know think say
    said see make really actually maybe well right yes yeah yep yup nope ok okay okey oh wow lol lmao omg haha pls
    plz please thanks thank thx ty hi hello hey welcome bye guys everyone bro man sir good great nice cool one two
    thing things because cause cuz
"""
_FRANCO = """
    dool eli fiha men mnen ma3a ma3aya yalla yla mfesh mafesh mafish min kolo bas ba3d b3d tab tyb tayeb tamam tmam
    aywa aiwa ah aah laa gedan awy awi awe 2awy 2wy 5ales khales keteer kteer ktir ba2a b2a ba2et yb2a yeb2a kan
    kant kano kont 7aga haga 7agat enaharda naharda embare7 bokra wallahi wallah wlahy inshallah nshallah insha
    allah hamdulillah elhamdulillah salam aleikom alaikom saba7 sabah masa2 5eir kheir elkheir ezayak ezayek ezayko
    ahlan shokran mn2a lazem momken mmkn 3ayez 3awez 3ayz 3ayza 3awza 7abiby habibi ya3am basha gama3a gma3a shabab
    bta3 bta3t aktar
"""

SMALL_TALK = STOP_WORDS.union(with_conjunctions(_ARABIC.split()), _ENGLISH.split(), _FRANCO.split())
