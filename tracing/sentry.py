"""Reports faults to Sentry. Needs the extra `sentry`.

A report holds the class of the exception, the code that raised it, where it happened and the trace id. It holds no
message of an exception, no arguments and no variables, which may be what users wrote: the log has them.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

from sentry_sdk import Client
from sentry_sdk.types import Event
from sentry_sdk.utils import BadDsn as WrongDsn
from sentry_sdk.utils import event_from_exception

from tracing.metrics import FAULTS_REPORTED

__all__ = ["SentryReporter", "WrongDsn"]

PER_MINUTE = 30
STOP_S = 2.0
TAGS = ("method", "group", "topic", "work", "library", "step")  # fields of log lines that say where it happened


class SentryReporter:
    """Not more than 30 reports a minute, from a bounded queue and a thread of the client."""

    def __init__(self, dsn: str, release: str, service: str) -> None:
        self._client = Client(
            dsn=dsn,
            release=release,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            include_local_variables=False,
            send_client_reports=False,
            max_breadcrumbs=0,
        )
        self._service = service
        self._minute, self._reports = 0, 0

    def __call__(self, line: Mapping[str, Any]) -> None:
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            self._minute, self._reports = minute, 0
        self._reports += 1
        if self._reports > PER_MINUTE:
            FAULTS_REPORTED.labels("limited").inc()
            return
        self._client.capture_event(self._event(line))
        FAULTS_REPORTED.labels("sent").inc()

    def stop(self) -> None:
        """Send what waits, for two seconds at most."""
        self._client.close(timeout=STOP_S)

    def _event(self, line: Mapping[str, Any]) -> Event:
        event: Event = {}
        raised = _exception(line.get("exc_info"))
        if raised is not None:
            event, _ = event_from_exception(raised, client_options=self._client.options)
            for value in event["exception"]["values"]:
                value["value"] = ""
        event["level"] = "error"
        event["logger"] = self._service
        if "library" not in line:  # our texts are constants; those of libraries may hold values
            event["logentry"] = {"message": str(line["event"])}
        event["tags"] = {name: str(line[name]) for name in TAGS if name in line}
        if trace_id := line.get("trace_id"):
            event["tags"]["trace_id"] = trace_id
            event["contexts"] = {"trace": {"trace_id": trace_id, "span_id": trace_id[:16]}}
        return event


def _exception(given: object) -> BaseException | None:
    """What a log line was given as `exc_info`: an exception, its triple, or True for the one that is handled."""
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exc_info()[1]
    return None
