"""Metrics of how users share PostgreSQL, of its replica, of breakers and bulkheads, and of the object store."""

from prometheus_client import Counter, Gauge, Histogram

HEAVY = Gauge(
    "daira_heavy_users", "Users whose calls run one at a time, with rests between", multiprocess_mode="livesum"
)
POOL_WAIT = Histogram(
    "daira_postgres_wait_seconds",
    "Time that work waited for a connection to PostgreSQL; what need not wait is not counted",
    ["whose"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2),
)
OBJECT_SECONDS = Histogram(
    "daira_objects_seconds",
    "Time of requests to the object store that it answered",
    ["operation"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.5, 3),
)
OBJECT_FAILURES = Counter(
    "daira_objects_failures_total",
    "Requests to the object store that failed: it did not answer, refused, or was not asked because it is down (open)",
    ["operation", "cause"],
)
OBJECTS_UP = Gauge(
    "daira_objects_up",
    "Whether the object store answered this process last; 1 before the first request",
    multiprocess_mode="min",
)
OBJECTS_DELETED = Counter("daira_objects_deleted_total", "Objects that were deleted after their files")
BREAKER_OPEN = Gauge(
    "daira_breaker_open",
    "Whether requests to the dependency are refused because it does not answer",
    ["dependency"],
    multiprocess_mode="livemax",
)
BREAKER_OPENED = Counter("daira_breaker_opened_total", "Times that requests began to be refused", ["dependency"])
BREAKER_REFUSED = Counter(
    "daira_breaker_refused_total", "Requests that were refused because the dependency does not answer", ["dependency"]
)
BULKHEAD_REFUSED = Counter(
    "daira_bulkhead_refused_total",
    "Requests that were refused because too many others to the dependency run or wait",
    ["dependency"],
)
READS = Counter(
    "daira_replica_reads_total",
    "Reads that could use the replica, by where they ran: on the `replica`; or on the primary because the replica was "
    "`behind` or `down`, was `lost` during the read, or because the read `needed` the primary",
    ["where"],
)
REPLICA_LAG = Gauge(
    "daira_replica_lag_seconds", "Time since the replica was last as current as the primary", multiprocess_mode="max"
)
REPLICA_WAIT = Histogram(
    "daira_replica_wait_seconds",
    "Time that reads waited to know that the replica is current",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5),
)
SEARCH_SECONDS = Histogram(
    "daira_opensearch_seconds",
    "Time of requests to OpenSearch that it answered",
    ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2),
)
SEARCH_FAILURES = Counter(
    "daira_opensearch_failures_total",
    "Requests to OpenSearch that failed: it did not answer (unavailable), takes no more (busy), refused, too many "
    "others wait (full), or it was not asked because it is down (open)",
    ["operation", "cause"],
)
SEARCH_PARTIAL = Counter(
    "daira_opensearch_partial_total", "Searches that some shards did not answer in time, or at all"
)
SEARCH_ITEMS = Counter(
    "daira_opensearch_documents_total",
    "Documents sent to OpenSearch: written; old (a newer version is there); sent again (retried); or refused for good",
    ["outcome"],
)
