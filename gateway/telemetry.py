"""Exports traces and reports faults while a process runs, as its settings say. Both are extras."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec

from gateway.settings import Settings, SettingsError
from tracing import faults, traces


@contextmanager
def telemetry(settings: Settings, service: str) -> Iterator[None]:
    """Raises SettingsError if an extra is missing."""
    with ExitStack() as closing:
        if settings.trace_endpoint:
            _require("opentelemetry.sdk", "DAIRA_TRACE_ENDPOINT", "tracing")
            from tracing.otlp import OtlpSink

            instance = f"{socket.gethostname()}-{os.getpid()}"
            sink = OtlpSink(settings.trace_endpoint, settings.trace_sample, service, instance)
            closing.callback(sink.stop)
            traces.send_to(sink)
            closing.callback(traces.send_to, None)
        if settings.sentry_dsn:
            _require("sentry_sdk", "DAIRA_SENTRY_DSN", "sentry")
            from tracing.sentry import SentryReporter

            reporter = SentryReporter(settings.sentry_dsn.get_secret_value(), version("daira"), service)
            closing.callback(reporter.stop)
            faults.report_to(reporter)
            closing.callback(faults.report_to, None)
        yield


def _require(module: str, variable: str, extra: str) -> None:
    try:
        is_installed = find_spec(module) is not None
    except ModuleNotFoundError:  # of its parent
        is_installed = False
    if not is_installed:
        raise SettingsError(f"{variable} needs an extra: install daira[{extra}]")
