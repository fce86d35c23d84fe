"""How likely a text is spam, by how and how often it is published rather than by its words.

Signs are combined as independent ones: each takes a part of what is left to 1. So no sign alone is enough to shadow a
text, and a usual post of a new account is far from it.
"""

from moderation.addresses import addresses
from moderation.features import Publication

CASE_FROM = 0.6  # opens a case
SHADOW_FROM = 0.9

_NEW_S = 72 * 3_600.0


def spam_score(draft: Publication) -> float:
    """From 0 to 1."""
    author = draft.author
    is_new = author.age_s < _NEW_S
    links = min(len(addresses(draft.text)), 3)
    written = author.posts_1h + author.comments_1h + author.messages_1h
    signs = (
        0.2 * min(draft.own_repeats, 4),
        0.1 * min(draft.repeats - draft.own_repeats, 6),
        links * (0.2 if is_new else 0.05),
        0.3 if draft.mentions > 5 else 0.0,
        0.2 if draft.hashtags > 10 else 0.0,
        0.7 if written > 60 else 0.4 if written > 20 else 0.0,
        0.1 if is_new else 0.0,
    )
    innocent = 1.0
    for sign in signs:
        innocent *= 1.0 - sign
    score = 1.0 - innocent
    return score * 0.3 if author.is_verified else score
