"""Makes the log of a real feed from the database and from recorded events. Ids become numbers, texts are left out."""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from evaluation.feed_log import Action, Acts, Exposures, FeedLog, Follows, Ints, People, Posts, Shown
from storage.feed_recording import Recorded
from storage.snowflakes import EPOCH_MS, milliseconds


def record(found: Recorded, events: Iterable[str] = ()) -> FeedLog:
    """events: lines of `daira log tail post.engagement`, which say when and how long a post was viewed; the database
    knows only the day. Raises ValueError for a line that is none.
    """
    people = {user_id: number for number, (user_id, _) in enumerate(found.users)}
    posts = {post_id: number for number, (post_id, *_) in enumerate(found.posts)}
    hashtags = sorted({tag for *_, tag in found.posts if tag is not None})
    tag_numbers = {tag: number for number, tag in enumerate(hashtags)}
    dwells = _dwells(events)
    views = [(user_id, post_id, *dwells.get((user_id, post_id), (at, 0))) for user_id, post_id, at in found.views]
    done: list[tuple[int, int, int, int, int]] = []
    for action, acts in (
        (Action.REACTION, found.reactions),
        (Action.COMMENT, found.comments),
        (Action.SAVE, found.saves),
        (Action.SHARE, found.shares),
    ):
        done += [(people[one], posts[post], at, action, 0) for one, post, at in acts if one in people]
    viewed = [(people[one], posts[post], at, Action.VIEW, dwell) for one, post, at, dwell in views if one in people]
    done += viewed
    columns = _columns(sorted(done, key=lambda act: act[2]), 5)
    shown = _columns(sorted(viewed, key=lambda act: act[2]), 5)
    none = np.full(len(shown[0]), np.nan)
    return FeedLog(
        People(np.array([at for _, at in found.users], np.int64), np.zeros(len(people), bool)),
        Follows(
            *_columns([(people[a], people[b], at) for a, b, at in found.follows if a in people and b in people], 3)
        ),
        Posts(
            np.array([people[author] for _, author, *_ in found.posts], np.int64),
            np.array([at for *_, at, _ in found.posts], np.int64),
            np.array([-1 if tag is None else tag_numbers[tag] for *_, tag in found.posts], np.int64),
        ),
        Exposures(shown[0], shown[1], shown[2], np.zeros_like(shown[0]), np.full_like(shown[0], Shown.FOLLOW), none),
        Acts(*columns),
    )


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
