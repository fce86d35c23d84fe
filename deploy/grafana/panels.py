"""The panels of the dashboards. `dashboards.py` writes them as Grafana reads them.

In queries, `{$}` stands for the chosen jobs and instances, and `[$]` for the window that Grafana finds right.
"""

from collections.abc import Mapping
from typing import NamedTuple

SECONDS, PER_S, BYTES, PART, COUNT = "s", "cps", "bytes", "percentunit", "short"  # Grafana's names of units


class Panel(NamedTuple):
    """queries: legend → expression. limits: where the value turns yellow, and red."""

    title: str
    description: str
    unit: str
    queries: Mapping[str, str]
    limits: tuple[float, float] | None = None
    is_stat: bool = False


def stat(title: str, description: str, unit: str, query: str, limits: tuple[float, float] | None = None) -> Panel:
    return Panel(title, description, unit, {"": query}, limits, is_stat=True)


def quantiles(metric: str, by: str = "", only: str = "") -> dict[str, str]:
    """The 95th percentile of a histogram by that label, or without one the 50th, 95th and 99th."""
    selected = f"{metric}_bucket{{$,{only}}}" if only else f"{metric}_bucket{{$}}"
    if by:
        return {f"{{{{{by}}}}}": f"histogram_quantile(0.95, sum by ({by}, le) (rate({selected}[$])))"}
    return {
        f"p{part}": f"histogram_quantile(0.{part}, sum by (le) (rate({selected}[$])))" for part in ("50", "95", "99")
    }


def rate(metric: str, by: str = "", only: str = "", legend: str = "") -> dict[str, str]:
    selected = f"{metric}{{$,{only}}}" if only else f"{metric}{{$}}"
    if by:
        return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({selected}[$]))"}
    return {legend: f"sum(rate({selected}[$]))"}


SLOWEST = "topk(10, histogram_quantile(0.95, sum by (method, le) (rate(daira_call_seconds_bucket{$}[$]))))"
ERRORS = 'code=~"INTERNAL|UNAVAILABLE|DEADLINE_EXCEEDED"'

