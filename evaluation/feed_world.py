"""A generated world: people, whom they follow, what they post, and how likely each is to care for each post.

The model is not the formula of our ranking, and most of what it draws on no ranking can see:

* a person has interests in topics (those of the person's community, and own ones), a taste for the style of authors,
  a language, and ties of different strength to those whom the person follows;
* a post has a topic, whose half-life says how long it is worth reading, and a quality near that of its author;
* P(engages | looks at it) = logistic(bias + interest + taste + quality + tie − age − other language − spam);
* follows are drawn by popularity (Zipf), shared interests and community; posts and visits by activity (Zipf, lognormal)
  and the hours of Cairo; people join late and leave; some accounts are spam, some creators are new.

`feed_sessions` then lets these people visit.
"""

from typing import NamedTuple

import numpy as np

from evaluation.feed_log import DAY_MS, HOUR_MS, Flags, Floats, Ints, Posts
from evaluation.feed_topics import TAGS, TOPICS, sentence

START_MS = 1_790_802_000_000  # 2026-10-01, midnight in Cairo, which is at UTC+3 then
COMMUNITIES, STYLES = 12, 6
NEW_FOR_MS = 7 * DAY_MS  # how long a creator counts as new
# Visits in each hour of Cairo: few at dawn, most in the evening.
RHYTHM = np.array(
    [5.5, 4, 2.4, 1.4, 0.9, 0.8, 1.1, 1.9, 2.8, 3.3, 3.6, 3.8, 4, 4.3, 4.4, 4.3, 4.4, 4.7, 5.2, 6, 7.2, 8, 8, 7]
)
POSTS_A_DAY = 0.8  # for each person, on average
FOLLOWEES = 40  # median
HALF_LIVES_H = np.array([topic.half_life_h for topic in TOPICS])


class World(NamedTuple):
    """Arrays by person, by pair of follower and followee (sorted by key), and by post."""

    joined_at: Ints
    left_at: Ints
    community: Ints
    interests: Floats  # people × topics, each row sums to 1
    taste: Floats  # people × styles
    style: Floats
    is_latin: Flags
    is_spam: Flags
    activity: Floats  # visits a day
    tie_key: Ints  # follower · people + followee
    tie: Floats
    posts: Posts
    topic: Ints
    quality: Floats
    clickbait: Floats
    is_reel: Flags

    @property
    def people(self) -> int:
        return len(self.joined_at)

    def text(self, post: int) -> str:
        author, topic, hashtag = int(self.posts.author[post]), int(self.topic[post]), int(self.posts.hashtag[post])
        is_latin, is_spam = bool(self.is_latin[author]), bool(self.is_spam[author])
        words = sentence(topic, post, is_latin=is_latin, is_spam=is_spam)
        return words if hashtag < 0 else f"{words} #{TAGS[hashtag]}"

    def worth(self, person: Ints, post: Ints, at_ms: Ints | int) -> Floats:
        """The logit of engaging with the post once the person looks at it. The arguments are broadcast."""
        author, topic = self.posts.author[post], self.topic[post]
        interest = np.clip(np.log(self.interests[person, topic] * len(TOPICS) + 0.03), -3, 2.2)
        taste = (self.taste[person] * self.style[author]).sum(axis=-1)
        age_h = np.maximum(at_ms - self.posts.at[post], 0) / HOUR_MS
        other_language = self.is_latin[person] != self.is_latin[author]
        logit: Floats = (
            -3.5 + 0.75 * interest + 0.55 * taste + 0.6 * self.quality[post] + 0.9 * self.ties(person, author)
            - 0.8 * np.minimum(age_h / HALF_LIVES_H[topic], 5) - 0.9 * other_language - 2.5 * self.is_spam[author]
        )  # fmt: skip
        return logit

    def ties(self, person: Ints, author: Ints) -> Floats:
        """0 for an author whom the person does not follow."""
        key = person * self.people + author
        place = np.minimum(np.searchsorted(self.tie_key, key), len(self.tie_key) - 1)
        found: Floats = np.where(self.tie_key[place] == key, self.tie[place], 0.0)
        return found

    def dislike(self, person: Ints, post: Ints, logit: Floats) -> Floats:
        """P(hides it | looks at it and does not engage)."""
        spam = self.is_spam[self.posts.author[post]]
        return logistic(-6.3 + 3.0 * spam + 0.7 * self.clickbait[post] - 0.25 * (logit + 3.5))


def logistic(logit: Floats) -> Floats:
    value: Floats = 1 / (1 + np.exp(-logit))
    return value


def hour_of_cairo(at_ms: Ints) -> Ints:
    return (at_ms - START_MS) // HOUR_MS % 24


