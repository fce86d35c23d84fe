"""One topology with its load for all tests of this folder: it takes half a minute to start."""

import os

import pytest

from tests.topology import network, servers
from tests.topology.load import Load
from tests.topology.topology import Running


@pytest.fixture(scope="package")
async def system():
    """The running topology and its load, which each test leaves as it found them."""
    why = network.why_not() or servers.why_not()
    if why and not os.environ.get("CI"):
        pytest.skip(why)
    assert not why, why
    async with Running() as running:
        load = Load(running.topology)
        await load.start()
        running.push_async_callback(load.stop)
        yield running.topology, load
