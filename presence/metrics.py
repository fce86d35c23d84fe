"""Metrics of presence and typing."""

from prometheus_client import Counter, Gauge

ONLINE = Gauge("daira_presence_users", "Users with a socket on this node", multiprocess_mode="livesum")
UNREPORTED = Gauge(
    "daira_presence_unreported",
    "Users whose presence could not be reported to Redis yet",
    multiprocess_mode="livesum",
)
CHANGES = Counter("daira_presence_changes_total", "Changes of presence", ["pushed"])
TYPING = Gauge("daira_typing", "Users typing on this node", multiprocess_mode="livesum")
