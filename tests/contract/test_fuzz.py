"""Run `tests.fuzz` for a few seconds."""

import random

from tests.cluster import Cluster
from tests.fuzz import fuzz


async def test_fuzzed_packets_break_nothing(cluster: Cluster, person):
    await cluster.leave()
    seed = random.randrange(10_000_000)
    found = await fuzz(cluster, 4, seed)
    print(f"seed {seed}: {found}")
    assert found["sent"] > 20, found
    assert found["broken"] == 0, found
    assert found["left"] == 0, found
