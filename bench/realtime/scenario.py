"""Types of a scenario: its figures, its contenders, and the function that measures one contender once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.realtime.contenders import Contender
from bench.realtime.stage import Sizes, Stage

Values: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """One measured quantity. ratio: peers are compared by it; more: more is better; asked: its target."""

    key: str
    what: str
    unit: str
    more: bool = False
    ratio: bool = True
    asked: str = ""


@dataclass(frozen=True)
class Scenario:
    """A scenario. Nodes, workers and publisher are started anew for each contender in each round.

    against: the x axis of its charts, for figures that are measured at several sizes, under keys that `at` makes.
    """

    name: str
    title: str
    figures: Sequence[Figure]
    contenders: Sequence[type[Contender]]
    measure: Callable[[Stage], Awaitable[Values]]
    nodes: int = 1
    room_size: Callable[[Sizes], int] = lambda sizes: 1
    publishes: bool = False
    works: bool = False
    section: Literal["peers", "rooms"] = "peers"
    against: str = ""


def at(key: str, size: int) -> str:
    return f"{key}@{size}"


def quantile(samples: Sequence[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
