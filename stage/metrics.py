"""Live rooms as operators see them."""

from prometheus_client import Counter, Gauge

INSIDE = Gauge("daira_room_seats", "People in live rooms on this node, once for each room", multiprocess_mode="livesum")
UNSAID = Gauge(
    "daira_room_unsaid",
    "Who has left a live room, or ended a turn on its stage, and could not be taken out yet",
    multiprocess_mode="livesum",
)
REACTIONS_DROPPED = Counter("daira_room_reactions_dropped_total", "Reactions that found no place to wait")
VOICE_REQUESTS = Counter("daira_voice_requests_total", "What LiveKit was asked and told", ["request", "outcome"])
