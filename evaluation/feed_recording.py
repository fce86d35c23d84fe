"""Makes the log of a real feed from the database and from recorded events. Ids become numbers, texts are left out."""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.feed_log import Action, Acts, FeedLog, Follows, Ints, People, Posts, Shown, ShownPosts
from storage.feed_recording import Recorded
from storage.snowflakes import EPOCH_MS, milliseconds


def record(found: Recorded, events: Iterable[str] = ()) -> FeedLog:
    """events: lines of `daira log tail post.engagement`, which say when and how long a post was viewed; the database
    knows only the day. Raises ValueError for a line that is none.
    """
    people = {user_id: number for number, (user_id, _) in enumerate(found.users)}
    posts = {post_id: number for number, (post_id, *_) in enumerate(found.posts)}
    tags: dict[str, int] = {}
    for *_, tag in found.posts:
        if tag is not None:
            tags.setdefault(tag.lower(), len(tags))
    dwells = _dwells(events)
    views = [(user_id, post_id, *dwells.get((user_id, post_id), (at, 0))) for user_id, post_id, at in found.views]
    acts = [(people[one], posts[post], at, Action.VIEW, dwell) for one, post, at, dwell in views if one in people]
    for action, done in (
        (Action.REACTION, found.reactions),
        (Action.COMMENT, found.comments),
        (Action.SAVE, found.saves),
        (Action.SHARE, found.shares),
        (Action.HIDE, found.hides),
    ):
        acts += [(people[one], posts[post], at, action, 0) for one, post, at in done if one in people]
    acts.sort(key=lambda act: act[2])
    follows = [
        (people[one], people[other], at) for one, other, at in found.follows if one in people and other in people
    ]
    return FeedLog(
        People(np.array([at for _, at in found.users], np.int64), np.zeros(len(people), bool)),
        Follows(*_columns(follows, 3)),
        Posts(
            np.array([people[author] for _, author, *_ in found.posts], np.int64),
            np.array([at for *_, at, _ in found.posts], np.int64),
            np.array([-1 if tag is None else tags[tag.lower()] for *_, tag in found.posts], np.int64),
        ),
        _exposures(found, people, posts, views),
        Acts(*_columns(acts, 5)),
    )


def _exposures(
    found: Recorded, people: dict[int, int], posts: dict[int, int], views: list[tuple[int, int, int, int]]
) -> ShownPosts:
    """Those that were logged, and a view for each other post that was seen; its place is not known and counts as 0."""
    logged = [row for row in found.exposures if row[0] in people]
    known = {(user_id, post_id) for user_id, post_id, *_ in logged}
    seen = [(user_id, post_id, at) for user_id, post_id, at, _ in views if user_id in people]
    rows = [
        (
            people[user_id],
            posts[post_id],
            at,
            place,
            Shown[source.upper()],
            np.nan if propensity is None else propensity,
        )
        for user_id, post_id, at, place, source, propensity in logged
    ]
    rows += [
        (people[user_id], posts[post_id], at, 0, Shown.FOLLOW, np.nan)
        for user_id, post_id, at in seen
        if (user_id, post_id) not in known
    ]
    rows.sort(key=lambda row: row[2])
    whole = _columns([row[:5] for row in rows], 5)
    return ShownPosts(whole[0], whole[1], whole[2], whole[3], whole[4], np.array([row[5] for row in rows], np.float64))


def _dwells(events: Iterable[str]) -> dict[tuple[int, int], tuple[int, int]]:
    """When each user first viewed each post, and for how long in all."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for line in filter(str.strip, events):
        _, event_id, _, payload = line.split(" ", 3)
        event = json.loads(payload)
        if event["action"] == "view":
            pair = (int(event["user_id"]), int(event["post_id"]))
            at, dwell = found.get(pair, (milliseconds(int(event_id)) + EPOCH_MS, 0))
            found[pair] = at, dwell + int(event["dwell_ms"])
    return found


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[Ints]:
    return list(np.array(rows, np.int64).reshape(-1, width).T)
