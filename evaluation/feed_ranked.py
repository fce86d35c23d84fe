"""The ranked feed as a contender: the product's own queries and formula, on a scratch database of the past."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain

import asyncpg
import numpy as np
from numpy.typing import NDArray

from domain import ranking
from domain.audience import LARGE_FROM
from evaluation.feed_baselines import Order, Progress
from evaluation.feed_judgements import require_past
from evaluation.feed_log import Action, FeedLog, Ints
from evaluation.feed_topics import TOPICS
from storage import feed_replay, posts
from storage.database import Database
from storage.feed_replay import id_at
from storage.feeds import LONGEST, LONGEST_READING
from storage.seeding import Connection

_NOTED = {
    Action.REACTION: "reaction", Action.COMMENT: "comment", Action.SAVE: "save", Action.SHARE: "share",
    Action.VIEW: "view",
}  # fmt: skip
TAGS = tuple(tag for topic in TOPICS for tag in topic.hashtags)


class _RankedFeed:
    """Orders posts as `feed.get` does in ranked mode."""

    def __init__(self, database: Database, user_ids: list[int], moment: datetime) -> None:
        self._database, self._user_ids, self._moment = database, user_ids, moment

    async def order(self, person: int, catalogue: Ints) -> Ints:
        async with self._database.transaction(self._user_ids[person], reads=True) as tx:
            stored = await posts.feed_ids(tx, LONGEST)
            ranked = ranking.rank(await posts.load_candidates(tx, stored, LONGEST_READING), self._moment)
        return np.array([feed_replay.number_of(post_id) for post_id, _ in ranked], np.int64)


@asynccontextmanager
async def ranked_feeds(
    urls: tuple[str, str, str], past: FeedLog, moment_ms: int, progress: Progress
) -> AsyncIterator[dict[str, Order]]:
    """Load the past into a scratch database beside those of the URLs. Yields the ranked feed, as it is and without
    each of its terms.

    urls: for the owner, the app and the worker. Raises FutureLeaked.
    """
    require_past(past, moment_ms)
    moment = datetime.fromtimestamp(moment_ms / 1_000, UTC)
    async with feed_replay.scratch_database(*urls) as (owner_url, app_url, _):
        owner = await asyncpg.connect(owner_url)
        try:
            user_ids = await _load(owner, past, moment, progress)
        finally:
            await owner.close()
        database = Database(app_url, largest=1)
        await database.connect()
        try:
            yield {"ranked": _RankedFeed(database, user_ids, moment).order}
        finally:
            await database.close()


async def _load(owner: Connection, past: FeedLog, moment: datetime, progress: Progress) -> list[int]:
    """Returns the ids of the users, by their number."""
    user_ids = [id_at(at, number) for number, at in enumerate(past.people.joined_at.tolist())]
    post_ids = [id_at(at, number) for number, at in enumerate(past.posts.at.tolist())]
    tags = [[_tag(number)] if number >= 0 else [] for number in past.posts.hashtag.tolist()]
    done = {action: _firsts(past, action) for action in Action}
    follows = list(_rows(*past.follows))
    rows: dict[str, feed_replay.Rows] = {
        "users": (
            (user_id, f"u{number}", f"u{number}", _time(at))
            for number, (user_id, at) in enumerate(zip(user_ids, past.people.joined_at.tolist(), strict=True))
        ),
        "follows": (
            (id_at(at, number), user_ids[one], user_ids[other], "active", _time(at))
            for number, (one, other, at) in enumerate(follows)
        ),
        "posts": _posts(past, post_ids, user_ids, tags, done),
        "reactions": (
            ("post", post_ids[post], user_ids[person], "like", id_at(at, number))
            for number, (person, post, at, _) in enumerate(done[Action.REACTION])
        ),
        "comments": (
            (id_at(at, number), post_ids[post], [id_at(at, number)], 0, user_ids[person], "تمام")
            for number, (person, post, at, _) in enumerate(done[Action.COMMENT])
        ),
        "saves": (
            (id_at(at, number), user_ids[person], post_ids[post])
            for number, (person, post, at, _) in enumerate(done[Action.SAVE])
        ),
        "views": ((post_ids[post], user_ids[person], _time(at).date()) for person, post, at, _ in done[Action.VIEW]),
        "affinity_changes": chain(
            ((user_ids[a], "user", user_ids[b], "follow", 1, False, _time(at)) for a, b, at in follows),
            (
                (user_ids[person], "user", user_ids[past.posts.author[post]], "visit", 1, False, _time(at))
                for person, post, at, _ in done[Action.VISIT]
            ),
            (
                (user_ids[person], "post", post_ids[post], kind, dwell or 1, kind == "view", _time(at))
                for action, kind in _NOTED.items()
                for person, post, at, dwell in done[action]
            ),
        ),
        "feed_hides": (
            (user_ids[person], post_ids[post], user_ids[past.posts.author[post]], "not_interested",
             [f"#{tag}" for tag in tags[post]], _time(at))
            for person, post, at, _ in done[Action.HIDE]
        ),
    }  # fmt: skip
    await feed_replay.insert_past(owner, rows, large_from=LARGE_FROM)
    await feed_replay.stop_clock(owner, moment)
    await feed_replay.learn(owner, lambda part: progress("learning from the past", part))
    return user_ids


def _posts(
    past: FeedLog,
    post_ids: list[int],
    user_ids: list[int],
    tags: list[list[str]],
    done: dict[Action, list[tuple[int, ...]]],
) -> Iterator[tuple[object, ...]]:
    counts = {
        action: np.bincount(np.array([act[1] for act in acts], np.int64), minlength=len(post_ids)).tolist()
        for action, acts in done.items()
    }
    for number, author in enumerate(past.posts.author.tolist()):
        likes = counts[Action.REACTION][number]
        hashtags = [f"#{tag}" for tag in tags[number]]
        yield (
            post_ids[number], user_ids[author], " ".join(hashtags) or "…", "public", "everyone", tags[number], hashtags,
            f'{{"like": {likes}}}' if likes else "{}", counts[Action.COMMENT][number], counts[Action.SHARE][number],
            counts[Action.SAVE][number], counts[Action.VIEW][number],
        )  # fmt: skip


def _tag(number: int) -> str:
    return TAGS[number] if number < len(TAGS) else f"tag{number}"


def _firsts(past: FeedLog, action: Action) -> list[tuple[int, ...]]:
    """person, post, time and dwell of each person's first such act on each post, in order of time."""
    acts = past.acts
    did = np.flatnonzero(acts.action == action)
    _, first = np.unique(acts.person[did] * len(past.posts.at) + acts.post[did], return_index=True)
    kept = did[np.sort(first)]
    return list(_rows(acts.person[kept], acts.post[kept], acts.at[kept], acts.dwell_ms[kept]))


def _rows(*columns: "NDArray[np.generic]") -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)
