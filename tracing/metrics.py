"""Metrics of traces and reports."""

from prometheus_client import Counter

SPANS_SENT = Counter("daira_spans_sent_total", "Spans that the collector has taken")
SPANS_DROPPED = Counter(
    "daira_spans_dropped_total",
    "Spans lost: the queue was full, the trace too long, or the collector did not take them",
    ["reason"],
)
for _reason in ("queue", "trace", "collector"):
    SPANS_DROPPED.labels(_reason)  # present from the start, so that a rate sees the first
FAULTS_REPORTED = Counter(
    "daira_faults_reported_total", "Faults reported to Sentry, or not: too many a minute", ["outcome"]
)
