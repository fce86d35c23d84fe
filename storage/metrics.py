"""Metrics of how users share PostgreSQL."""

from prometheus_client import Gauge, Histogram

HEAVY = Gauge(
    "daira_heavy_users", "Users whose calls run one at a time, with rests between", multiprocess_mode="livesum"
)
POOL_WAIT = Histogram(
    "daira_postgres_wait_seconds",
    "Time that work waited for a connection to PostgreSQL; what need not wait is not counted",
    ["whose"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2),
)
