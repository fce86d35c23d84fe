"""Measures the event loop of a process, and exports traces and reports faults if its settings say so.

Traces and faults are extras.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec

from gateway.observability import LOOP_LAG
from gateway.retrying import run_beside
from gateway.settings import Settings, SettingsError
from tracing import faults, traces

LAG_EVERY_S = 0.5


@asynccontextmanager
async def telemetry(settings: Settings, service: str) -> AsyncIterator[None]:
    """Raises SettingsError if an extra is missing."""
    async with AsyncExitStack() as closing:
        await run_beside(closing, "watch the event loop", _watch_loop)
        if settings.trace_endpoint:
            _require("opentelemetry.sdk", "DAIRA_TRACE_ENDPOINT", "tracing")
            from tracing.otlp import OtlpSink

            instance = f"{socket.gethostname()}-{os.getpid()}"
            sink = OtlpSink(settings.trace_endpoint, settings.trace_sample, service, instance)
            closing.push_async_callback(asyncio.to_thread, sink.stop)
            traces.send_to(sink)
            closing.callback(traces.send_to, None)
        if settings.sentry_dsn:
            _require("sentry_sdk", "DAIRA_SENTRY_DSN", "sentry")
            from tracing.sentry import SentryReporter, WrongDsn

            try:
                reporter = SentryReporter(settings.sentry_dsn.get_secret_value(), version("daira"), service)
            except WrongDsn as error:
                raise SettingsError(f"DAIRA_SENTRY_DSN is wrong: {error}") from None
            closing.push_async_callback(asyncio.to_thread, reporter.stop)
            faults.report_to(reporter)
            closing.callback(faults.report_to, None)
        yield


async def _watch_loop() -> None:
    """Forever: measure how late timers are."""
    loop = asyncio.get_running_loop()
    while True:
        asleep_at = loop.time()
        await asyncio.sleep(LAG_EVERY_S)
        LOOP_LAG.observe(max(loop.time() - asleep_at - LAG_EVERY_S, 0))


def _require(module: str, variable: str, extra: str) -> None:
    try:
        is_installed = find_spec(module) is not None
    except ModuleNotFoundError:  # of its parent
        is_installed = False
    if not is_installed:
        raise SettingsError(f"{variable} needs an extra: install daira[{extra}]")
