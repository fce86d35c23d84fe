"""Conversations of the demo users: comments and reactions under recent posts, and chats."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import get_args

from protocol.reactions import ReactionKind
from storage import seeding_conversations as seeding
from storage.seeding import Connection

WITHIN = timedelta(hours=1)  # of now; older posts are talked about
POSTS = 200
MOST_REACTIONS = 12  # for each post
MOST_COMMENTS = 4
REPLIES = 0.6  # for each comment
CHATS = 30
COMMENTS = (
    "الله ينور عليك 👏",
    "فعلا، عندك حق",
    "أحلى حاجة قريتها النهارده",
    "مش متفق معاك الصراحة 😅",
    "فين ده بالظبط؟",
    "So true!",
    "Count me in",
    "يا سلام على الجمال ❤️",
)
REPLY_TEXTS = ("تسلم يا غالي", "بالظبط كده", "Thank you!", "ابعتلي رسالة وأقولك 😉", "😂😂", "And then?")
TALKS = (
    ("صباح الخير! عامل إيه؟", "تمام الحمد لله، وانت؟", "كله تمام. فاضي الجمعة؟", "آه فاضي", "على القهوة زي كل مرة ☕"),
    ("شفت الماتش امبارح؟ ⚽", "شفته طبعا!", "مين كان يصدق 😂", "الحكم ظلمنا والله"),
    ("Are you coming to the koshary night?", "طبعا جاي", "هات معاك الكتاب", "ماشي 👍"),
    ("وصلت البيت؟", "لسه في الطريق، الزحمة فظيعة", "خد بالك من نفسك"),
)


async def insert_conversations(connection: Connection, user_ids: Sequence[int]) -> None:
    """user_ids: the most popular first; they talk most."""
    posts = await seeding.recent_posts(connection, WITHIN, POSTS)
    comments = await seeding.insert_comments(connection, _comments(posts, user_ids), WITHIN)
    await seeding.insert_comments(connection, _replies(comments, user_ids), WITHIN / 2)
    targets = [("post", post_id, MOST_REACTIONS) for post_id in posts]
    targets += [("comment", comment_id, 3) for comment_id, _ in comments]
    await seeding.insert_reactions(connection, list(_reactions(targets, user_ids)), WITHIN)
    await seeding.insert_direct_chats(connection, list(_chats(user_ids)))


def _comments(posts: Sequence[int], user_ids: Sequence[int]) -> list[seeding.NewComment]:
    return [
        seeding.NewComment(post_id, None, random.choice(user_ids), random.choice(COMMENTS))
        for post_id in posts
        for _ in range(random.randint(0, MOST_COMMENTS))
    ]


def _replies(comments: Sequence[tuple[int, int]], user_ids: Sequence[int]) -> list[seeding.NewComment]:
    chosen = random.choices(comments, k=int(len(comments) * REPLIES)) if comments else []
    return [
        seeding.NewComment(post_id, comment_id, random.choice(user_ids), random.choice(REPLY_TEXTS))
        for comment_id, post_id in chosen
    ]


def _reactions(targets: Sequence[tuple[str, int, int]], user_ids: Sequence[int]) -> Iterator[tuple[str, int, int, str]]:
    kinds, weights = get_args(ReactionKind), (8, 5, 2, 1, 1)
    for target_type, target_id, most in targets:
        for user_id in random.sample(user_ids, random.randint(0, min(most, len(user_ids)))):
            yield target_type, target_id, user_id, random.choices(kinds, weights)[0]


def _chats(user_ids: Sequence[int]) -> Iterator[seeding.NewChat]:
    """The most popular user talks with several users, and the others with the next one."""
    first, *others = user_ids[:CHATS]
    pairs = [(first, other) for other in others[:6]] + list(pairwise(others))
    for one, other in pairs:
        talk = random.choice(TALKS)
        yield seeding.NewChat([(sender, text) for sender, text in zip([one, other] * len(talk), talk, strict=False)])
