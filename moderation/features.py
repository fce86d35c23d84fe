"""Features of a text: the variables of the expressions of rules."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from moderation.addresses import addresses
from moderation.disguises import read
from moderation.term_lists import TermMatcher
from protocol.moderation import Reason
from protocol.rules import RuleSurface

MOST_WORDS = 300  # of a text, in `words`
_HOUR_S = 3_600.0


class Author(NamedTuple):
    """The user who publishes. The counts of the last hour leave out what is being published."""

    age_s: float = 10.0 * 365 * 24 * _HOUR_S
    is_verified: bool = False
    followers: int = 0
    posts: int = 0
    posts_1h: int = 0
    comments_1h: int = 0
    messages_1h: int = 0
    follows_1h: int = 0


class Publication(NamedTuple):
    """A text before it is published. fields: the texts, by the names of the fields that they come from.

    repeats: how often the same text was published within 24 hours, by anybody; own_repeats: by its author.
    """

    surface: RuleSurface
    fields: Sequence[tuple[str, str]]
    author: Author = Author()
    is_edit: bool = False
    media: int = 0
    similar_to_removed: Sequence[Reason] = ()
    mentions: int = 0
    hashtags: int = 0
    repeats: int = 0
    own_repeats: int = 0

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.fields if text)


# Name of a variable → what it means, for the console and the documents. Members of `author` are below.
VARIABLES = {
    "surface": "post, comment, message, profile, group, room or room_message",
    "text": "the folded words of the text with blanks between them",
    "raw": "the text as it was written",
    "squeezed": "all letters and digits of the folded text with nothing between them",
    "length": "characters of the text",
    "words": "the folded words, once each, at most 300",
    "lists": "names of the term lists of which the text has a term",
    "terms": "these terms",
    "urls": "web addresses without their scheme, at most 20",
    "hosts": "their hosts",
    "domains": "their registrable domains",
    "mentions": "how many users are mentioned",
    "hashtags": "how many hashtags",
    "media": "how many files are attached",
    "similar_to_removed": "reasons for which files were removed that look like an attached one",
    "repeats": "how often anybody published the same folded text within 24 hours",
    "own_repeats": "how often the author did",
    "is_edit": "whether it changes what was published already",
    "author": "who publishes",
}
AUTHOR_MEMBERS = {
    "age_h": "hours since the account was made",
    "is_verified": "whether the account is verified",
    "followers": "how many users follow the account",
    "posts": "how many posts it has",
    "posts_1h": "posts within an hour, without this one",
    "comments_1h": "comments within an hour",
    "messages_1h": "chat messages within an hour",
    "follows_1h": "follows within an hour",
}


def features(draft: Publication, matcher: TermMatcher) -> dict[str, Any]:
    """The value of each variable."""
    text = draft.text
    reading = read(text)
    found = matcher.find(reading)
    linked = addresses(text)
    author = draft.author
    return {
        "surface": draft.surface,
        "text": " ".join(reading.words),
        "raw": text,
        "squeezed": reading.squeezed,
        "length": len(text),
        "words": list(reading.words[:MOST_WORDS]),
        "lists": list(found.lists),
        "terms": list(found.terms),
        "urls": [each.url for each in linked],
        "hosts": [each.host for each in linked],
        "domains": [each.domain for each in linked],
        "mentions": draft.mentions,
        "hashtags": draft.hashtags,
        "media": draft.media,
        "similar_to_removed": list(draft.similar_to_removed),
        "repeats": draft.repeats,
        "own_repeats": draft.own_repeats,
        "is_edit": draft.is_edit,
        "author": {
            "age_h": author.age_s / _HOUR_S,
            "is_verified": author.is_verified,
            "followers": author.followers,
            "posts": author.posts,
            "posts_1h": author.posts_1h,
            "comments_1h": author.comments_1h,
            "messages_1h": author.messages_1h,
            "follows_1h": author.follows_1h,
        },
    }
