"""What a scenario is: figures, contenders, and a function that measures one contender once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.realtime.contenders import Contender
from bench.realtime.stage import Sizes, Stage

Values: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """`ratio`: whether peers are compared by it; `more`: whether more is better."""

    key: str
    what: str
    unit: str
    more: bool = False
    ratio: bool = True


@dataclass(frozen=True)
class Scenario:
    """Its nodes and publisher are started anew for each contender in each round."""

    name: str
    title: str
    figures: Sequence[Figure]
    contenders: Sequence[type[Contender]]
    measure: Callable[[Stage], Awaitable[Values]]
    nodes: int = 1
    room_size: Callable[[Sizes], int] = lambda sizes: 1
    publishes: bool = False


def quantile(samples: Sequence[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
