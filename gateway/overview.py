"""The snapshot that `daira top` shows of all nodes and workers, computed from their metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.scrapes import Scrape, Window

MOST_METHODS = 10
MOST_GROUPS = 10


@dataclass(frozen=True)
class Load:
    """The load of one process, or of all. Rates are per second. Times are in seconds, None if nothing was measured."""

    connections: int
    calls: float
    errors: float
    call_p95: float | None
    pushes: float
    push_p95: float | None
    loop_p95: float | None
    reactions: float


@dataclass(frozen=True)
class Process:
    """load: None if its sidecar does not answer, or has answered only once so far."""

    url: str
    kind: str  # node, worker, both, unknown
    load: Load | None
    down: list[str]  # dependencies that it cannot reach


@dataclass(frozen=True)
class MethodLoad:
    name: str
    calls: float
    errors: float
    p95: float


@dataclass(frozen=True)
class Backlog:
    """What waits between processes. All processes export the same values, and the largest is the newest."""

    outbox: int
    outbox_age: float
    lag: dict[str, int]  # by group, the longest first
    dead_letters: int
    counts_age: float
    media_age: float
    redis_memory: float


@dataclass(frozen=True)
class Overview:
    processes: list[Process]
    total: Load
    backlog: Backlog
    slowest: list[MethodLoad]


def snapshot(before: Mapping[str, Scrape | None], after: Mapping[str, Scrape | None]) -> Overview:
    """before, after: URL → scrape, or None where the sidecar did not answer."""
    windows = {}
    for url, scrape in after.items():
        earlier = before.get(url)
        if scrape is not None and earlier is not None:
            windows[url] = Window.between(earlier, scrape)
    total = Window.together(windows.values())
    return Overview(
        [_process(url, windows.get(url)) for url in after],
        _load(total),
        _backlog(list(windows.values())),
        _slowest(total),
    )


def _process(url: str, window: Window | None) -> Process:
    if window is None:
        return Process(url, "unknown", None, [])
    roles = window.gauges("daira_postgres_connections", "role")
    serves, works = "app" in roles, "worker" in roles
    kind = "both" if serves and works else "node" if serves else "worker"
    down = sorted(name for name, up in window.gauges("daira_dependency_up", "dependency").items() if not up)
    return Process(url, kind, _load(window), down)


def _load(window: Window) -> Load:
    return Load(
        round(window.gauge("daira_connections")),
        window.rate("daira_call_seconds_count"),
        window.rate("daira_calls_refused_total"),
        window.quantile("daira_call_seconds", 0.95),
        window.rate("daira_pushes_total"),
        window.quantile("daira_bus_lag_seconds", 0.95),
        window.quantile("daira_event_loop_lag_seconds", 0.95),
        window.rate("daira_reactions_total"),
    )


def _backlog(windows: list[Window]) -> Backlog:
    def largest(name: str, label: str = "") -> float:
        """The largest value of any process, and of any value of the label."""
        return max((value for window in windows for value in window.gauges(name, label).values()), default=0)

    lag: dict[str, int] = {}
    for window in windows:
        for group, records in window.gauges("daira_event_log_lag", "group").items():
            lag[group] = max(round(records), lag.get(group, 0))
    return Backlog(
        round(largest("daira_outbox_unsent")),
        largest("daira_outbox_oldest_seconds"),
        dict(sorted(lag.items(), key=lambda each: (-each[1], each[0]))[:MOST_GROUPS]),
        round(largest("daira_dead_letters")),
        largest("daira_counts_oldest_seconds"),
        largest("daira_media_oldest_seconds", "lane"),
        largest("daira_redis_memory_ratio", "dependency"),
    )


def _slowest(total: Window) -> list[MethodLoad]:
    calls = total.rates("daira_call_seconds_count", "method")
    errors = total.rates("daira_calls_refused_total", "method")
    p95 = total.quantiles("daira_call_seconds", 0.95, "method")
    slowest = sorted(p95, key=lambda name: (-p95[name], name))[:MOST_METHODS]
    return [MethodLoad(name, calls[name], errors.get(name, 0.0), p95[name]) for name in slowest]
