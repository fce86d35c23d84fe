"""Parts of the whole system fail for seconds under load. `make chaos` has all parts, all ways, and a minute each."""

import pytest

from tests.topology.faults import Fault, cause
from tests.topology.ledger import LOST

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

SECONDS = 5.0


@pytest.mark.parametrize(
    "fault",
    [Fault("PostgreSQL", "paused"), Fault("all of Redis", "cut off"), Fault("one gateway node", "stopped")],
)
async def test_a_part_fails_and_all_heals_by_itself(system, fault):
    row = await cause(fault, *system, SECONDS)
    assert row.faults == []
    assert not [what for what in row.rest_failures if LOST not in what]  # a client may have to reconnect
    assert row.acknowledged
