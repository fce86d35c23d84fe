"""Traces of the tests' process, taken by a collector."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.settings import Settings
from gateway.telemetry import telemetry
from tests.tracing.collector import Collector, collecting
from tracing import otlp


@pytest_asyncio.fixture(loop_scope="session")
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(loop_scope="session")
async def traced(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """Every trace of this process is sampled, and sent to the collector."""
    monkeypatch.setattr(otlp, "EVERY_S", 0.05)
    settings = Settings(_env_file=None, trace_endpoint=collector.url, trace_sample=1)
    async with telemetry(settings, "test"):
        yield collector
