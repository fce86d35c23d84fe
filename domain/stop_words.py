"""Words that are too common in chats to tell the topic, including greetings and small talk.

They are spelt as summaries normalise them. Summaries ignore words of one letter, so there are none here.
"""

_ARABIC = """
    من في الي علي عن مع ان انه انها اني انك انهم اننا اذا اذ لو كي حتي ثم او ام بل لكن لكنه لان لانه عشان علشان هو هي
    هم هما احنا نحن انا انت انتي انتو انتوا انتم هذا هذه هذي ذلك تلك هؤلاء ده دي دول دا كده كدا الذي التي الذين اللي
    ما ماذا مين ليه لماذا ايه فين متي امتي ازاي كيف كام كم اي هل يعني لا لم لن ليس ليست مش مو مفيش مافيش ماشي لسه لسا
    بعد قبل بين فوق تحت عند عندي عندك عنده عندها عندنا عندهم كان كانت كانوا كنت كنا يكون تكون بقي بقا بقت يبقي تبقي
    هيبقي هتبقي قد سوف راح رايح فيه فيها فيهم منه منها منهم عليه عليها عليهم عليك عليا له لها لهم لك لي ليا ليك ليها
    ليهم لينا بيه بيها بيك بيا معاه معاها معاك معايا معانا معاهم كل كله كلها كلهم كلنا بعض غير نفس نفسه نفسها حد احد
    ناس الناس حاجه حاجات شيء شئ شويه كتير كثير قليل جدا اوي قوي خالص اكثر اكتر بتاع بتاعه بتاعي بس فقط كمان برضه برضو
    ايضا زي مثل زيه طب طيب تمام ايوه ايوا اه لاء نعم اوك اوكي اوكيه اصل اصلا يا يلا خلاص دلوقتي دلوقت الان هنا هناك
    النهارده انهارده امبارح بكره تاني ثاني اول لما عندما حين وقت مره والله الله بالله يارب شاء انشالله ماشاء ماشاءالله
    الحمد لله الحمدلله سبحان السلام سلام عليكم ورحمه وبركاته صباح مساء الخير النور الفل اهلا مرحبا منور منورين نورت
    ازيك ازيكم عامل عاملين شكرا تسلم تسلموا حبيبي حبايب جماعه شباب ياجماعه ياشباب حضرتك حضراتكم باشا معلش ممكن لازم
    عايز عاوز عايزه عاوزه عايزين عاوزين يمكن طبعا فعلا اقول قال قالت بيقول بتقول نقول شايف اشوف عارف عارفين عرف اعرف
    فاكر
"""
_ENGLISH = """
    an the and or but if so as at by for from in into of off on onto out over to up with about after before between me
    my mine we us our you your yours he him his she her it its they them their this that these those there here am is
    are was were be been being do does did done doing have has had having will would can could shall should may might
    must not no nor dont doesnt didnt cant couldnt wont wouldnt isnt arent wasnt im ive ill id youre youve hes shes
    theyre thats theres lets whats what which who whom whose when where why how all any both each few more most other
    some such only own same than then too very just also even still yet again ever never now much many lot like get
    got go going gonna wanna know think say said see make really actually maybe well right yes yeah yep yup nope ok
    okay okey oh wow lol lmao omg haha pls plz please thanks thank thx ty hi hello hey welcome bye guys everyone bro
    man sir good great nice cool one two thing things because cause cuz
"""
_FRANCO = """
    ana enta inta ent enti enty ento entu e7na ehna howa hwa heya hya homa homma da dah di deh dee dol dool elly elli
    ely eli el al fe fi feh fih feeh fiha wa we men mn mnen 3ala 3la 3al 3an 3n ma3 m3 ma3a ma3aya ya yalla yla msh
    mesh mosh mush mfesh mafesh mafish eh eih leh leih lih fen feen emta ezay ezzay izay kam meen min kol kolo kul kda
    keda kida bs bas lw lma lama 3shan 3ashan 3alashan 3lshan ba3d b3d abl 2abl zy zay kaman kman bardo brdo tab tyb
    tayeb tamam tmam aywa aiwa ah aah la la2 laa gedan awy awi awe 2awy 2wy 5ales khales keteer kteer ktir ba2a b2a
    ba2et yb2a yeb2a kan kant kano kont ya3ni y3ny yani 7aga haga 7agat delwa2ty dlw2ty dlwaty enaharda naharda
    embare7 bokra wallahi wallah wlahy inshallah nshallah insha allah hamdulillah elhamdulillah salam aleikom alaikom
    saba7 sabah masa2 5eir kheir elkheir ezayak ezayek ezayko ahlan shokran mn2a lazem momken mmkn 3ayez 3awez 3ayz
    3ayza 3awza 7abiby habibi ya3am basha gama3a gma3a shabab bta3 bta3t aktar
"""
_CONJUNCTIONS = ("", "و", "ف")  # written together with what follows

STOP_WORDS = frozenset(
    [
        *(conjunction + word for conjunction in _CONJUNCTIONS for word in _ARABIC.split()),
        *_ENGLISH.split(),
        *_FRANCO.split(),
    ]
)
