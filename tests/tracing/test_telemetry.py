"""Every process measures its event loop. Tracing and Sentry are extras: their settings say what to install.

`make check` refuses to import them elsewhere.
"""

import asyncio

import pytest
from prometheus_client import REGISTRY

from gateway import telemetry as module
from gateway.settings import Settings, SettingsError
from gateway.telemetry import telemetry
from tests.patience import WAIT_S

NEEDED = [
    ("trace_endpoint", "http://127.0.0.1:1/v1/traces", "tracing"),
    ("sentry_dsn", "http://a@127.0.0.1:1/1", "sentry"),
]


def missing(name: str) -> None:
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("find_spec", [missing, lambda name: None])
@pytest.mark.parametrize(("field", "value", "extra"), NEEDED)
async def test_a_setting_without_its_extra_says_what_to_install(monkeypatch, find_spec, field, value, extra):
    monkeypatch.setattr(module, "find_spec", find_spec)
    with pytest.raises(SettingsError, match=rf"DAIRA_{field.upper()} .*daira\[{extra}\]"):
        async with telemetry(Settings(_env_file=None, **{field: value}), "test"):
            pass


async def test_the_event_loop_of_every_process_is_measured():
    """Workers, too: a reaction that blocks the loop delays all others."""

    def measured() -> float:
        return REGISTRY.get_sample_value("daira_event_loop_lag_seconds_count") or 0

    before = measured()
    async with telemetry(Settings(_env_file=None), "daira-worker"), asyncio.timeout(WAIT_S):
        while measured() == before:
            await asyncio.sleep(0.05)
