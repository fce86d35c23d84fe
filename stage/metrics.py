"""Metrics of live rooms."""

from prometheus_client import Counter, Gauge

INSIDE = Gauge("daira_room_seats", "Users in live rooms on this node, once for each room", multiprocess_mode="livesum")
UNREPORTED = Gauge(
    "daira_room_unreported",
    "Users who left a live room or its stage, which could not be reported to Redis or PostgreSQL yet",
    multiprocess_mode="livesum",
)
REACTIONS_DROPPED = Counter("daira_room_reactions_dropped_total", "Reactions dropped because too many kinds waited")
VOICE_REQUESTS = Counter("daira_voice_requests_total", "Requests to LiveKit", ["request", "outcome"])
