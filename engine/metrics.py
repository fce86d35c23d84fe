"""The engine's metrics."""

from prometheus_client import Counter, Gauge

CLOSED = Counter("daira_sockets_closed_total", "Sockets that the server closed", ["reason"])
DROPPED = Counter("daira_frames_dropped_total", "Ephemeral frames that were not sent to a slow reader")
CONFLATED = Counter(
    "daira_frames_conflated_total", "Frames to a slow reader that a newer frame of the same key replaced"
)
BEHIND = Gauge("daira_sockets_behind", "Sockets whose readers are behind", multiprocess_mode="livesum")
CUT_OFF = Counter("daira_http_cut_off_total", "HTTP connections closed because the client had stalled")
UNREADABLE = Counter("daira_http_unreadable_total", "Invalid HTTP requests")
