"""The ranked feed as a contender: the product's own queries and formula, on a scratch database of the past."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain import ranking
from domain.audience import LARGE_FROM
from domain.post_text import hashtags, topics
from evaluation.feed_baselines import Order, Progress
from evaluation.feed_judgements import require_past
from evaluation.feed_log import Action, FeedLog, Ints
from storage import feed_ranking, feed_replay, posts, schema
from storage.candidates import BEYOND, Candidacy, Source, beyond_inbox
from storage.database import Database, Transaction
from storage.feed_replay import id_at, number_of
from storage.feeds import LONGEST, LONGEST_READING
from storage.recommendations import OF_EACH_SOURCE
from storage.seeding import Connection
from workers import embeddings

_NOTED = {
    Action.REACTION: "reaction", Action.COMMENT: "comment", Action.SAVE: "save", Action.SHARE: "share",
    Action.VIEW: "view",
}  # fmt: skip


class _Candidates(NamedTuple):
    """inbox: post ids."""

    inbox: list[int]
    recommended: list[Candidacy]


class _RankedFeed:
    """Orders posts as `feed.get` does in ranked mode."""

    def __init__(self, owner: Connection, app: Database, user_ids: list[int], moment: datetime) -> None:
        self._owner, self._app, self._user_ids, self._moment = owner, app, user_ids, moment
        self._left_out: str | None = None
        self._candidates: dict[int, _Candidates] = {}

    def without(self, term: str | None = None, sources: Collection[Source] = ()) -> Order:
        """Without a term of the score, and without sources of recommendations."""

        async def order(person: int, catalogue: Ints) -> Ints:
            if self._left_out != term:
                await feed_replay.leave_out(self._owner, term)
                self._left_out = term
            async with self._app.transaction(self._user_ids[person]) as tx:
                if person not in self._candidates:
                    self._candidates[person] = await self._find(tx, person)
                inbox, found = self._candidates[person]
                found = [each for each in found if each.source not in sources]
                recommended = [each.post_id for each in found]
                ranked = await feed_ranking.rank(tx, inbox, recommended, LONGEST_READING, self._moment, False)
            explored = [each.post_id for each in found if each.source == "exploration"]
            return np.array([number_of(post_id) for post_id, _ in ranking.mix(ranked, explored)], np.int64)

        return order

    async def _find(self, tx: Transaction, person: int) -> _Candidates:
        await feed_replay.draw_as(tx, person)
        found = await beyond_inbox(tx, self._user_ids[person], OF_EACH_SOURCE, is_patient=True)
        return _Candidates(await posts.feed_ids(tx, LONGEST), found)

    def ablations(self) -> dict[str, Order]:
        return {
            **{f"without {term}": self.without(term) for term in feed_replay.TERMS},
            **{f"without {source}": self.without(sources=[source]) for source in BEYOND},
            "without recommendations": self.without(sources=BEYOND),
        }


@asynccontextmanager
async def ranked_feeds(
    urls: tuple[str, str, str],
    past: FeedLog,
    text_of: Callable[[int], str],
    moment_ms: int,
    progress: Progress,
    *,
    ablations: bool,
    vectors: bool,
) -> AsyncIterator[dict[str, Order]]:
    """Load the past into a scratch database beside those of the URLs. Yields the ranked feed; with `ablations`,
    also without each of its terms and sources. vectors: learn embeddings, which needs the extra `learning`.

    urls: for the owner, the app and the worker. text_of: of a post. Raises FutureLeaked.
    """
    require_past(past, moment_ms)
    moment = datetime.fromtimestamp(moment_ms / 1_000, UTC)
    async with AsyncExitStack() as closing:
        owner_url, app_url, worker_url = await closing.enter_async_context(feed_replay.scratch_database(*urls))
        owner = await schema.connect(owner_url)
        closing.push_async_callback(owner.close)
        app, worker = Database(app_url, largest=1), Database(worker_url, largest=1)
        for database in (app, worker):
            await database.connect()
            closing.push_async_callback(database.close)
        user_ids = await _load(owner, past, text_of, moment)
        await feed_replay.learn(owner, moment, lambda part: progress("folding acts", part))
        if vectors:
            await embeddings.learn(worker, progress, moment)
        feed = _RankedFeed(owner, app, user_ids, moment)
        yield {"ranked": feed.without(), **(feed.ablations() if ablations else {})}


async def _load(owner: Connection, past: FeedLog, text_of: Callable[[int], str], moment: datetime) -> list[int]:
    """Returns the ids of the users, by their number."""
    user_ids = [id_at(at, number) for number, at in enumerate(past.people.joined_at.tolist())]
    post_ids = [id_at(at, number) for number, at in enumerate(past.posts.at.tolist())]
    texts = [text_of(number) for number in range(len(post_ids))]
    known = {text: topics(text) for text in set(texts)}
    subjects = [known[text] for text in texts]
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
        "posts": _posts(past, post_ids, user_ids, texts, subjects, done),
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
             [topic for topic in subjects[post] if topic.startswith("#")] or subjects[post], _time(at))
            for person, post, at, _ in done[Action.HIDE]
        ),
    }  # fmt: skip
    await feed_replay.insert_past(owner, rows, large_from=LARGE_FROM)
    await feed_replay.stop_clock(owner, moment)
    return user_ids


def _posts(
    past: FeedLog,
    post_ids: list[int],
    user_ids: list[int],
    texts: list[str],
    subjects: list[list[str]],
    done: dict[Action, list[tuple[int, ...]]],
) -> Iterator[tuple[object, ...]]:
    counts = {
        action: np.bincount(np.array([act[1] for act in acts], np.int64), minlength=len(post_ids)).tolist()
        for action, acts in done.items()
    }
    for number, author in enumerate(past.posts.author.tolist()):
        likes = counts[Action.REACTION][number]
        yield (
            post_ids[number], user_ids[author], texts[number], "public", "everyone", hashtags(texts[number]),
            subjects[number], f'{{"like": {likes}}}' if likes else "{}", counts[Action.COMMENT][number],
            counts[Action.SHARE][number], counts[Action.SAVE][number], counts[Action.VIEW][number],
        )  # fmt: skip


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
