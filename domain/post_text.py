"""Hashtags and mentions in the text of a post.

Both begin and end at the edge of a word. Parts of web and e-mail addresses are neither.
"""

import re

import regex

from language.analysis import fold, words

MOST_HASHTAGS = 30
MOST_MENTIONS = 20
LONGEST_HASHTAG = 100
MOST_TOPICS = 40

# Possessive quantifiers prevent backtracking, so that any text takes linear time.
_ADDRESS = re.compile(r"(?<![\w.-])(?:\w{1,20}://|www\.|[\w-]++(?:\.[\w-]++)++[/?])\S*+", re.ASCII | re.IGNORECASE)
# Letters, marks, numbers, underscores and joiners, as UAX #29 keeps them in a word, without fillers and keycap parts.
_IN_WORD = r"[[\p{L}\p{Mn}\p{Mc}\p{N}_\u200c\u200d]--[\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]]"
_HASHTAG = regex.compile(rf"(?<!{_IN_WORD}|[#＃&])[#＃](?=[\p{{L}}\p{{N}}_])({_IN_WORD}++)", regex.V1)
_LETTER = regex.compile(r"\p{L}")
_JOINERS = "\u200c\u200d"
_MENTION = regex.compile(rf"(?<!{_IN_WORD}|[@.])@([A-Za-z0-9_.]++)(?!{_IN_WORD}|@)", regex.V1)


def hashtags(text: str) -> list[str]:
    """Hashtags as written, without #, in order. Of spellings that fold to one word the first; each has a letter."""
    found: dict[str, str] = {}
    for word in _HASHTAG.findall(_without_addresses(text)):
        tag = word.rstrip(_JOINERS)
        key = fold(tag) if len(tag) <= LONGEST_HASHTAG else ""
        if _LETTER.search(key):
            found.setdefault(key, tag)
    return list(found.values())[:MOST_HASHTAGS]


def hashtag_key(hashtag: str) -> str | None:
    """The form that all spellings of a hashtag share, by which its posts are found; None if it is no hashtag."""
    word = hashtag.lstrip("#＃")
    return fold(word) if hashtags(f"#{word}") == [word] else None


def topics(text: str) -> list[str]:
    """The topic words of a text by their stems, and its hashtags with their #, each once, in order."""
    stems = dict.fromkeys(word.stem for word in words(_without_addresses(text)))
    tags = [stem for stem in stems if stem.startswith("#")]
    return (tags + [stem for stem in stems if not stem.startswith("#")])[:MOST_TOPICS]


def mentioned_usernames(text: str) -> list[str]:
    """Usernames in lower case, each once, in order. A full stop at the end of a name belongs to the sentence."""
    found = (name.rstrip(".").lower() for name in _MENTION.findall(_without_addresses(text)))
    return [name for name in dict.fromkeys(found) if 3 <= len(name) <= 30][:MOST_MENTIONS]


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(" ", text)
