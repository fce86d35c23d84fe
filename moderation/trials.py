"""Tries a rule on the texts of the last 24 hours, before it is enabled."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import cel

from moderation.features import Author, Publication, features
from moderation.rules import holds
from moderation.term_lists import TermMatcher
from protocol.moderation import Reason
from storage.rule_inputs import AuthorRow, TrialRow

MOST_EXAMINED = 20_000
MOST_SAMPLES = 20
LONGEST_S = 5.0
TOO_MANY = 0.01  # of the texts: a rule that hits more needs a confirmation
_FEWEST = 3  # hits that make it too many, of however few texts
_TURN_S = 0.005  # of the event loop at a time


class TrialText(NamedTuple):
    """similar_to_removed: only if the expression asks for it."""

    row: TrialRow
    similar_to_removed: Sequence[Reason] = ()


class TrialResult(NamedTuple):
    """hits and verified_hits are among those examined; samples: the newest of them."""

    examined: int
    hits: int
    verified_hits: int
    samples: Sequence[TrialRow]

    @property
    def are_too_many(self) -> bool:
        return self.hits >= _FEWEST and self.hits > TOO_MANY * self.examined


async def try_out(expression: str, matcher: TermMatcher, pages: AsyncIterator[Sequence[TrialText]]) -> TrialResult:
    """Try an expression on texts, until they end or 5 seconds have passed. Other work of the process goes on."""
    program = cel.compile(expression)
    ends_at = time.monotonic() + LONGEST_S
    turn_ends_at = time.monotonic() + _TURN_S
    examined = hits = verified = 0
    samples: list[TrialRow] = []
    async for page in pages:
        for text in page:
            examined += 1
            if holds(program, cel.Context(variables=features(draft_of(text), matcher))):
                hits += 1
                verified += text.row["is_verified"]
                samples = [*samples[1 - MOST_SAMPLES :], text.row]
            if time.monotonic() > turn_ends_at:
                await asyncio.sleep(0)
                turn_ends_at = time.monotonic() + _TURN_S
        if time.monotonic() > ends_at:
            break
    return TrialResult(examined, hits, verified, samples[::-1])


def author_of(row: AuthorRow) -> Author:
    return Author(
        row["age_s"], row["is_verified"], row["followers"], row["posts"], row["posts_1h"], row["comments_1h"],
        row["messages_1h"], row["follows_1h"],
    )  # fmt: skip


def draft_of(text: TrialText) -> Publication:
    row = text.row
    return Publication(
        row["surface"],
        [("text", row["text"])],
        author_of(row),
        media=row["media"],
        similar_to_removed=text.similar_to_removed,
        mentions=row["mentions"],
        hashtags=row["hashtags"],
        repeats=row["repeats"],
        own_repeats=row["own_repeats"],
    )
