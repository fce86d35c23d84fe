"""Words that carry grammar and no topic, folded: search skips them unless a text has no others.

Those that are also names (علي, هنا, May) are not among them.
"""

from collections.abc import Iterable

_ARABIC = """
    من في الي عن مع ان انه انها اني انك انهم اننا اذا اذ لو كي حتي ثم او بل لكن لكنه لان لانه عشان علشان هو هي
    هم هما احنا نحن انا انت انتي انتو انتوا انتم هذا هذه هذي ذلك تلك هولاء ده دي دول دا كده كدا الذي التي الذين اللي
    ما ماذا مين ليه لماذا فين متي امتي ازاي كيف كام كم اي هل يعني لا لم لن ليس ليست مش مو لسه لسا قد سوف
    بعد قبل بين عند عندي عندك عنده عندها عندنا عندهم كان كانت كانوا كنت كنا يكون تكون بقي بقا فيه فيها فيهم منه منها
    منهم عليه عليها عليهم له لها لهم لك لي ليا ليك ليها ليهم كل كله كلها كلهم كلنا بس فقط كمان برضه برضو ايضا زي مثل
    زيه يا دلوقتي الان هناك لما عندما
"""
_ENGLISH = """
    a an the and or but if so as at by for from in into of on onto out to up with about i my me mine we us our you your
    yours he him his she her hers it its they them their this that these those there here am is are was were be been
    being do does did has have had will would can could shall should might must not no nor dont doesnt didnt cant
    couldnt wont isnt arent wasnt im ive ill id youre youve hes shes theyre thats theres what whats which who whom whose
    when where why how than then too very just also
"""
_FRANCO = """
    el al il ana enta inta ent enti enty ento entu e7na ehna howa hwa heya hya homa homma da dah di deh dee dol elly
    elli ely fe fi feh fih feeh w wa we mn 3ala 3la 3al 3an 3n ma3 m3 ya msh mesh mosh mush eh eih leh leih lih fen
    feen emta ezay ezzay izay kam meen kol kul kda keda kida bs lw lma lama 3shan 3ashan 3alashan 3lshan abl 2abl zy zay
    kaman kman bardo brdo la la2 ya3ni y3ny yani yaani delwa2ty dlw2ty dlwaty fel bel lel wel
"""
_CONJUNCTIONS = ("", "و", "ف")  # written together with what follows


def with_conjunctions(words: Iterable[str]) -> set[str]:
    """Arabic words alone, and behind a conjunction."""
    return {conjunction + word for word in words for conjunction in _CONJUNCTIONS}


STOP_WORDS = frozenset(
    [
        *with_conjunctions(_ARABIC.split()),
        *_ENGLISH.split(),
        *_FRANCO.split(),
        *("w" + word for word in _FRANCO.split() if word[0] in "ae"),
    ]
)
