"""Metrics of other processes, read over their sidecars: what gauges are, and by how much counters rise in a second."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 5.0  # a node waits for a silent server for 2 s
LARGEST = 8 * 1024 * 1024
AT_ONCE = 20

Labels = tuple[tuple[str, str], ...]
Values = dict[tuple[str, Labels], float]  # by the name of a sample and its labels


class Scrape(NamedTuple):
    at: float
    gauges: Values
    counters: Values  # and what histograms count


class Window:
    """What some processes did between two scrapes."""

    def __init__(self, gauges: Mapping[tuple[str, Labels], float], rates: Mapping[tuple[str, Labels], float]) -> None:
        self._gauges = _by_name(gauges)
        self._rates = _by_name(rates)

    @classmethod
    def between(cls, before: Scrape, after: Scrape) -> "Window":
        """A counter that is lower than before has begun again at 0."""
        seconds = max(after.at - before.at, 0.001)
        rates = {}
        for key, value in after.counters.items():
            earlier = before.counters.get(key, 0.0)
            rates[key] = (value - earlier if value >= earlier else value) / seconds
        return cls(after.gauges, rates)

    @classmethod
    def together(cls, windows: Iterable["Window"]) -> "Window":
        """All their rates and gauges added up."""
        gauges: Values = defaultdict(float)
        rates: Values = defaultdict(float)
        for window in windows:
            for sums, parts in ((gauges, window._gauges), (rates, window._rates)):
                for name, values in parts.items():
                    for labels, value in values.items():
                        sums[name, labels] += value
        return cls(gauges, rates)

    def gauge(self, name: str) -> float:
        """The sum over all labels."""
        return sum(self._gauges.get(name, {}).values(), 0.0)

    def gauges(self, name: str, label: str) -> dict[str, float]:
        return _summed(self._gauges.get(name, {}), label)

    def rate(self, name: str) -> float:
        """The sum over all labels."""
        return sum(self._rates.get(name, {}).values(), 0.0)

    def rates(self, name: str, label: str) -> dict[str, float]:
        return _summed(self._rates.get(name, {}), label)

    def quantile(self, histogram: str, part: float) -> float | None:
        """Where that part of all observations ends, as Prometheus guesses it. None without observations."""
        return self.quantiles(histogram, part, "").get("")

    def quantiles(self, histogram: str, part: float, label: str) -> dict[str, float]:
        """The same for each value of the label that has observations."""
        found: defaultdict[str, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
        for labels, value in self._rates.get(f"{histogram}_bucket", {}).items():
            named = dict(labels)
            found[named.get(label, "")][float(named["le"])] += value
        ends = {value: _quantile(sorted(buckets.items()), part) for value, buckets in found.items()}
        return {value: end for value, end in ends.items() if end is not None}


async def scrape_all(session: aiohttp.ClientSession, urls: Iterable[str]) -> dict[str, Scrape | None]:
    """Read all sidecars at once. None for those that do not answer."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def scrape(url: str) -> tuple[str, Scrape | None]:
        try:
            async with turn, asyncio.timeout(TIMEOUT_S), session.get(f"{url}/metrics") as response:
                response.raise_for_status()
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > LARGEST:
                        return url, None
                return url, parse(body.decode())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return url, None

    return dict(await asyncio.gather(*(scrape(url) for url in urls)))


def parse(text: str) -> Scrape:
    """Raises ValueError if these are no metrics."""
    gauges: Values = {}
    counters: Values = {}
    for family in text_string_to_metric_families(text):
        kept = gauges if family.type == "gauge" else counters
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                kept[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return Scrape(time.monotonic(), gauges, counters)


def _by_name(values: Mapping[tuple[str, Labels], float]) -> dict[str, dict[Labels, float]]:
    found: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    for (name, labels), value in values.items():
        found[name][labels] = value
    return dict(found)


def _summed(values: Mapping[Labels, float], label: str) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for labels, value in values.items():
        sums[dict(labels).get(label, "")] += value
    return dict(sums)


def _quantile(buckets: list[tuple[float, float]], part: float) -> float | None:
    """buckets: (upper bound, observations up to it), in order; the last bound is infinite."""
    if not buckets or buckets[-1][1] <= 0:
        return None
    wanted = part * buckets[-1][1]
    below = at = 0.0
    for bound, count in buckets:
        if count >= wanted:
            if bound == float("inf"):
                return at
            return at + (bound - at) * (wanted - below) / (count - below) if count > below else bound
        below, at = count, bound
    return at
