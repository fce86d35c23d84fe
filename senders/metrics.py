"""Metrics of what is sent to users who are offline."""

from prometheus_client import Counter, Histogram

SENT = Counter(
    "daira_sender_messages_total",
    "Messages to push services and mail servers; an outcome is accepted, dead_token, retry, rejected or not_configured",
    ["provider", "outcome"],
)
SECONDS = Histogram(
    "daira_sender_seconds",
    "Time until a provider answered, with the time that the message waited for its turn",
    ["provider"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