def generate_world(people: int, days: int, random: np.random.Generator) -> World:
    end_ms = START_MS + days * DAY_MS
    community = random.integers(COMMUNITIES, size=people)
    shared = random.dirichlet(np.full(len(TOPICS), 0.3), COMMUNITIES)
    own = random.dirichlet(np.full(len(TOPICS), 0.25), people)
    interests = 0.5 * shared[community] + 0.5 * own
    # One in seven joins during these days. A stay lasts 60 days on average.
    joined_at = START_MS - random.integers(1, 300 * DAY_MS, people)
    late = random.random(people) < 1 / 7
    joined_at[late] = random.integers(START_MS, end_ms, late.sum())
    left_at = np.maximum(joined_at, START_MS) + (random.exponential(60 * DAY_MS, people)).astype(np.int64)
    is_spam = random.random(people) < 0.012
    author_quality = random.normal(0, 0.8, people) - 1.0 * is_spam
    # Zipf by rank. Better authors tend to rank higher; those who joined late had no time to.
    rank = np.argsort(np.argsort(-(author_quality + random.normal(0, 1.2, people) - 2.5 * late)))
    popularity = np.where(is_spam, 0.2, 1) / (rank + 5.0) ** 0.9
    style = random.normal(0, 1, (people, STYLES)) / np.sqrt(STYLES)
    is_latin = random.random(people) < np.where(community % 4 == 0, 0.5, 0.15)
    tie_key, tie = _ties(interests, community, popularity, random)
    posts, topic = _posts(joined_at, left_at, interests, is_spam, end_ms, random)
    spam_post = is_spam[posts.author]
    return World(
        joined_at, left_at, community, interests, random.normal(0, 1, (people, STYLES)), style, is_latin, is_spam,
        random.lognormal(0.3, 0.8, people).clip(0.1, 12), tie_key, tie, posts, topic,
        author_quality[posts.author] + random.normal(0, 0.7, len(topic)),
        random.exponential(0.3, len(topic)) + 1.5 * spam_post, random.random(len(topic)) < 0.2,
    )  # fmt: skip


def _ties(interests: Floats, community: Ints, popularity: Floats, random: np.random.Generator) -> tuple[Ints, Floats]:
    """Whom each follows: the best of a Gumbel draw by popularity, interests and community; friends have strong ties."""
    people = len(community)
    unit = interests / np.linalg.norm(interests, axis=1, keepdims=True)
    amount = random.lognormal(np.log(min(FOLLOWEES, people / 8)), 0.7, people).astype(np.int64).clip(3, people // 3)
    keys = []
    for person in range(people):
        appeal = np.log(popularity) + 2.5 * (unit @ unit[person]) + 1.2 * (community == community[person])
        appeal += random.gumbel(size=people)
        appeal[person] = -np.inf
        keys.append(person * people + np.argpartition(-appeal, amount[person])[: amount[person]])
    key = np.sort(np.concatenate(keys))
    is_friend = random.random(len(key)) < np.where(community[key // people] == community[key % people], 0.3, 0.08)
    return key, np.where(is_friend, random.gamma(4, 0.35, len(key)), random.gamma(1, 0.3, len(key)))


def _posts(
    joined_at: Ints, left_at: Ints, interests: Floats, is_spam: Flags, end_ms: int, random: np.random.Generator
) -> tuple[Posts, Ints]:
    """The posts, and the topic of each. Half of the people never post."""
    people = len(joined_at)
    rate = 1 / (random.permutation(people) + 10.0) ** 0.75
    rate[random.random(people) < 0.5] = 0
    rate *= POSTS_A_DAY * people / rate.sum()
    rate = np.where(is_spam, 5.0, rate.clip(0, 15))
    since, until = np.maximum(joined_at, START_MS), np.minimum(left_at, end_ms)
    days = np.maximum(until - since, 0) / DAY_MS
    author = np.repeat(np.arange(people), random.poisson(rate * days))
    # A day of the author's stay, then an hour by the rhythm.
    day = (since[author] - START_MS + random.random(len(author)) * days[author] * DAY_MS) // DAY_MS
    hour = random.choice(24, len(author), p=RHYTHM / RHYTHM.sum())
    at = (START_MS + day * DAY_MS + hour * HOUR_MS + random.integers(HOUR_MS, size=len(author))).astype(np.int64)
    kept = (at >= since[author]) & (at < until[author])
    author, at = author[kept], at[kept]
    order = np.argsort(at, kind="stable")
    author, at = author[order], at[order]
    # Authors write of less than they read of: their interests, sharpened.
    sharp = interests**2
    share = np.cumsum(sharp / sharp.sum(axis=1, keepdims=True), axis=1)
    topic = (random.random(len(author))[:, None] > share[author]).sum(axis=1).clip(0, len(TOPICS) - 1)
    tags = len(TAGS) // len(TOPICS)
    which = np.minimum(random.geometric(0.5, len(author)) - 1, tags - 1)
    hashtag = np.where(random.random(len(author)) < 0.7, topic * tags + which, -1)
    return Posts(author, at, hashtag), topic
