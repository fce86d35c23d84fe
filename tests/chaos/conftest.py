"""A deployment for each test."""

import pytest

from tests.chaos.deployment import Deployment


@pytest.fixture
async def deployment(tmp_path):
    running = Deployment(tmp_path / "data")
    try:
        await running.begin()
        yield running
    finally:
        await running.end()
