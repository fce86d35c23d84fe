"""Ranks what a search engine found, of what the viewer may see: at most a few hundred documents.

Each signal is in 0…1. The text counts most: if two differ clearly, as an exact match and one by sound do, no age
outweighs that. Of equally good texts, the fresher and the socially closer come first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import log2

from language.analysis import fold, similarity
from protocol.live_rooms import RoomState
from storage.search import BEGINNING, FoundPostRow, FoundRoomRow, FoundUserRow
from storage.search_engine import Found
from storage.snowflakes import minted_at

LOOSE = 0.2  # times the text score: of documents with one of two words, which are asked for if few have both
MOST_COMPARED = 40  # texts that are compared letter by letter, the best by all other signals
HAS_ALL_WORDS = 0.95  # similarity, at least, of a longer text than is compared, in which the engine found them
HALF_LIFE_DAYS = 14.0
BUSY = 10.0  # log2 of an engagement that counts fully
FAMOUS = 20.0  # log2 of a number of followers that counts fully

_FIRST: Sequence[RoomState] = ("live", "scheduled", "ended")

_IS_ASKED_FOR = 3.0  # more than all signals together

Scored = tuple[float, int]  # score and id


def rank_posts(
    q: str, found: Sequence[Found], rows: Sequence[FoundPostRow], viewer_id: int, now: datetime
) -> list[Scored]:
    """Best first."""
    text_scores = {each.id: each.text_score for each in found}
    merits = []
    for row in rows:
        near = 1.0 if row["author_id"] == viewer_id else row["affinity"]
        merit = (
            0.20 * text_scores[row["id"]]
            + 0.07 * freshness(minted_at(row["id"]), now)
            + 0.06 * near
            + 0.02 * min(log2(row["engagement"] + 1) / BUSY, 1.0)
        )
        merits.append((merit, row["id"], row["text"]))
    # Until texts are compared, their scores stand for that.
    merits.sort(key=lambda each: (each[0] + 0.65 * text_scores[each[1]], each[1]), reverse=True)
    compared = []
    for merit, post_id, text in merits[:MOST_COMPARED]:
        is_known = text_scores[post_id] == 1.0 and len(text) == BEGINNING
        alike = max(similarity(q, text), HAS_ALL_WORDS if is_known else 0.0)
        compared.append((merit + 0.65 * alike, post_id))
    return sorted(compared, reverse=True) + [(merit, post_id) for merit, post_id, _ in merits[MOST_COMPARED:]]


def rank_users(q: str, found: Sequence[Found], rows: Sequence[FoundUserRow]) -> list[Scored]:
    """Best first. A user whose username is the query comes before all others."""
    text_scores: Mapping[int, float] = {each.id: each.text_score for each in found}
    merits = sorted(
        (
            (
                0.15 * text_scores[row["id"]]
                + 0.20 * row["affinity"]
                + 0.15 * min(log2(row["follower_count"] + 1) / FAMOUS, 1.0),
                row["id"],
                row,
            )
            for row in rows
        ),
        key=lambda merit: merit[:2],
        reverse=True,
    )
    asked = username_in(q)
    scored = []
    for place, (merit, user_id, row) in enumerate(merits):
        alike = 0.0
        if row["username"].lower() == asked:
            alike = _IS_ASKED_FOR
        elif place < MOST_COMPARED:
            alike = max(similarity(q, row["display_name"]), similarity(q, row["username"]))
        scored.append((merit + 0.5 * alike, user_id))
    return sorted(scored, reverse=True)


def username_in(q: str) -> str:
    """The username that a query may be."""
    return fold(q).lstrip("@")


def rank_rooms(q: str, found: Sequence[Found], rows: Sequence[FoundRoomRow], now: datetime) -> list[Scored]:
    """Live rooms first, then scheduled ones; in each group, the best first."""
    text_scores = {each.id: each.text_score for each in found}
    states = {row["id"]: _FIRST.index(row["state"]) for row in rows}
    scored = [
        (
            0.6 * text_scores[row["id"]]
            + 0.25 * (similarity(q, row["topic"]) if place < MOST_COMPARED else 0.0)
            + 0.15 * freshness(minted_at(row["id"]), now),
            row["id"],
        )
        for place, row in enumerate(rows)
    ]
    return sorted(scored, key=lambda each: (states[each[1]], -each[0]))


def rank_hashtags(q: str, found: Sequence[Found]) -> list[Scored]:
    """Best first. found: the most used first."""
    scored = [
        (
            0.3 * each.text_score
            + 0.2 * (1 - place / max(len(found), 1))
            + 0.5 * (similarity(q, each.title) if place < MOST_COMPARED else 0.0),
            each.id,
        )
        for place, each in enumerate(found)
    ]
    return sorted(scored, reverse=True)


def freshness(made_at: datetime, now: datetime) -> float:
    """1 now, a half after HALF_LIFE_DAYS, a third after twice that: old posts are still worth finding."""
    return 1 / (1 + max((now - made_at).total_seconds(), 0.0) / 86_400 / HALF_LIFE_DAYS)
