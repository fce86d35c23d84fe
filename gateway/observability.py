"""Logs and metrics of the gateway. Labels have few values: methods, codes, kinds; never users or rooms."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram

from tracing import faults, traces

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

CALL_SECONDS = Histogram("daira_call_seconds", "Time to answer calls", ["method"], buckets=_LATENCY)
CALLS_REFUSED = Counter("daira_calls_refused_total", "Calls answered with an error", ["method", "code"])
OVER_BUDGET = Counter(
    "daira_calls_over_budget_total", "Calls refused because their user is over a limit of their budget", ["limit"]
)
CALLS_SHED = Counter(
    "daira_calls_shed_total", "Calls and handshakes refused because the node is overloaded, by class", ["class"]
)
SHED_SHARE = Gauge(
    "daira_calls_shed_share", "The share of calls that the node refuses because it is overloaded",
    multiprocess_mode="livemax",
)  # fmt: skip
CONNECTIONS = Gauge("daira_connections", "Sockets connected", ["codec"], multiprocess_mode="livesum")
SIGNED_IN = Gauge("daira_signed_in_sockets", "Sockets with a signed-in user", multiprocess_mode="livesum")
REFUSED = Counter("daira_handshakes_refused_total", "Handshakes refused", ["reason"])
OUTBOUND_BYTES = Gauge(
    "daira_outbound_bytes", "Bytes written to sockets and not yet taken by the network", multiprocess_mode="livesum"
)
LOOP_LAG = Histogram(
    "daira_event_loop_lag_seconds",
    "Delay of the event loop's timers",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

DEPENDENCY_UP = Gauge(
    "daira_dependency_up", "1 if the dependency answers", ["dependency"], multiprocess_mode="mostrecent"
)
DEPENDENCY_SECONDS = Gauge(
    "daira_dependency_seconds", "Time the dependency took to answer", ["dependency"], multiprocess_mode="mostrecent"
)
OUTBOX_UNSENT = Gauge(
    "daira_outbox_unsent", "Events waiting in the outbox (counted to 100,000)", multiprocess_mode="mostrecent"
)
OUTBOX_AGE = Gauge(
    "daira_outbox_oldest_seconds", "Age of the oldest event waiting in the outbox", multiprocess_mode="mostrecent"
)
COUNTS_UNFOLDED = Gauge(
    "daira_counts_unfolded", "Changes of counts waiting to be folded (counted to 100,000)",
    multiprocess_mode="mostrecent",
)  # fmt: skip
COUNTS_AGE = Gauge(
    "daira_counts_oldest_seconds", "Age of the oldest change waiting to be folded", multiprocess_mode="mostrecent"
)
MEDIA_WAITING = Gauge(
    "daira_media_waiting", "Files that wait or are processed (counted to 100,000)", ["lane"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
MEDIA_AGE = Gauge(
    "daira_media_oldest_seconds", "For how long the oldest of these files has been due", ["lane"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
ERASURES_DUE = Gauge(
    "daira_erasures_due", "Accounts whose grace period is over and that are not erased yet",
    multiprocess_mode="mostrecent",
)  # fmt: skip
ERASURES_AGE = Gauge(
    "daira_erasures_oldest_seconds", "How long ago the oldest of them was due", multiprocess_mode="mostrecent"
)
EXPORTS_AGE = Gauge(
    "daira_exports_oldest_seconds", "For how long the oldest export of an account has waited",
    multiprocess_mode="mostrecent",
)  # fmt: skip
AUDIT_AGE = Gauge(
    "daira_audit_oldest_seconds", "For how long the oldest audit row has waited to be sealed",
    multiprocess_mode="mostrecent",
)  # fmt: skip
LOG_LAG = Gauge(
    "daira_event_log_lag", "Events that a group has not handled yet", ["group", "topic"], multiprocess_mode="mostrecent"
)
DEAD_LETTERS = Gauge("daira_dead_letters", "Events that a worker group gave up on", multiprocess_mode="mostrecent")
REDIS_MEMORY = Gauge(
    "daira_redis_memory_ratio",
    "Part of its memory that Redis uses; at 1 it refuses writes",
    ["dependency"],
    multiprocess_mode="mostrecent",
)
OPENSEARCH_HEALTH = Gauge(
    "daira_opensearch_health", "Of the search index: 0 whole, 1 copies are missing, 2 documents are missing",
    multiprocess_mode="mostrecent",
)  # fmt: skip
POSTGRES_POOL = Gauge(
    "daira_postgres_connections", "Connections to PostgreSQL", ["role", "state"], multiprocess_mode="livesum"
)
REDIS_POOL = Gauge("daira_redis_connections", "Connections to Redis", ["state"], multiprocess_mode="livesum")


def logs_every_call() -> bool:
    return bool(structlog.get_logger().is_enabled_for(logging.DEBUG))


def configure_logs(level: str, log_format: str) -> None:
    """Write JSON lines, or coloured text, to standard error; warnings of libraries as well."""
    shared: list[Any] = [
        _add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _report_fault,
    ]
    stream = sys.__stderr__ or sys.stderr
    number = getattr(logging, level.upper())
    if log_format == "json":
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(serializer=_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(number),
            logger_factory=structlog.BytesLoggerFactory(stream.buffer),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(colors=stream.isatty())],
            wrapper_class=structlog.make_filtering_bound_logger(number),
            logger_factory=structlog.PrintLoggerFactory(stream),
            cache_logger_on_first_use=True,
        )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    # Its tries to connect would fill the log ten times a second; those who use it log what fails.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _add_trace_id(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the trace of the work that logs: of a call, or of a reaction."""
    trace = traces.current()
    if trace is not None:
        line.setdefault("trace_id", trace.hex)
    return line


def _report_fault(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if method in ("error", "critical"):
        faults.report(line)
    return line


class _Bridge(logging.Handler):
    """Standard logging, as the libraries use it, in our format."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(library=record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)


def _json(event: object, **options: object) -> bytes:
    return orjson.dumps(event, default=str)
