"""A log of what people were shown and did, in columns. `daira eval feed` replays it, generated or recorded.

People, posts and hashtags are numbers from 0, in the order in which they came. A log has no names, no texts and no ids
of the database, so it is pseudonymous: who knows a few acts of a person can still find the person in it. Times are
milliseconds since 1970.
"""

from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Action(IntEnum):
    VIEW = 0
    REACTION = 1
    COMMENT = 2
    SAVE = 3
    SHARE = 4
    HIDE = 5
    VISIT = 6  # of the author's profile


# What an act says of a post's worth to the person. A hide has its own rate.
GAINS = {Action.REACTION: 1, Action.COMMENT: 2, Action.SAVE: 2, Action.SHARE: 2}


class Shown(IntEnum):
    """Why a post was shown."""

    FOLLOW = 0
    MENTION = 1
    SECOND_DEGREE = 2
    TREND = 3
    SIMILAR = 4
    EXPLORATION = 5


class People(NamedTuple):
    joined_at: Ints
    is_latin: Flags  # writes in Latin letters


class Follows(NamedTuple):
    follower: Ints
    followee: Ints
    at: Ints


class Posts(NamedTuple):
    """In the order of time. hashtag: -1 for none; a post has one at most here."""

    author: Ints
    at: Ints
    hashtag: Ints

    def label(self, post: int) -> str:
        """Return a placeholder for the text of a post, because logs are recorded without texts."""
        hashtag = int(self.hashtag[post])
        return "…" if hashtag < 0 else f"#tag{hashtag}"


class ShownPosts(NamedTuple):
    """propensity: the probability with which this post was chosen for this place; NaN where it was no chance."""

    person: Ints
    post: Ints
    at: Ints
    position: Ints
    source: Ints
    propensity: Floats


class Acts(NamedTuple):
    """dwell_ms: of a view; 0 otherwise."""

    person: Ints
    post: Ints
    at: Ints
    action: Ints
    dwell_ms: Ints


class FeedLog(NamedTuple):
    people: People
    follows: Follows
    posts: Posts
    exposures: ShownPosts
    acts: Acts

    @property
    def last_ms(self) -> int:
        return max(int(part.at.max(initial=0)) for part in (self.follows, self.posts, self.exposures, self.acts))

    def before(self, moment_ms: int) -> "FeedLog":
        """Return the log up to that moment. People and posts keep their numbers."""
        return FeedLog(
            self.people,
            _before(self.follows, moment_ms),
            _before(self.posts, moment_ms),
            _before(self.exposures, moment_ms),
            _before(self.acts, moment_ms),
        )

    def write(self, path: Path) -> None:
        columns = {f"{name}.{column}": values for name, part in self._asdict().items()
                   for column, values in part._asdict().items()}  # fmt: skip
        np.savez_compressed(path, **columns)


def read_log(path: Path) -> FeedLog:
    """Raises OSError; KeyError if a column is missing."""
    with np.load(path, allow_pickle=False) as file:
        return FeedLog(
            People(*(file[f"people.{name}"] for name in People._fields)),
            Follows(*(file[f"follows.{name}"] for name in Follows._fields)),
            Posts(*(file[f"posts.{name}"] for name in Posts._fields)),
            ShownPosts(*(file[f"exposures.{name}"] for name in ShownPosts._fields)),
            Acts(*(file[f"acts.{name}"] for name in Acts._fields)),
        )


_Part = TypeVar("_Part", Follows, Posts, ShownPosts, Acts)


def _before(part: _Part, moment_ms: int) -> _Part:
    is_past = part.at < moment_ms
    return part._replace(**{name: column[is_past] for name, column in part._asdict().items()})
