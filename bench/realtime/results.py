"""The measured values of all rounds, stored beside docs/benchmarks.md."""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench.realtime.scenario import Figure, Scenario, Values, at


class Measured(NamedTuple):
    """Median, minimum and maximum over the rounds."""

    middle: float
    least: float
    most: float


class Results(msgspec.Struct):
    """`values`: scenario → contender → figure → one value a round. `where` is the newest run's machine."""

    where: str = ""
    values: dict[str, dict[str, dict[str, list[float]]]] = msgspec.field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Results":
        return msgspec.json.decode(path.read_bytes(), type=cls) if path.exists() else cls()

    def write(self, path: Path) -> None:
        rounded = msgspec.json.format(msgspec.json.encode(self), indent=1)
        path.write_bytes(rounded + b"\n")

    def begin(self, scenario: Scenario) -> None:
        """Remove the values of earlier runs: contenders are compared only within one run."""
        self.values[scenario.name] = {}

    def add(self, scenario: Scenario, contender: str, values: Values) -> None:
        figures = self.values[scenario.name].setdefault(contender, {})
        for key, value in values.items():
            figures.setdefault(key, []).append(float(f"{value:.5g}"))

    def of(self, scenario: Scenario, contender: str, figure: Figure) -> Measured | None:
        rounds = self.values.get(scenario.name, {}).get(contender, {}).get(figure.key)
        return Measured(median(rounds), min(rounds), max(rounds)) if rounds else None

    def curve(self, scenario: Scenario, contender: str, figure: Figure) -> dict[int, Measured]:
        """Return the figure by size, smallest first."""
        keys = self.values.get(scenario.name, {}).get(contender, {})
        sizes = sorted(
            int(size) for key, _, size in (each.partition("@") for each in keys) if key == figure.key and size
        )
        found = {size: self.of(scenario, contender, replace(figure, key=at(figure.key, size))) for size in sizes}
        return {size: measured for size, measured in found.items() if measured}

    def lead(self, scenario: Scenario, contender: str, figure: Figure) -> float | None:
        """Return how many times better DAIRA is than the contender; below 1 it is worse."""
        ours, theirs = self.of(scenario, "ours", figure), self.of(scenario, contender, figure)
        if not figure.ratio or not ours or not theirs or min(ours.middle, theirs.middle) <= 0:
            return None
        return ours.middle / theirs.middle if figure.more else theirs.middle / ours.middle


def show(value: float) -> str:
    """Format a value with at most three digits: more would be noise."""
    if value >= 10_000:
        return f"{value / 1_000:,.0f} k"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def show_lead(lead: float) -> str:
    return f"{lead:.0f} ×" if lead >= 10 else f"{lead:.1f} ×" if lead >= 1 else f"{lead:.2f} ×"
