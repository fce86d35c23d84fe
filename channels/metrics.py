"""What happens to pushes on this node."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter("daira_pushes_total", "Pushes delivered to sockets", ["event"])
WRITES = Counter(
    "daira_push_writes_total", "Writes that pushes took: pushes by these is the factor by which they are gathered"
)
GATHERED = Counter("daira_pushes_gathered_total", "Pushes that shared their write with others")
BUS_LAG = Histogram(
    "daira_bus_lag_seconds",
    "Time from publishing to delivery, by the clocks of Redis and this node",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
GAPS = Counter("daira_bus_gaps_total", "Times this node began or began again to listen to Redis", ["outcome"])
RECOVERIES = Counter("daira_recoveries_total", "Clients that came back to be recovered", ["outcome"])
REPLAYED = Counter("daira_pushes_replayed_total", "Pushes replayed to who had missed them")
CHANNELS = Gauge("daira_channels", "Channels with members on this node", multiprocess_mode="livesum")
