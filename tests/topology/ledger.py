"""What users of the load saw: each call with its time and code, each acknowledged write, each push."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

# Besides the codes of answers: the socket was lost during a call, no answer came, or no node could be reached.
LOST, SILENT, AWAY = "connection lost", "no answer", "no connection"


class Outcome(NamedTuple):
    at: float  # when the call began, in seconds of the loop's clock
    kind: str
    code: str
    seconds: float
    user: str


class Write(NamedTuple):
    kind: str
    key: tuple[str, ...]  # the ids of what the answer acknowledged
    user: str
    at: float


@dataclass
class Ledger:
    """pushes: of each user, by push id. heard: for each user, what pushes told of, with the ids of these pushes."""

    outcomes: list[Outcome] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    reconnects: list[tuple[float, str]] = field(default_factory=list)
    pushes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    heard: dict[str, dict[tuple[str, ...], set[str]]] = field(default_factory=lambda: defaultdict(dict))
    told: list[tuple[float, str]] = field(default_factory=list)  # users who had to load anew

    def between(self, start: float, end: float, kind: str | None = None) -> list[Outcome]:
        return [each for each in self.outcomes if start <= each.at < end and kind in (None, each.kind)]

    def repeated(self) -> int:
        """Return how many pushes reached the same user again, with the same id: clients drop them."""
        return sum(count - 1 for pushes in self.pushes.values() for count in pushes.values())

    def twice(self) -> int:
        """Return how many things a user was told twice by pushes with different ids: clients cannot drop them."""
        return sum(len(ids) - 1 for things in self.heard.values() for ids in things.values())


def p95(seconds: list[float]) -> float:
    """Return the 95th percentile, 0 of none."""
    return sorted(seconds)[min(int(len(seconds) * 0.95), len(seconds) - 1)] if seconds else 0.0
