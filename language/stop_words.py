"""Words that carry grammar and no topic, folded: search skips them unless a text has no others.

Those that are also names (علي, هنا, May) are not among them.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from language.phonetics import written_sounds

_CACHED = 16_384  # words

_ARABIC = """
    من في الي عن مع ان انه انها اني انك انهم اننا اذا اذ لو كي حتي ثم او بل لكن لكنه لان لانه عشان علشان هو هي
    هم هما احنا نحن انا انت انتي انتو انتوا انتم هذا هذه هذي ذلك تلك هولاء ده دي دول دا كده كدا الذي التي الذين اللي
    ما ماذا مين ليه لماذا فين متي امتي ازاي كيف كام كم اي هل يعني لا لم لن ليس ليست مش مو لسه لسا قد سوف
    بعد قبل بين عند عندي عندك عنده عندها عندنا عندهم كان كانت كانوا كنت كنا يكون تكون بقي بقا فيه فيها فيهم منه منها
    منهم عليه عليها عليهم له لها لهم لك لي ليا ليك ليها ليهم كل كله كلها كلهم كلنا بس فقط كمان برضه برضو ايضا زي مثل
    زيه يا دلوقتي الان هناك لما عندما ال بتاع بتاعه بتاعت بتاعي بتاعك بتاعنا بتاعتي بتاعتك بتاعتنا
"""
_PARTICLES = "وفبلكع"  # that are written apart from their word
_ENGLISH = """
    a an the and or but if so as at by for from in into of on onto out to up with about i my me mine we us our you your
    yours he him his she her hers it its they them their this that these those there here am is are was were be been
    being do does did has have had will would can could shall should might must not no nor dont doesnt didnt cant
    couldnt wont isnt arent wasnt im ive ill id youre youve hes shes theyre thats theres what whats which who whom whose
    when where why how than then too very just also
"""
_FRANCO = """
    ana enta inta ent enti enty ento entu e7na ehna howa hwa heya hya homa homma da dah di deh dee dol elly elli ely fe
    fi feh fih feeh w wa we mn 3ala 3la 3al 3an 3n ma3 ma3a m3 ya msh mesh mosh mush mish eh eih leh leih lih fen feen
    fein emta ezay ezzay izay kam meen kol kul kda keda kida bs lw lma lama 3shan 3ashan 3alashan 3lshan abl 2abl zy zay
    kaman kman bardo brdo la la2 ya3ni y3ny yani yaani delwa2ty delwa2t dlw2ty dlwaty lessa lesa ba3d b3d 3and 3andy
    3andak 3andik 3ando 3andaha 3andena 3andohom 3nd 3ndy 3ndk 3ndo kanet kano kont konna menno menha menhom fiha fihom
    3aleh 3aleha 3alehom leya leik liha lihom kollo kollaha kollohom kollena laken 7atta fa2at henak enno enoh la2an
    le2an eza beta3 bta3 beta3et bta3t beta3y beta3ty
"""
_FRANCO_CLITICS = "el al il fel bel lel wel"
_FRANCO_IN_CONTEXT = "men min ay bas ben kan law low aw hal lan lam"  # English words or names in other texts
_CONJUNCTIONS = ("", "و", "ف")  # written together with what follows


def with_conjunctions(words: Iterable[str]) -> set[str]:
    """Arabic words alone, and behind a conjunction."""
    return {conjunction + word for word in words for conjunction in _CONJUNCTIONS}


STOP_WORDS = frozenset(
    [
        *with_conjunctions(_ARABIC.split()),
        *_PARTICLES,
        *_ENGLISH.split(),
        *_FRANCO.split(),
        *_FRANCO_CLITICS.split(),
        *("w" + word for word in _FRANCO.split() if word[0] in "ae" or len(word) > 2),
    ]
)
_MARKS_OF_FRANCO = frozenset(("el", *(word for word in _FRANCO.split() if len(word) > 2)))
_ARABIZI = re.compile(r"[a-z]*[2-9][a-z]{2,}|[a-z]+[2-9][a-z]+|[a-z]{3,}[2-9]")
_NOT_FRANCO = re.compile(r"[cjpvx]|([^2aeiou])\1$")
_REPEATED = re.compile(r"(.)\1+")


@lru_cache(_CACHED)
def is_franco(token: str) -> bool:
    """Whether a folded word shows that its text is in Franco: a stop word, or a word with a digit as a letter."""
    return token in _MARKS_OF_FRANCO or _ARABIZI.fullmatch(token) is not None


@lru_cache(_CACHED)
def sounds_like_stop_word(token: str) -> bool:
    """Whether a folded word of a text in Franco, which has no fixed spelling, is a stop word."""
    is_latin = token.isascii() and token.isalnum()
    return is_latin and not _NOT_FRANCO.search(token) and _sounds(token) in _FRANCO_SOUNDS


def _sounds(word: str) -> str:
    """The sounds of a Latin word, with long vowels and doubled consonants as short ones."""
    return _REPEATED.sub(r"\1", written_sounds(word))


_FRANCO_SOUNDS = frozenset(map(_sounds, (*_FRANCO.split(), *_FRANCO_IN_CONTEXT.split())))
