"""Presence and typing as operators see them."""

from prometheus_client import Counter, Gauge

ONLINE = Gauge("daira_presence_users", "Users with a socket on this node", multiprocess_mode="livesum")
UNSAID = Gauge(
    "daira_presence_unsaid",
    "Users whose presence others could not be told yet",
    multiprocess_mode="livesum",
)
CHANGES = Counter("daira_presence_changes_total", "Changes of presence", ["told"])
TYPING = Gauge("daira_typing", "Users typing on this node", multiprocess_mode="livesum")
