"""What a post's text names: hashtags and people."""

import re

MOST_HASHTAGS = 30
MOST_MENTIONS = 20

_HASHTAG = re.compile(r"(?<![\w#&])#(\w{1,100})")
_MENTION = re.compile(r"(?<![\w@.])@([A-Za-z0-9_.]{3,30})")


def hashtags(text: str) -> list[str]:
    """Without the #, case folded, each once, in order; a number alone is no hashtag."""
    found = (tag.casefold() for tag in _HASHTAG.findall(text) if not tag.isdecimal())
    return list(dict.fromkeys(found))[:MOST_HASHTAGS]


def mentioned_usernames(text: str) -> list[str]:
    """Lower case, each once, in order. A full stop that ends the sentence is no part of a name."""
    found = (name.rstrip(".").lower() for name in _MENTION.findall(text))
    return [name for name in dict.fromkeys(found) if len(name) >= 3][:MOST_MENTIONS]
