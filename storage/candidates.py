"""Candidates for ranked feeds from beyond the inbox: public posts of users whom the viewer does not follow.

All sources are asked in one query. A source that fails, or takes longer than its budget, is left out for a while, so
that a feed never depends on it.
"""

import time
from typing import Literal, NamedTuple

import structlog
from prometheus_client import Counter

from storage.database import Transaction

Source = Literal["follow", "mention", "second_degree", "trend", "similar", "exploration"]

BEYOND: tuple[Source, ...] = ("second_degree", "trend", "similar", "exploration")
SOURCE_BUDGET_MS = 30.0
BUDGET_MS = 60.0  # of all sources: those that come later are left out
PATIENT_MS = 60_000.0
REST_S = 30.0

LEFT_OUT = Counter(
    "daira_candidate_sources_left_out_total",
    "Ranked feeds without one of their sources, because it `failed`, was `slow`, or rests after that",
    ["source", "cause"],
)

log = structlog.get_logger()


class Candidacy(NamedTuple):
    """propensity: the probability with which an exploration chose this post; None for other sources."""

    post_id: int
    source: Source
    propensity: float | None


class SourceFailed(Exception):
    """A source of candidates raised an error."""


class Resting:
    """The sources that this process leaves out, and until when."""

    def __init__(self) -> None:
        self._until: dict[Source, float] = {}

    def awake(self) -> list[Source]:
        now = time.monotonic()
        awake = [source for source in BEYOND if self._until.get(source, 0) <= now]
        for source in BEYOND:
            if source not in awake:
                LEFT_OUT.labels(source, "rests").inc()
        return awake

    def note(self, source: Source, took_ms: float, failure: str | None) -> None:
        """Let the source rest if it failed or was slow."""
        if failure is None and took_ms <= SOURCE_BUDGET_MS:
            return
        self._until[source] = time.monotonic() + REST_S
        LEFT_OUT.labels(source, "slow" if failure is None else "failed").inc()
        log.warning("a source of candidates rests", source=source, took_ms=round(took_ms), error=failure)


_resting = Resting()


async def beyond_inbox(tx: Transaction, viewer_id: int, amount: int, *, is_patient: bool = False) -> list[Candidacy]:
    """Posts that the viewer may be shown, at most `amount` of each source, the best first.

    A post that several sources have is of the first. tx: of the viewer. Whether the viewer has seen a post already is
    for `SeenPosts` to say.

    is_patient: ask all sources, however long they take, so that the result does not depend on how busy the machine is.
    Raises SourceFailed then.
    """
    sources = list(BEYOND) if is_patient else _resting.awake()
    budget_ms = PATIENT_MS if is_patient else BUDGET_MS
    rows = await tx.fetch("SELECT * FROM beyond_inbox($1, $2, $3)", sources, amount, budget_ms)
    found: dict[int, Candidacy] = {}
    for source, post_ids, propensity, took_ms, failure in rows:
        if not is_patient:
            _resting.note(source, took_ms, failure)
        elif failure is not None:
            raise SourceFailed(f"{source}: {failure}")
        for post_id in post_ids:
            found.setdefault(post_id, Candidacy(post_id, source, propensity))
    return list(found.values())


async def choose_to_explore(tx: Transaction) -> int:
    """Choose the posts that explorations are drawn from. Returns how many. For workers."""
    chosen: int = await tx.fetchval("SELECT choose_posts_to_explore()")
    return chosen
