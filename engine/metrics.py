"""The engine's metrics."""

from prometheus_client import Counter, Gauge

CLOSED = Counter(
    "daira_sockets_closed_total", "Sockets that this node closed, by `engine/close_reasons.py`", ["reason"]
)
DROPPED = Counter("daira_frames_dropped_total", "Ephemeral frames that a slow reader was not sent")
CONFLATED = Counter("daira_frames_conflated_total", "Frames that a newer one of their key replaced for a slow reader")
BEHIND = Gauge("daira_sockets_behind", "Sockets whose readers are behind", multiprocess_mode="livesum")
CUT_OFF = Counter("daira_http_cut_off_total", "HTTP connections closed because the client had stalled")
UNREADABLE = Counter("daira_http_unreadable_total", "Invalid HTTP requests")
