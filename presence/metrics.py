"""Presence and typing as operators see them."""

from prometheus_client import Counter, Gauge

ONLINE = Gauge("daira_presence_people", "People with a socket on this node", multiprocess_mode="livesum")
UNSAID = Gauge(
    "daira_presence_unsaid",
    "People of whom others could not be told yet how they are",
    multiprocess_mode="livesum",
)
CHANGES = Counter("daira_presence_changes_total", "Changes of presence", ["told"])
TYPING = Gauge("daira_typing", "People typing on this node", multiprocess_mode="livesum")