DASHBOARDS: dict[str, list[Panel]] = {
    "Overview": [
        stat("Connections", "Sockets on all chosen nodes.", COUNT, "sum(daira_connections{$})"),
        stat("Calls", "Calls answered a second.", PER_S, "sum(rate(daira_call_seconds_count{$}[$]))"),
        stat("Failed calls", "Part of all calls that failed through no fault of their callers, in five minutes.", PART,
             "daira:call_errors:ratio5m", (0.005, 0.02)),
        stat("Slow calls", "One call in twenty takes longer, in five minutes.", SECONDS,
             "daira:call_seconds:p95_5m", (0.25, 0.5)),
        stat("Pushes", "Pushes delivered a second.", PER_S, "sum(rate(daira_pushes_total{$}[$]))"),
        stat("Late pushes", "One push in twenty reaches its node later, in five minutes.", SECONDS,
             "daira:bus_lag_seconds:p95_5m", (0.25, 0.5)),
        stat("Outbox", "Age of the oldest event that the event log does not have.", SECONDS,
             "max(daira_outbox_oldest_seconds)", (5, 30)),
        stat("Event log", "Events that the slowest group has not handled.", COUNT,
             "max(sum by (group, instance) (daira_event_log_lag))", (500, 1000)),
        stat("Dead letters", "Events whose reactions failed for good. See `daira dead-letters list`.", COUNT,
             "max(daira_dead_letters)", (1, 100)),
        stat("Processes up", "Nodes and workers that answer Prometheus.", COUNT, 'sum(up{job=~"$job"})'),
        stat("Dependencies up", "1 if every process reaches every server.", COUNT, "min(daira_dependency_up{$})"),
        stat("Database waits", "Transactions that wait for a connection, on average.", COUNT,
             "sum(rate(daira_postgres_wait_seconds_sum{$}[$]))", (1, 5)),
        Panel("Calls by outcome", "All calls answered, and those refused, by code. A rise of INTERNAL or UNAVAILABLE "
              "is ours.", PER_S, {**rate("daira_call_seconds_count", legend="all"),
              **rate("daira_calls_refused_total", "code")}),
        Panel("Time of calls", "From the arrival of a call to its answer.", SECONDS, quantiles("daira_call_seconds"),
              (0.25, 0.5)),
        Panel("Connections by node", "After a restart of a node, the others take over its connections.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_connections{$})"}),
    ],
    "Realtime": [
        Panel("Connections", "Sockets by codec, and those with a signed-in user.", COUNT,
              {"{{codec}}": "sum by (codec) (daira_connections{$})", "signed in": "sum(daira_signed_in_sockets{$})"}),
        Panel("Pushes by event", "Pushes delivered to sockets.", PER_S, rate("daira_pushes_total", "event")),
        Panel("Latency of pushes", "From publishing to delivery, by the clocks of Redis and the node.", SECONDS,
              quantiles("daira_bus_lag_seconds"), (0.25, 0.5)),
        Panel("Event loops", "95th percentile of how late each process's timers are. Above 0.1 s it is full.", SECONDS,
              quantiles("daira_event_loop_lag_seconds", "instance"), (0.05, 0.1)),
        Panel("Pushes a write", "Pushes that share one write to the network: more on a busy node.", COUNT,
              {"": "sum(rate(daira_pushes_total{$}[$])) / sum(rate(daira_push_writes_total{$}[$]))"}),
        Panel("Slow readers", "Sockets that read more slowly than pushes arrive.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_sockets_behind{$})"}),
        Panel("Held for readers", "Bytes written and not yet taken by the network.", BYTES,
              {"{{instance}}": "sum by (instance) (daira_outbound_bytes{$})"}),
        Panel("Pushes not sent", "Frames that were dropped or replaced for slow readers.", PER_S,
              {**rate("daira_frames_dropped_total", legend="dropped"),
               **rate("daira_frames_conflated_total", legend="replaced by newer")}),
        Panel("Sockets closed", "Sockets that nodes closed, by reason.", PER_S,
              rate("daira_sockets_closed_total", "reason")),
        Panel("Reconnections", "Clients that reconnected: `fresh` had to load everything again.", PER_S,
              rate("daira_recoveries_total", "outcome")),
        Panel("Gaps of the bus", "Times a node subscribed to Redis again. `afresh`: clients had to reload.", PER_S,
              rate("daira_bus_gaps_total", "outcome")),
        Panel("Presence", "Users with a socket, users who type, and changes that Redis could not take yet.", COUNT,
              {"online": "sum(daira_presence_users{$})", "typing": "sum(daira_typing{$})",
               "not reported yet": "sum(daira_presence_unreported{$})"}),
        Panel("Handshakes refused", "`limit`: too many from one address; `dependency`: Redis is down.", PER_S,
              rate("daira_handshakes_refused_total", "reason")),
        Panel("Dead nodes", "Nodes that stopped without a report, whose users another node has removed.", PER_S,
              rate("daira_nodes_reaped_total")),
        Panel("Broken HTTP", "Connections of clients that stall in a request, and requests that are no HTTP.", PER_S,
              {**rate("daira_http_cut_off_total", legend="stalled"),
               **rate("daira_http_unreadable_total", legend="unreadable")}),
    ],
    "Calls": [
        Panel("Busiest methods", "Calls answered, the ten most called methods.", PER_S,
              {"{{method}}": "topk(10, sum by (method) (rate(daira_call_seconds_count{$}[$])))"}),
        Panel("Slowest methods", "95th percentile, the ten slowest methods.", SECONDS, {"{{method}}": SLOWEST},
              (0.25, 0.5)),
        Panel("Most expensive methods", "Seconds of work in each second, the ten highest.", SECONDS,
              {"{{method}}": "topk(10, sum by (method) (rate(daira_call_seconds_sum{$}[$])))"}),
        Panel("Failures by method", "INTERNAL, UNAVAILABLE and DEADLINE_EXCEEDED, the ten worst methods.", PER_S,
              {"{{method}} {{code}}":
               f"topk(10, sum by (method, code) (rate(daira_calls_refused_total{{$,{ERRORS}}}[$])))"}),
        Panel("Refusals by code", "Most are the client's own fault.", PER_S,
              rate("daira_calls_refused_total", "code")),
        Panel("Over budget", "Calls refused for their user's cost (`work`), number at once (`calls`), or rate.", PER_S,
              rate("daira_calls_over_budget_total", "limit")),
        Panel("Shed", "Calls and handshakes refused because a node is overloaded, by class.", PER_S,
              rate("daira_calls_shed_total", "class")),
        Panel("Heavy users", "Users who are served one call at a time. Many: the servers are slow for all.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_heavy_users{$})"}),
        Panel("Waits for the database", "`call`: users wait for their turn; `own`: the pool is too small. Only what "
              "waits is counted.", SECONDS, quantiles("daira_postgres_wait_seconds", "whose"), (0.1, 0.5)),
        Panel("Registrations and sign-ins", "All attempts, successful or not.", PER_S,
              rate("daira_call_seconds_count", "method", 'method=~"auth.*"')),
    ],
    "Event path": [
        Panel("Outbox", "Events waiting for the relay.", COUNT, {"events": "max(daira_outbox_unsent)"}),
        Panel("Age of the outbox", "Of the oldest event: rises by a second each second while no relay works.", SECONDS,
              {"age": "max(daira_outbox_oldest_seconds)"}, (5, 30)),
        Panel("Relayed", "Events carried to the event log, and events sent again because the log had lost them.", PER_S,
              {**rate("daira_outbox_relayed_total", legend="relayed"),
               **rate("daira_outbox_repeated_total", legend="sent again")}),
        Panel("Lag by group", "Events that each group has not handled.", COUNT,
              {"{{group}}": "max by (group) (sum by (group, instance) (daira_event_log_lag))"}, (500, 1000)),
        Panel("Reactions by group", "Events handled. A group with a lag and without reactions is stuck.", PER_S,
              rate("daira_reactions_total", "group")),
        Panel("Time of reactions", "95th percentile by group, with retries.", SECONDS,
              quantiles("daira_reaction_seconds", "group")),
        Panel("Dead letters", "Waiting dead letters. See `daira dead-letters list`.", COUNT,
              {"dead letters": "max(daira_dead_letters)"}, (1, 100)),
        Panel("Counts", "Changes of counts that wait to be folded, and counts that differ from their rows.", COUNT,
              {"waiting": "max(daira_counts_unfolded)", "drifting": "max(daira_counts_drift)"}),
        Panel("Counts folded", "Changes folded into the counts of posts and comments.", PER_S,
              rate("daira_counts_folded_total")),
        Panel("Age of trends", "Since workers last made trends of the counts; they do so once a minute.", SECONDS,
              {"age": "time() - max(daira_trends_refreshed_timestamp_seconds)"}, (180, 600)),
        Panel("Explore pages", "Where the shared part of the page came from: the process, Redis, or a new computation.",
              PER_S, rate("daira_explore_pages_total", "source")),
        Panel("Files", "Uploaded files that wait or are processed.", COUNT,
              {"{{lane}}": "max by (lane) (daira_media_waiting)"}),
        Panel("Age of files", "For how long the oldest file has been due.", SECONDS,
              {"{{lane}}": "max by (lane) (daira_media_oldest_seconds)"}, (300, 600)),
        Panel("Attempts at files", "`unavailable`: a server is missing; `error`: see the log.", PER_S,
              rate("daira_media_attempts_total", "outcome")),
        Panel("Deliveries", "Notifications that stayed unseen, by outcome.", PER_S,
              rate("daira_notification_deliveries_total", "outcome")),
        Panel("Account mails", "Codes and notices that leave at once, by outcome.", PER_S,
              rate("daira_account_mails_total", "outcome")),
        Panel("Oldest seal, erasure, export", "How long the audit trail, erasures and exports have waited.",
              SECONDS, {"seal": "max(daira_audit_oldest_seconds)", "erasure": "max(daira_erasures_oldest_seconds)",
                        "export": "max(daira_exports_oldest_seconds)"}, (300, 3600)),
        Panel("Messages", "To push services and mail servers, by outcome.", PER_S,
              rate("daira_sender_messages_total", "outcome")),
        Panel("Time of providers", "95th percentile, with the wait for a turn.", SECONDS,
              quantiles("daira_sender_seconds", "provider")),
    ],
    "Rooms": [
        Panel("Users in rooms", "On each node, once for each room.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_room_seats{$})"}),
        Panel("Channels", "Rooms, posts, chats and users with members on the node.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_channels{$})"}),
        Panel("Pushes of rooms", "A hot room shows as one event that outgrows the others.", PER_S,
              rate("daira_pushes_total", "event", 'event=~"room[.].*"')),
        Panel("Pushes by node", "A hot room on few nodes shows as nodes that outgrow the others.", PER_S,
              {"{{instance}}": 'sum by (instance) (rate(daira_pushes_total{$,event=~"room[.].*"}[$]))'}),
        Panel("Calls of rooms", "By method.", PER_S, rate("daira_call_seconds_count", "method", 'method=~"room[.].*"')),
        Panel("Time of calls of rooms", "95th percentile by method.", SECONDS,
              quantiles("daira_call_seconds", "method", 'method=~"room[.].*"'), (0.25, 0.5)),
        Panel("Reactions dropped", "More kinds of reactions in half a second than the queue holds.", PER_S,
              rate("daira_room_reactions_dropped_total")),
        Panel("Not reported yet", "Users who left while Redis or PostgreSQL was down.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_room_unreported{$})"}),
        Panel("Voice", "Requests to LiveKit. `failed`: LiveKit is down, or does not know our key.", PER_S,
              {"{{request}} {{outcome}}": "sum by (request, outcome) (rate(daira_voice_requests_total{$}[$]))"}),
    ],
    "Dependencies": [
        Panel("Up", "1 if every chosen process reaches the server.", COUNT,
              {"{{dependency}}": "min by (dependency) (daira_dependency_up{$})"}),
        Panel("Time of an answer", "Of the check at each scrape, the slowest process.", SECONDS,
              {"{{dependency}}": "max by (dependency) (daira_dependency_seconds{$})"}, (0.5, 2)),
        Panel("Connections to PostgreSQL", "Open connections by role and state.", COUNT,
              {"{{role}} {{state}}": "sum by (role, state) (daira_postgres_connections{$})"}),
        Panel("Waits for PostgreSQL", "Transactions that wait for a connection, on average.", COUNT,
              {"{{job}}": "sum by (job) (rate(daira_postgres_wait_seconds_sum{$}[$]))"}, (1, 5)),
        Panel("Replica", "For how long the replica has not been as current as the primary.", SECONDS,
              {"{{instance}}": "max by (instance) (daira_replica_lag_seconds{$})"}, (1, 10)),
        Panel("Reads", "Reads that could use the replica, by where they ran or why they could not.", PER_S,
              rate("daira_replica_reads_total", "where")),
        Panel("Connections to Redis", "In use.", COUNT,
              {"{{instance}}": "sum by (instance) (daira_redis_connections{$})"}),
        Panel("Memory of Redis", "At 100 % it refuses writes.", PART,
              {"{{dependency}}": "max by (dependency) (daira_redis_memory_ratio)"}, (0.6, 0.8)),
        Panel("Object store", "95th percentile by operation.", SECONDS, quantiles("daira_objects_seconds", "operation"),
              (0.5, 3)),
        Panel("OpenSearch", "95th percentile by operation.", SECONDS,
              quantiles("daira_opensearch_seconds", "operation"), (0.1, 1)),
        Panel("Object store failures", "By cause.", PER_S, rate("daira_objects_failures_total", "cause")),
        Panel("Breakers", "1 while requests to the dependency are refused because it does not answer.", COUNT,
              {"{{dependency}}": "max by (dependency) (daira_breaker_open{$})"}),
        Panel("Refused at once", "Requests that were refused because the breaker was open.", PER_S,
              rate("daira_breaker_refused_total", "dependency")),
        Panel("Traces", "Spans that the collector has taken, and spans lost.", PER_S,
              {**rate("daira_spans_sent_total", legend="sent"),
               "lost: {{reason}}": "sum by (reason) (rate(daira_spans_dropped_total{$}[$]))"}),
        Panel("Media requests", "HTTP requests for files, by outcome.", PER_S,
              rate("daira_media_requests_total", "outcome")),
    ],
}  # fmt: skip
